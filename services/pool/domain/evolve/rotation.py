"""Events about the master key, into the last rotation that began."""

from collections.abc import Callable
from typing import Any

import msgspec

from contracts.pool import KeyRotation, KeyRotationBegan, KeyRotationEnded
from services.pool.domain.state import Pool


def _on_rotation_began(state: Pool, event: KeyRotationBegan) -> None:
    began = KeyRotation(
        key_id=event.key_id, previous_id=event.previous_id, began_at=state.at, by=event.by
    )
    state.set_field(state, "rotation", began)


def _on_rotation_ended(state: Pool, event: KeyRotationEnded) -> None:
    """End the rotation to this key; an end without its beginning is taken at its word."""
    rotation = state.rotation
    if rotation is None or rotation.key_id != event.key_id:
        rotation = KeyRotation(key_id=event.key_id, began_at=state.at)
    ended = msgspec.structs.replace(rotation, ended_at=state.at)
    state.set_field(state, "rotation", ended)


ROTATION_EVENTS: dict[type, Callable[[Pool, Any], None]] = {
    KeyRotationBegan: _on_rotation_began,
    KeyRotationEnded: _on_rotation_ended,
}
