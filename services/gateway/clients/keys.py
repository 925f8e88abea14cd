"""Client keys, pure: the fold of `evt.keys`. Only hashes are known here."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from contracts.base import KeyId
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent
from contracts.gateway import (
    KeyBounds,
    KeyChanged,
    KeyIssued,
    KeyRevoked,
    MetricsKeyIssued,
    SignedOut,
    SignInLinkUsed,
    ViewerKeyIssued,
)
from runtime.secrets import key_hash
from services.gateway.domain.errors import GatewayError
from services.gateway.signing.spent import SpentTokens

_CACHED_MAX = 10_000


class KeyScope(StrEnum):
    """What a key may do. `Scope` says it in the log of two kinds; others have their own events."""

    CLIENT = "client"
    ADMIN = "admin"
    METRICS = "metrics"
    """Read `/metrics` and `/schema`, and nothing else."""
    VIEWER = "viewer"
    """Read what operators read, and change nothing."""


BOUNDLESS = frozenset({KeyScope.METRICS, KeyScope.VIEWER})
"""Scopes that generate nothing, so that nothing of them is bounded."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One API key as the log has it; `bounds` are those of the moment it was found."""

    key_id: KeyId
    name: str
    scope: KeyScope
    bounds: KeyBounds
    hash: str
    leaving: dict[str, datetime] = {}
    """Hashes of before a rotation, and until when each still opens it."""
    revoked: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether it may administer."""
        return self.scope is KeyScope.ADMIN

    def allows_model(self, model: str) -> bool:
        """Say whether its bounds let it use `model`; no patterns are every model."""
        patterns = self.bounds.models
        return not patterns or any(
            fnmatchcase(model.lower(), pattern.lower()) for pattern in patterns
        )


def _after_everything() -> datetime:
    return datetime.max.replace(tzinfo=UTC)


class KeyRing:
    """Every key, by id and by the hash that opens it; `version` is the last sequence folded."""

    def __init__(self, clock: Callable[[], datetime] = _after_everything) -> None:
        """`clock` tells whether a rotated key's text of before still opens it; else none does."""
        self.version = 0
        self.unknown_events = 0
        """Events of a later version that were skipped."""
        self.spent = SpentTokens()
        """Links and sign-ins that open nothing any more."""
        self._clock = clock
        self._keys: dict[KeyId, Key] = {}
        self._openers: dict[str, Key] = {}
        self._owners: dict[str, KeyId] = {}
        self._leaving: dict[str, KeyId] = {}
        """Hashes that open for a while only, and whose they are."""
        self._cached: dict[str, Key] = {}

    def apply_envelope(self, sequence: int, envelope: Envelope) -> None:
        """Fold one envelope of `evt.keys`; one that was folded before changes nothing."""
        if sequence <= self.version:
            return
        for event in envelope.events:
            self._fold_event(event)
        self.spent.forget_expired(envelope.time)
        self._cached.clear()
        self.version = sequence

    def skip_sequence(self, sequence: int) -> None:
        """Leave out a message that is no envelope."""
        self.version = max(self.version, sequence)

    def find_key(self, key_text: str) -> Key | None:
        """Find the key that this text opens; None for an unknown or revoked one.

        Known texts are remembered until the next change. Unknown ones, and those of before a
        rotation, never are: each costs one hash and two look-ups, whatever it is like.
        """
        cached = self._cached.get(key_text)
        if cached is not None:
            return cached
        hashed = key_hash(key_text)
        openers = self._openers.get(hashed)
        if openers is None:
            return self._key_in_grace(hashed)
        if len(self._cached) < _CACHED_MAX:
            self._cached[key_text] = openers
        return openers

    def key_of(self, key_id: str) -> Key | None:
        """Look a key up by id, revoked or not."""
        return self._keys.get(KeyId(key_id))

    def all_keys(self) -> list[Key]:
        """List the keys in the order they were issued, revoked ones included."""
        return list(self._keys.values())

    def key_opened_by(self, hashed: str) -> Key | None:
        """Find the living key of a hash."""
        return self._openers.get(hashed) or self._key_in_grace(hashed)

    def _key_in_grace(self, hashed: str) -> Key | None:
        """Find the key that was rotated and that this hash of before still opens."""
        key = self._keys.get(self._leaving.get(hashed, KeyId("")))
        if key is None or key.leaving[hashed] <= self._clock():
            return None
        return key

    def hashes_opening(self, key_id: KeyId) -> list[str]:
        """List the hashes that open a key now; none for an unknown or revoked one."""
        key = self._keys.get(key_id)
        if key is None or key.revoked:
            return []
        now = self._clock()
        return [key.hash, *(hashed for hashed, until in key.leaving.items() if until > now)]

    def key_once_opened_by(self, hashed: str) -> Key | None:
        """Find the key that has or had this hash, as it is now: revoked, or with another."""
        owner = self._owners.get(hashed)
        return None if owner is None else self._keys[owner]

    def _fold_event(self, event: AnyEvent | UnknownEvent) -> None:
        """Take up what an event says of keys and sign-ins; others say nothing here."""
        if isinstance(event, KeyIssued | MetricsKeyIssued | ViewerKeyIssued):
            self._put_key(_key_of_event(event))
        elif isinstance(event, KeyChanged | KeyRevoked):
            key = self._keys.get(event.key_id)
            if key is not None:
                if self._openers.get(key.hash) is key:
                    del self._openers[key.hash]
                for hashed in key.leaving:
                    self._leaving.pop(hashed, None)
                self._put_key(key_after(key, event))
        elif isinstance(event, SignInLinkUsed):
            self.spent.on_link_used(event)
        elif isinstance(event, SignedOut):
            self.spent.on_signed_out(event)
        elif isinstance(event, UnknownEvent):
            self.unknown_events += 1

    def _put_key(self, key: Key) -> None:
        self._keys[key.key_id] = key
        self._owners[key.hash] = key.key_id
        if not key.revoked:
            self._openers[key.hash] = key
            self._leaving |= dict.fromkeys(key.leaving, key.key_id)


