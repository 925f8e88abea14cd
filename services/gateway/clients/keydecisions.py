"""Which keys may be issued, changed or revoked, pure.

Which of two gateways decides first is the fence's business (`services.gateway.store`); these rules
only say what follows from a ring.
"""

from enum import StrEnum

import msgspec

from contracts.base import KeyId
from contracts.gateway import (
    AuditRecorded,
    BackupRecorded,
    KeyBounds,
    KeyChanged,
    KeyEvent,
    KeyIssued,
    KeyRevoked,
    MetricsKeyIssued,
    SignedOut,
    SignInLinkUsed,
    ViewerKeyIssued,
)
from services.gateway.clients.keys import BOUNDLESS, Key, KeyRing, key_after

NAME_MAX = 100
MODELS_MAX = 100
BOUND_MAX = 1_000_000
"""Of requests a minute, and of requests at once."""
WEIGHT_MAX = 1000


class KeyRefusal(StrEnum):
    """Why a key was not issued, changed or revoked."""

    UNKNOWN = "unknown_key"
    REVOKED = "revoked_key"
    TAKEN = "taken"
    LAST_ADMIN = "last_admin_key"
    BAD_NAME = "bad_name"
    BAD_BOUNDS = "bad_bounds"
    LINK_USED = "link_used"


class KeyRefused(msgspec.Struct, frozen=True):
    """No event follows; `message` says what was expected."""

    reason: KeyRefusal
    message: str


AnyKeyIssued = KeyIssued | MetricsKeyIssued | ViewerKeyIssued
KeyDecision = KeyEvent | KeyRefused | None
"""An event, a refusal, or None when the wish is already fulfilled."""


def decide_issue(ring: KeyRing, wanted: AnyKeyIssued) -> KeyDecision:
    """Issue `wanted` as it is, unless its id or hash is taken or a bound is wrong.

    The same wish again is fulfilled: its append may have landed without an answer.
    """
    taken = ring.key_of(wanted.key_id)
    if taken is not None and taken.hash == wanted.key_hash:
        return None
    if taken is not None:
        return KeyRefused(KeyRefusal.TAKEN, f"id: {wanted.key_id} is taken")
    return (
        _hash_refusal(ring, wanted.key_hash)
        or _name_refusal(wanted.name)
        or (isinstance(wanted, KeyIssued) and _bounds_refusal(wanted.bounds))
        or wanted
    )


def decide_change(ring: KeyRing, wanted: KeyChanged) -> KeyDecision:
    """Change a living key's name, bounds or hash (a rotation)."""
    key = ring.key_of(wanted.key_id)
    if key is None or key.revoked:
        return _gone_refusal(wanted.key_id, key)
    if key.scope in BOUNDLESS and (wanted.bounds or KeyBounds()) != KeyBounds():
        message = f"models: a {key.scope} key has no bounds"
        return KeyRefused(KeyRefusal.BAD_BOUNDS, message)
    refused = (
        (wanted.key_hash is not None and _hash_refusal(ring, wanted.key_hash))
        or (wanted.name is not None and _name_refusal(wanted.name))
        or (wanted.bounds is not None and _bounds_refusal(wanted.bounds))
    )
    if refused:
        return refused
    return None if key_after(key, wanted) == key else wanted


def decide_revoke(ring: KeyRing, wanted: KeyRevoked) -> KeyDecision:
    """Revoke a key; the last admin key stays, since nobody could issue another."""
    key = ring.key_of(wanted.key_id)
    if key is None:
        return _gone_refusal(wanted.key_id, key)
    if key.revoked:
        return None
    admins = [other for other in ring.all_keys() if other.is_admin and not other.revoked]
    if admins == [key]:
        message = "the last admin key cannot be revoked: issue another one first"
        return KeyRefused(KeyRefusal.LAST_ADMIN, message)
    return wanted


def decide_link_use(ring: KeyRing, wanted: SignInLinkUsed) -> KeyDecision:
    """Let a link be used by whoever the fence lets use it first."""
    key = ring.key_of(wanted.key_id)
    if key is None or key.revoked:
        return _gone_refusal(wanted.key_id, key)
    use = ring.spent.links.get(wanted.link_id)
    if use is None:
        return wanted
    if use.sign_in_id == wanted.sign_in_id:
        return None
    return KeyRefused(KeyRefusal.LINK_USED, "the link was used already: each signs in once")


def decide_sign_out(ring: KeyRing, wanted: SignedOut) -> KeyDecision:
    """End a sign-in; once more is no error."""
    return None if wanted.sign_in_id in ring.spent.ended else wanted


def decide_event(ring: KeyRing, wanted: KeyEvent) -> KeyDecision:
    """Decide any of the wishes."""
    match wanted:
        case KeyIssued() | MetricsKeyIssued() | ViewerKeyIssued():
            return decide_issue(ring, wanted)
        case KeyChanged():
            return decide_change(ring, wanted)
        case KeyRevoked():
            return decide_revoke(ring, wanted)
        case SignInLinkUsed():
            return decide_link_use(ring, wanted)
        case SignedOut():
            return decide_sign_out(ring, wanted)
        case AuditRecorded() | BackupRecorded():
            return wanted


def _gone_refusal(key_id: KeyId, key: Key | None) -> KeyRefused:
    if key is None:
        return KeyRefused(KeyRefusal.UNKNOWN, f"there is no key {key_id}")
    return KeyRefused(KeyRefusal.REVOKED, f"key {key_id} is revoked")


def _hash_refusal(ring: KeyRing, hashed: str) -> KeyRefused | None:
    if ring.key_opened_by(hashed) is None:
        return None
    return KeyRefused(KeyRefusal.TAKEN, "key: this very key is in use already")


def _name_refusal(name: str) -> KeyRefused | None:
    if name.strip() and len(name) <= NAME_MAX and name.isprintable():
        return None
    message = f"name: expected 1 to {NAME_MAX} printable characters"
    return KeyRefused(KeyRefusal.BAD_NAME, message)


def _bounds_refusal(bounds: KeyBounds) -> KeyRefused | None:
    if max(bounds.requests_per_minute, bounds.concurrency) > BOUND_MAX:
        message = f"requests_per_minute and concurrency: expected at most {BOUND_MAX:,}"
        return KeyRefused(KeyRefusal.BAD_BOUNDS, message)
    if not 1 <= bounds.weight <= WEIGHT_MAX:
        return KeyRefused(KeyRefusal.BAD_BOUNDS, f"weight: expected 1 to {WEIGHT_MAX:,}")
    if len(bounds.models) > MODELS_MAX or not all(
        pattern and len(pattern) <= NAME_MAX for pattern in bounds.models
    ):
        message = f"models: expected at most {MODELS_MAX} patterns of 1 to {NAME_MAX} characters"
        return KeyRefused(KeyRefusal.BAD_BOUNDS, message)
    return None
