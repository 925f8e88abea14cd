"""The log in NATS: its streams, its room, its clock, who follows it, and the keys it knows."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.subjects import CREDENTIALS_STREAM, EVENT_STREAM, EVT_BALANCER, EVT_KEYS, evt_pool
from runtime.clock import Clock
from runtime.environment import Environment
from runtime.eventlog import STANDBY, EventLog
from runtime.nats import streams
from runtime.process.findings import DoctorFinding, FindingCode, fine, note, unchecked, wrong
from runtime.secrets import key_hash
from runtime.texts import count_phrase
from services.gateway.clients.keys import Key, KeyRing
from tidegate.console import logreading
from tidegate.doctor import credentials

_TIMEOUT_S = 2.0
_NOT_FOUND = 10059
_SKEW_MAX_S = 2.0
"""As much as the guard before a reset allows for."""
_AHEAD_MAX_S = 3.0
_NEARLY_FULL, _FULL = 0.8, 0.9
_BEHIND_MAX = 20_000
_FREE_TO_CHOOSE = frozenset({"num_replicas", "max_bytes"})
_STANDBYS = {evt_pool(): "pool", EVT_BALANCER: "balancer"}
_GB = 10**9


async def log_findings(
    client: Client, environment: Environment, clock: Clock
) -> list[DoctorFinding]:
    """Look at the streams and at what is in the log."""
    findings = []
    infos: dict[str, Any] = {}
    for name in [config["name"] for config in streams.stream_configurations(0)]:
        asked_at = clock()
        reply = await ask_jetstream(client, f"STREAM.INFO.{name}")
        if name == EVENT_STREAM and reply is not None and "ts" in reply:
            findings.append(_nats_skew(reply["ts"], asked_at, clock()))
        findings += _stream_findings(name, reply)
        infos[name] = reply if reply is not None and "error" not in reply else None
    if (info := infos[EVENT_STREAM]) is not None:
        findings += _room_findings(info, environment)
        findings += await _content_findings(client, environment, info)
    if infos[CREDENTIALS_STREAM] is not None:
        findings.extend(await credentials.credential_findings(client, environment))
    return findings


def _stream_findings(name: str, reply: dict[str, Any] | None) -> Iterator[DoctorFinding]:
    """Compare a stream with what `migrate` makes it."""
    if reply is None:
        yield wrong("streams", "stream_unreadable", f"{name}: no answer to the user auditor")
    elif "error" in reply:
        missing = reply["error"].get("err_code") == _NOT_FOUND
        code: FindingCode = "stream_missing" if missing else "stream_unreadable"
        yield wrong("streams", code, f"{name}: {reply['error']['description']}")
    else:
        replicas = reply["config"].get("num_replicas", 1)
        config = next(
            wanted
            for wanted in streams.stream_configurations(0, replicas)
            if wanted["name"] == name
        )
        is_ = {key: reply["config"].get(key, False) for key in config.keys() - _FREE_TO_CHOOSE}
        changed = [
            f"{key} is {value!r} instead of {config[key]!r}"
            for key, value in sorted(is_.items())
            if value != config[key]
        ]
        if reply["config"].get("max_bytes", -1) <= 0 and "max_bytes" in config:
            changed.append("it has no max_bytes")
        if changed:
            yield wrong("streams", "stream_changed", f"{name}: {', '.join(changed)}")
        else:
            yield fine(
                "streams",
                f"{name}: as migrated, {count_phrase(reply['state']['messages'], 'message')}",
            )


def _room_findings(info: dict[str, Any], environment: Environment) -> Iterator[DoctorFinding]:
    """Look whether the log may go on growing, and can."""
    kept, bound = info["state"]["bytes"], info["config"].get("max_bytes", -1)
    share = kept / bound if bound > 0 else 0.0
    filling = f"{kept:,} of {bound:,} bytes, {share:.0%}"
    if share >= _FULL:
        yield wrong("log", "log_full", f"{filling}: leases are refused (ledger_unavailable)")
    elif share >= _NEARLY_FULL:
        yield wrong("log", "log_nearly_full", f"{filling}: at 90 % no lease is granted any more")
    else:
        yield fine("log", filling)
    if environment.nats_url is None and bound > 0:
        # Stored messages are compressed: a log rarely takes its whole bound from the disk.
        free, growth = streams.free_bytes(environment.home.path), bound - kept
        if free < growth:
            message = f"the log may grow by {growth / _GB:.1f} GB, {free / _GB:.1f} GB are free"
            yield note("disk", "disk_small", message)
    if info["state"]["messages"] and info["state"]["first_seq"] > 1:
        first = info["state"]["first_seq"]
        yield note("log", "log_truncated", f"it begins at sequence {first}")


async def _content_findings(
    client: Client, environment: Environment, info: dict[str, Any]
) -> list[DoctorFinding]:
    """Look into the log: its clock, its followers, the keys that it knows."""
    log = EventLog(client)
    findings = []
    for subject in (evt_pool(), EVT_BALANCER, EVT_KEYS):
        last = await log.last_stored(subject)
        if last is None:
            continue
        opened = logreading.decode_envelope(last)
        if opened is None:
            continue
        ahead = (opened.time - last.time).total_seconds()
        if ahead > _AHEAD_MAX_S:
            message = f"the last envelope of {subject} is dated {ahead:.0f} s after it was stored"
            findings.append(wrong("clock", "log_ahead", message))
    findings += await _follower_findings(client, info)
    return findings + await _home_key_findings(log, environment)


async def _follower_findings(client: Client, info: dict[str, Any]) -> list[DoctorFinding]:
    """Look at who reads the log, how far behind, and who of them stands by to lead."""
    consumers = await _consumer_infos(client)
    if consumers is None:
        return [wrong("consumers", "stream_unreadable", "the consumers of EVT cannot be listed")]
    last = info["state"]["last_seq"]
    behind = [consumer for consumer in consumers if consumer.get("num_pending", 0) > _BEHIND_MAX]
    findings = [
        wrong(
            "consumers",
            "consumer_behind",
            f"{_subject_filter(consumer)}: {count_phrase(consumer['num_pending'], 'envelope')}"
            f" behind sequence {last}",
        )
        for consumer in behind
    ]
    if not behind:
        findings.append(fine("consumers", f"{len(consumers)} follow the log, none is far behind"))
    # A reader that went away is listed for a minute, but it no longer waits for anything.
    filters = [
        _subject_filter(consumer)
        for consumer in consumers
        if consumer.get("num_waiting", 0)
        and consumer["config"].get("metadata", {}).get("role") == STANDBY
    ]
    for subject, service in _STANDBYS.items():
        if subject in filters:
            findings.append(fine("standby", f"{service}: {filters.count(subject)} stand by"))
        else:
            findings.append(note("standby", "standby_absent", f"no {service} stands by"))
    return findings


async def _consumer_infos(client: Client) -> list[dict[str, Any]] | None:
    """List every consumer of the log, page by page; None when they cannot be listed."""
    consumers: list[dict[str, Any]] = []
    while True:
        reply = await ask_jetstream(
            client, f"CONSUMER.LIST.{EVENT_STREAM}", {"offset": len(consumers)}
        )
        if reply is None or "error" in reply:
            return None
        page = reply.get("consumers") or []
        consumers += page
        if not page or len(consumers) >= reply["total"]:
            return consumers


def _subject_filter(consumer: dict[str, Any]) -> str:
    config = consumer.get("config", {})
    return " ".join(config.get("filter_subjects") or [config.get("filter_subject", "")])


async def _home_key_findings(log: EventLog, environment: Environment) -> list[DoctorFinding]:
    """Look whether the keys of the home open anything."""
    here = [
        path
        for path in (environment.home.operator_key, environment.home.client_key)
        if path.exists()
    ]
    last = await log.last_stored(EVT_KEYS)
    if not here or last is None:
        return [unchecked("keys", "the keys of clients are not here, or not in the log")]
    ring = KeyRing()
    reader = logreading.EnvelopeReader()
    every: dict[str, Key] = {}
    async for batch in log.read_range(EVT_KEYS, 0, last.sequence):
        for stored in batch:
            seen = reader.decode_next(stored)
            if seen is None:
                ring.skip_sequence(stored.sequence)
                continue
            ring.apply_envelope(stored.sequence, seen)
            every |= {key.hash: key for key in ring.all_keys()}
    findings = []
    for path in here:
        hashed = key_hash(path.read_text().strip())
        key = every.get(hashed)
        if ring.key_opened_by(hashed) is not None:
            findings.append(fine("keys", f"{path.name}: the log knows it"))
        elif key is not None and key.revoked:
            findings.append(wrong("keys", "key_revoked", f"{path.name}: {key.key_id} is revoked"))
        else:
            findings.append(wrong("keys", "key_unknown", f"{path.name}: it opens nothing"))
    return findings


def _nats_skew(stated: str, asked_at: datetime, answered_at: datetime) -> DoctorFinding:
    return skew_finding("NATS", datetime.fromisoformat(stated), asked_at, answered_at)


def skew_finding(
    who: str, stated: datetime, asked_at: datetime, answered_at: datetime
) -> DoctorFinding:
    """Compare another's clock with ours, by as much as the answer may have taken."""
    apart = max((stated - answered_at).total_seconds(), (asked_at - stated).total_seconds(), 0.0)
    if apart > _SKEW_MAX_S:
        return wrong("clock", "clock_skew", f"{who}: {apart:.1f} s apart from this process")
    return fine("clock", f"{who}: its time is ours")


async def ask_jetstream(
    client: Client, what: str, body: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """Ask the server; None when it does not answer."""
    payload = json.dumps(body).encode() if body else b""
    try:
        message = await client.request(f"$JS.API.{what}", payload, timeout=_TIMEOUT_S)
    except (NatsError, ConnectionError):
        return None
    reply: dict[str, Any] = json.loads(message.data)
    return reply