def open_key(authorization: str, find: Callable[[str], Key | None]) -> Key:
    """Find the key that an `Authorization` value presents. Raises `GatewayError`."""
    if not authorization:
        message = "no API key: expected the header `Authorization: Bearer <key>`"
        raise GatewayError("invalid_api_key", message)
    key = find(presented_key(authorization))
    if key is None:
        raise GatewayError("invalid_api_key", "the API key is wrong or revoked")
    return key


def presented_key(authorization: str) -> str:
    """Read the key out of an `Authorization` value: `Bearer <key>`, or the key alone."""
    if authorization.startswith("Bearer sk-"):
        return authorization[len("Bearer ") :].strip()
    scheme, _, rest = authorization.strip().partition(" ")
    return rest.strip() if rest and scheme.lower() == "bearer" else authorization.strip()


def _key_of_event(event: KeyIssued | MetricsKeyIssued | ViewerKeyIssued) -> Key:
    """Make the key that an event issues; those of a scope of their own have no bounds."""
    bounds = KeyBounds()
    if isinstance(event, KeyIssued):
        scope, bounds = KeyScope(event.scope), event.bounds
    elif isinstance(event, ViewerKeyIssued):
        scope = KeyScope.VIEWER
    else:
        scope = KeyScope.METRICS
    return Key(
        key_id=event.key_id, name=event.name, scope=scope, bounds=bounds, hash=event.key_hash
    )


def key_after(key: Key, event: KeyChanged | KeyRevoked) -> Key:
    """Make of a key what an event makes of it."""
    if isinstance(event, KeyRevoked):
        return msgspec.structs.replace(key, revoked=True, leaving={})
    leaving = key.leaving
    if event.key_hash is not None:
        # Whatever was still open of rotations before this one is closed by it.
        leaving = {} if event.old_until is None else {key.hash: event.old_until}
    return msgspec.structs.replace(
        key,
        hash=key.hash if event.key_hash is None else event.key_hash,
        leaving=leaving,
        name=key.name if event.name is None else event.name,
        bounds=key.bounds if event.bounds is None else event.bounds,
    )
