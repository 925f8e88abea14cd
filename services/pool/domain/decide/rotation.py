"""When a rotation of the master key begins and ends: one after the other, and each of them once."""

from datetime import datetime

import msgspec

from contracts.base import Failed
from contracts.pool import Done, KeyRotationBegan, KeyRotationEnded, RotateKey
from services.pool.domain.decide.decision import Decision, Draft
from services.pool.domain.state import Pool


class RotationWanted(msgspec.Struct, frozen=True):
    """A rotation that is to begin, and what the leader knows of the keys."""

    command: RotateKey
    previous_id: str
    """The key that seals now."""
    is_lost: bool
    """Whether the key of a rotation under way is nowhere: not here, and under no ciphertext."""


class RotationDone(msgspec.Struct, frozen=True):
    """Everything is under the key, and everybody heard of seals with it."""

    key_id: str
    sealed: int
    closed: int


def decide_rotation(state: Pool, wanted: RotationWanted | RotationDone, now: datetime) -> Decision:
    """Begin or end a rotation; said twice, it changes nothing.

    While one is under way to another key, none begins: what that one seals would be passed by.
    """
    draft, rotation = Draft(state, now), state.rotation
    state.drop_due(now)
    under_way = rotation.key_id if rotation is not None and rotation.ended_at is None else None
    if isinstance(wanted, RotationDone):
        if wanted.key_id == under_way:
            done = KeyRotationEnded(
                key_id=wanted.key_id, sealed=wanted.sealed, closed=wanted.closed
            )
            draft.emit(done)
        return Decision(draft.events, Done())
    command = wanted.command
    if under_way == command.key_id:
        return Decision([], Done())
    if rotation is not None and under_way is not None and not wanted.is_lost:
        message = (
            f"key_id: a rotation to the key {under_way} is under way since"
            f" {rotation.began_at:%Y-%m-%d %H:%M:%S} UTC, begun by {rotation.by}"
        )
        return Decision([], Failed(code="bad_request", message=message))
    began = KeyRotationBegan(key_id=command.key_id, previous_id=wanted.previous_id, by=command.by)
    draft.emit(began)
    return Decision(draft.events, Done(changed=[command.key_id]))
