"""Client keys, pure: the fold of `evt.keys`, and who may be issued, changed or revoked.

Only hashes are known here. Which of two gateways decides first is the fence's business
(`services.gateway.store`); these rules only say what follows from a ring.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from contracts.base import KeyId
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent
from contracts.gateway import KeyBounds, KeyChanged, KeyEvent, KeyIssued, KeyRevoked, Scope
from runtime.secrets import key_hash

NAME_MAX = 100
MODELS_MAX = 100
BOUND_MAX = 1_000_000
"""Of requests a minute, and of requests at once."""
_CACHED_MAX = 10_000


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One API key as the log has it; `bounds` are those of the moment it was found."""

    key_id: KeyId
    name: str
    scope: Scope
    bounds: KeyBounds
    hash: str
    leaving: dict[str, datetime] = {}
    """Hashes of before a rotation, and until when each still opens it."""
    revoked: bool = False

    @property
    def admin(self) -> bool:
        """Whether it may administer."""
        return self.scope is Scope.ADMIN

    def allows_model(self, model: str) -> bool:
        """Say whether its bounds let it use `model`; no patterns are every model."""
        patterns = self.bounds.models
        return not patterns or any(
            fnmatchcase(model.lower(), pattern.lower()) for pattern in patterns
        )


class KeyRefusal(StrEnum):
    """Why a key was not issued, changed or revoked."""

    UNKNOWN = "unknown_key"
    REVOKED = "revoked_key"
    TAKEN = "taken"
    LAST_ADMIN = "last_admin_key"
    BAD_NAME = "bad_name"
    BAD_BOUNDS = "bad_bounds"


class KeyRefused(msgspec.Struct, frozen=True):
    """No event follows; `message` says what was expected."""

    reason: KeyRefusal
    message: str


KeyDecision = KeyIssued | KeyChanged | KeyRevoked | KeyRefused | None
"""An event, a refusal, or None when the wish is already fulfilled."""


def _after_everything() -> datetime:
    return datetime.max.replace(tzinfo=UTC)


class KeyRing:
    """Every key, by id and by the hash that opens it; `version` is the last sequence folded."""

    def __init__(self, clock: Callable[[], datetime] = _after_everything) -> None:
        """`clock` tells whether a rotated key's text of before still opens it; else none does."""
        self.version = 0
        self.unknown_events = 0
        """Events of a later version that were skipped."""
        self._clock = clock
        self._keys: dict[KeyId, Key] = {}
        self._openers: dict[str, Key] = {}
        self._owners: dict[str, KeyId] = {}
        self._leaving: dict[str, KeyId] = {}
        """Hashes that open for a while only, and whose they are."""
        self._cached: dict[str, Key] = {}

    def apply(self, sequence: int, envelope: Envelope) -> None:
        """Fold one envelope of `evt.keys`; one that was folded before changes nothing."""
        if sequence <= self.version:
            return
        for event in envelope.events:
            self._evolve(event)
        self._cached.clear()
        self.version = sequence

    def skip(self, sequence: int) -> None:
        """Leave out a message that is no envelope."""
        self.version = max(self.version, sequence)

    def find(self, key_text: str) -> Key | None:
        """Find the key that this text opens; None for an unknown or revoked one.

        Known texts are remembered until the next change. Unknown ones, and those of before a
        rotation, never are: each costs one hash and two look-ups, whatever it is like.
        """
        cached = self._cached.get(key_text)
        if cached is not None:
            return cached
        hashed = key_hash(key_text)
        found = self._openers.get(hashed)
        if found is None:
            return self._left_open(hashed)
        if len(self._cached) < _CACHED_MAX:
            self._cached[key_text] = found
        return found

    def get(self, key_id: str) -> Key | None:
        """Look a key up by id, revoked or not."""
        return self._keys.get(KeyId(key_id))

    def all(self) -> list[Key]:
        """List the keys in the order they were issued, revoked ones included."""
        return list(self._keys.values())

    def opened_by(self, hashed: str) -> Key | None:
        """Find the living key of a hash."""
        return self._openers.get(hashed) or self._left_open(hashed)

    def _left_open(self, hashed: str) -> Key | None:
        """Find the key that was rotated and that this hash of before still opens."""
        key = self._keys.get(self._leaving.get(hashed, KeyId("")))
        if key is None or key.leaving[hashed] <= self._clock():
            return None
        return key

    def once_opened_by(self, hashed: str) -> Key | None:
        """Find the key that has or had this hash, as it is now: revoked, or with another."""
        owner = self._owners.get(hashed)
        return None if owner is None else self._keys[owner]

    def _evolve(self, event: AnyEvent | UnknownEvent) -> None:
        if isinstance(event, KeyIssued):
            self._put(
                Key(
                    key_id=event.key_id,
                    name=event.name,
                    scope=event.scope,
                    bounds=event.bounds,
                    hash=event.key_hash,
                )
            )
        elif isinstance(event, KeyChanged | KeyRevoked):
            key = self._keys.get(event.key_id)
            if key is not None:
                if self._openers.get(key.hash) is key:
                    del self._openers[key.hash]
                for hashed in key.leaving:
                    self._leaving.pop(hashed, None)
                self._put(_changed(key, event))
        elif isinstance(event, UnknownEvent):
            self.unknown_events += 1

    def _put(self, key: Key) -> None:
        self._keys[key.key_id] = key
        self._owners[key.hash] = key.key_id
        if not key.revoked:
            self._openers[key.hash] = key
            self._leaving |= dict.fromkeys(key.leaving, key.key_id)


