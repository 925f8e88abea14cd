"""What a rotation does next, by the key file and by what the pool's leader says.

Nothing is remembered between two steps, so whoever was killed finds its place again. A key leaves
the file only when the log has the end of the rotation to the first, and the leader knows of no
ciphertext under it.
"""

from collections.abc import Mapping, Sequence

import msgspec

from contracts.pool import KeyRotation, KeysReply
from runtime.secrets import EXPECTED_KEY
from runtime.texts import count_phrase
from services.pool.keys.holders import LISTENED_MIN_S


class AddKey(msgspec.Struct, frozen=True):
    """A new key goes into the file, second."""


class BeginRotation(msgspec.Struct, frozen=True):
    """The log is to say that a rotation to this key is under way."""

    key_id: str


class AwaitKey(msgspec.Struct, frozen=True):
    """These processes lack the key yet; with none, the leader has not listened for long."""

    key_id: str
    lacking: list[str]


class PromoteKey(msgspec.Struct, frozen=True):
    """The key goes first: it seals."""

    key_id: str


class AwaitEnd(msgspec.Struct, frozen=True):
    """The leader re-seals: so many are done; these processes seal under another key yet."""

    key_id: str
    sealed: int
    lacking: list[str]


class DropKeys(msgspec.Struct, frozen=True):
    """All but the first leave the file, and the rotation is done."""

    key_id: str


class NoWay(msgspec.Struct, frozen=True):
    """It cannot go on, and why."""

    reason: str


Step = AddKey | BeginRotation | AwaitKey | PromoteKey | AwaitEnd | DropKeys | NoWay


def next_step(
    key_ids: Sequence[str], keys: KeysReply, whole_id: str, strange: Mapping[str, str]
) -> Step:
    """Say what is next for a file with these keys; `whole_id` names its whole text as one key.

    `strange` tells the places of those that Tidegate did not make: none of them is promoted.
    """
    objection = _file_objection(key_ids, keys, whole_id) or _stray_line(key_ids, keys, strange)
    if objection is not None:
        return NoWay(objection)
    step = _step_without_objection(key_ids, keys)
    if isinstance(step, BeginRotation | AwaitKey | PromoteKey) and step.key_id in strange:
        return NoWay(
            f"{strange[step.key_id]} would become the master key: {EXPECTED_KEY}; put that line"
            " behind a key that Tidegate made, or take it out if nothing is sealed under it"
        )
    return step


def _step_without_objection(key_ids: Sequence[str], keys: KeysReply) -> Step:
    rotation = keys.rotation
    if rotation is None or rotation.ended_at is not None:
        return _step_at_rest(key_ids, keys, rotation)
    if rotation.key_id in key_ids:
        return _step_under_way(key_ids, keys, rotation)
    # Its key is nowhere any more, and nothing is sealed under it: another takes its place.
    return _first_step(key_ids, keys)


def _file_objection(key_ids: Sequence[str], keys: KeysReply, whole_id: str) -> str | None:
    """Say why this file is not to be touched; None when it is the pool's, with all of its keys."""
    foreign = [key_id for key_id in keys.key_ids if key_id not in key_ids]
    if foreign:
        return (
            f"the pool has the key {foreign[0]}, which is not in this file: expected the file that"
            " the pool reads, with every key that it has"
        )
    whole = keys.ciphertexts.get(whole_id, 0) if len(key_ids) > 1 else 0
    if whole:
        sealed = count_phrase(whole, "credential is", "credentials are")
        return (
            f"{sealed} sealed under the lines of this file as one key: expected a key a line; add"
            f" {'it' if whole == 1 else 'them'} again first"
        )
    rotation = keys.rotation
    under_way = rotation.key_id if rotation is not None and rotation.ended_at is None else None
    if under_way in keys.ciphertexts and under_way not in key_ids:
        return (
            f"a rotation to the key {under_way} is under way, which is not in this file: expected"
            " the file that it was put into"
        )
    return None


def _stray_line(key_ids: Sequence[str], keys: KeysReply, strange: Mapping[str, str]) -> str | None:
    """Name a line beside others that is no key; what sealed, or is about to be replaced, is one."""
    if len(key_ids) == 1:
        return None
    replaced = keys.rotation.previous_id if keys.rotation is not None else ""
    for key_id, place in strange.items():
        alone = key_id == key_ids[0] and not any(keys.ciphertexts.values())
        if not (keys.ciphertexts.get(key_id) or key_id == replaced or alone):
            return (
                f"{place} seals nothing, and is no key that Tidegate made: {EXPECTED_KEY}; take"
                " that line out"
            )
    return None


def _step_at_rest(key_ids: Sequence[str], keys: KeysReply, rotation: KeyRotation | None) -> Step:
    """Bring to its end what another run left behind, or begin."""
    first, *others = key_ids
    if any(keys.ciphertexts.get(key_id) for key_id in others):
        return BeginRotation(first)
    # A key that was only added, by a run that ended then, is not the one that was replaced.
    done = rotation is not None and rotation.key_id == first and rotation.previous_id in key_ids
    return DropKeys(first) if others and done else _first_step(key_ids, keys)


def _first_step(key_ids: Sequence[str], keys: KeysReply) -> Step:
    """Have a key that seals nothing yet, in the file and at the pool."""
    if len(key_ids) == 1:
        return AddKey()
    wanted = key_ids[1]
    if wanted not in keys.key_ids:
        return AwaitKey(wanted, _lacking(keys, wanted))
    return BeginRotation(wanted)


def _step_under_way(key_ids: Sequence[str], keys: KeysReply, rotation: KeyRotation) -> Step:
    """Go on with the rotation that the log has."""
    key_id = rotation.key_id
    if key_ids[0] == key_id:
        lacking = [one.process for one in keys.holders if one.key_ids[:1] != [key_id]]
        return AwaitEnd(key_id, keys.ciphertexts.get(key_id, 0), lacking)
    lacking = _lacking(keys, key_id)
    if lacking or keys.listened_s < LISTENED_MIN_S:
        return AwaitKey(key_id, lacking)
    return PromoteKey(key_id)


def _lacking(keys: KeysReply, key_id: str) -> list[str]:
    return [holder.process for holder in keys.holders if key_id not in holder.key_ids]
