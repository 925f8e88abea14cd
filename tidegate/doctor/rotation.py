"""The master keys as the pool's leader knows them: a rotation half-way, and who lacks a key."""

from collections.abc import Iterator

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed
from contracts.pool import AskKeys, KeysReply
from runtime.nats.connection import UnansweredError, ask_command
from runtime.process.findings import DoctorFinding, fine, note, unchecked, wrong
from runtime.texts import count_phrase

_AREA = "keys"
_TIMEOUT_S = 2.0
_keys = msgspec.json.Decoder(KeysReply | Failed)


async def rotation_findings(client: Client) -> list[DoctorFinding]:
    """Ask the pool's leader; that nobody leads is told elsewhere."""
    try:
        reply = await ask_command(client, subjects.pool_keys(), AskKeys(), _keys, _TIMEOUT_S)
    except UnansweredError:
        return [unchecked(_AREA, "who has which master key: the pool does not say")]
    if isinstance(reply, Failed):
        return [unchecked(_AREA, f"who has which master key: {reply.message}")]
    return list(describe_keys(reply))


def describe_keys(keys: KeysReply) -> Iterator[DoctorFinding]:
    """Say whether a rotation stands half-way, and who lacks a key that is in use."""
    rotation = keys.rotation
    under_way = rotation is not None and rotation.ended_at is None
    needed = {key_id for key_id in keys.key_ids if key_id in keys.ciphertexts}
    if rotation is not None and under_way:
        needed.add(rotation.key_id)
        sealed = keys.ciphertexts.get(rotation.key_id, 0)
        message = (
            f"a rotation to the key {rotation.key_id} is under way since"
            f" {rotation.began_at:%Y-%m-%d %H:%M} UTC: {sealed} of"
            f" {sum(keys.ciphertexts.values())} credentials are sealed under it"
        )
        yield note(_AREA, "rotation_halfway", message)
    elif len(keys.key_ids) > 1:
        message = f"the key file has {len(keys.key_ids)} keys, and no rotation is under way"
        yield note(_AREA, "rotation_halfway", message)
    for key_id, count in keys.ciphertexts.items():
        if key_id not in keys.key_ids:
            closed = count_phrase(count, "credential is", "credentials are")
            message = f"{closed} sealed under the key {key_id}, which the pool lacks"
            yield note(_AREA, "credentials_closed", message)
    lacking = 0
    for holder in keys.holders:
        missing = sorted(needed.difference(holder.key_ids))
        # One of an earlier version does not say what it has: it matters when a key changes.
        if missing and (holder.key_ids or under_way):
            lacking += 1
            has = ", ".join(holder.key_ids) or "none that it tells of"
            message = f"{holder.process} lacks the master key {', '.join(missing)} (it has {has})"
            yield wrong(_AREA, "master_key_lacking", message)
    if not lacking:
        holders = count_phrase(len(keys.holders), "process has", "processes have")
        yield fine(_AREA, f"{holders} the master key")
