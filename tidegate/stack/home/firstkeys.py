"""The two keys of the home, journalled when the log does not know them, and never brought back."""

import secrets
from pathlib import Path
from typing import NamedTuple

from contracts.base import KeyId, WriterId
from contracts.events import AnyEvent
from contracts.gateway import KeyIssued, Scope
from contracts.subjects import EVT_KEYS
from runtime.clock import make_clock
from runtime.environment import Environment
from runtime.eventlog import EventLog, FenceError
from runtime.eventlog.writer import SubjectWriter
from runtime.secrets import key_hash
from runtime.settings import SettingsError
from services.gateway.clients.keys import KeyRing


class FirstKeys(NamedTuple):
    """What became of them."""

    issued: list[str]
    """Names of those that the log knows from now on."""
    dead: dict[str, str]
    """Names of those that open nothing, and why."""


async def journal_keys(environment: Environment, log: EventLog) -> FirstKeys:
    """Journal the hash of each key of the home that no event of the log ever named.

    A log may be older than the keys: one was deleted and made anew, or the home is new. Raises
    `SettingsError` without the keys, and what `EventLog` raises.
    """
    keys = [
        _key_issued(environment.home.operator_key, "operator", Scope.ADMIN),
        _key_issued(environment.home.client_key, "client", Scope.CLIENT),
    ]
    writer = SubjectWriter(log, EVT_KEYS, WriterId(f"migrate-{secrets.token_hex(6)}"))
    ring = KeyRing()
    while True:
        for stored in await writer.stored_behind():
            seen = writer.note_stored(stored)
            if seen is not None:
                ring.apply_envelope(stored.sequence, seen)
        unheard: list[AnyEvent] = []
        unheard += [key for key in keys if ring.key_once_opened_by(key.key_hash) is None]
        dead = {key.name: why for key in keys if (why := _dead_reason(ring, key.key_hash))}
        try:
            if unheard:
                await writer.append_events(
                    unheard, writer.next_instant(make_clock(environment.clock_offset_file)())
                )
        except FenceError:
            continue
        return FirstKeys([key.name for key in keys if key in unheard], dead)


def _dead_reason(ring: KeyRing, hashed: str) -> str | None:
    """Say why a key that was issued opens nothing any more; None when it does."""
    key = ring.key_once_opened_by(hashed)
    if key is None or ring.key_opened_by(hashed) is not None:
        return None
    return f"{key.key_id} was {'revoked' if key.revoked else 'rotated'}"


def _key_issued(path: Path, name: str, scope: Scope) -> KeyIssued:
    try:
        hashed = key_hash(path.read_text().strip())
    except OSError as error:
        raise SettingsError(
            f"{path}: expected the key that `tidegate migrate --secrets` writes there"
            f" ({error.strerror})"
        ) from None
    key_id = KeyId(f"key_{hashed[:12]}")
    return KeyIssued(key_id=key_id, key_hash=hashed, name=name, scope=scope, by="migrate")