def presented(authorization: str) -> str:
    """Read the key out of an `Authorization` value: `Bearer <key>`, or the key alone."""
    scheme, _, rest = authorization.strip().partition(" ")
    return rest.strip() if rest and scheme.lower() == "bearer" else authorization.strip()


def _changed(key: Key, event: KeyChanged | KeyRevoked) -> Key:
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


def decide_issue(ring: KeyRing, wanted: KeyIssued) -> KeyDecision:
    """Issue `wanted` as it is, unless its id or hash is taken or a bound is wrong.

    The same wish again is fulfilled: its append may have landed without an answer.
    """
    taken = ring.get(wanted.key_id)
    if taken is not None and taken.hash == wanted.key_hash:
        return None
    if taken is not None:
        return KeyRefused(KeyRefusal.TAKEN, f"id: {wanted.key_id} is taken")
    return (
        _hash_refused(ring, wanted.key_hash)
        or _name_refused(wanted.name)
        or _bounds_refused(wanted.bounds)
        or wanted
    )


def decide_change(ring: KeyRing, wanted: KeyChanged) -> KeyDecision:
    """Change a living key's name, bounds or hash (a rotation)."""
    key = ring.get(wanted.key_id)
    if key is None or key.revoked:
        return _gone(wanted.key_id, key)
    refused = (
        (wanted.key_hash is not None and _hash_refused(ring, wanted.key_hash))
        or (wanted.name is not None and _name_refused(wanted.name))
        or (wanted.bounds is not None and _bounds_refused(wanted.bounds))
    )
    if refused:
        return refused
    return None if _changed(key, wanted) == key else wanted


def decide_revoke(ring: KeyRing, wanted: KeyRevoked) -> KeyDecision:
    """Revoke a key; the last admin key stays, since nobody could issue another."""
    key = ring.get(wanted.key_id)
    if key is None:
        return _gone(wanted.key_id, key)
    if key.revoked:
        return None
    admins = [other for other in ring.all() if other.admin and not other.revoked]
    if admins == [key]:
        message = "the last admin key cannot be revoked: issue another one first"
        return KeyRefused(KeyRefusal.LAST_ADMIN, message)
    return wanted


def decide(ring: KeyRing, wanted: KeyEvent) -> KeyDecision:
    """Decide any of the three wishes."""
    if isinstance(wanted, KeyIssued):
        return decide_issue(ring, wanted)
    if isinstance(wanted, KeyChanged):
        return decide_change(ring, wanted)
    return decide_revoke(ring, wanted)


def _gone(key_id: KeyId, key: Key | None) -> KeyRefused:
    if key is None:
        return KeyRefused(KeyRefusal.UNKNOWN, f"there is no key {key_id}")
    return KeyRefused(KeyRefusal.REVOKED, f"key {key_id} is revoked")


def _hash_refused(ring: KeyRing, hashed: str) -> KeyRefused | None:
    if ring.opened_by(hashed) is None:
        return None
    return KeyRefused(KeyRefusal.TAKEN, "key: this very key is in use already")


def _name_refused(name: str) -> KeyRefused | None:
    if name.strip() and len(name) <= NAME_MAX and name.isprintable():
        return None
    message = f"name: expected 1 to {NAME_MAX} printable characters"
    return KeyRefused(KeyRefusal.BAD_NAME, message)


def _bounds_refused(bounds: KeyBounds) -> KeyRefused | None:
    if max(bounds.requests_per_minute, bounds.concurrency) > BOUND_MAX:
        message = f"requests_per_minute and concurrency: expected at most {BOUND_MAX:,}"
        return KeyRefused(KeyRefusal.BAD_BOUNDS, message)
    if len(bounds.models) > MODELS_MAX or not all(
        pattern and len(pattern) <= NAME_MAX for pattern in bounds.models
    ):
        message = f"models: expected at most {MODELS_MAX} patterns of 1 to {NAME_MAX} characters"
        return KeyRefused(KeyRefusal.BAD_BOUNDS, message)
    return None
