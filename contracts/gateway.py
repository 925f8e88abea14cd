"""The gateways' wire: client keys, in `evt.keys`, written by whichever gateway the fence lets."""

from enum import StrEnum

from contracts.base import Count, Event, Instant, KeyId, Part


class Scope(StrEnum):
    """What a key may do: generate, or administer as well."""

    CLIENT = "client"
    ADMIN = "admin"


class KeyBounds(Part, frozen=True, kw_only=True):
    """What a key may: bounds per gateway process (0 is no bound), models, its share of turns."""

    requests_per_minute: Count = 0
    concurrency: Count = 0
    models: list[str] = []
    """Patterns of the models it may use; empty is every model."""
    weight: Count = 1
    """Among keys whose requests wait for a session: how many units it gets for one of another's."""


class KeyIssued(Event, frozen=True, kw_only=True, tag="key_issued"):
    """A key exists from here on. Only its hash is known (hex SHA-256 of the key's UTF-8)."""

    key_id: KeyId
    key_hash: str
    name: str
    scope: Scope
    bounds: KeyBounds = KeyBounds()
    by: str = ""


class MetricsKeyIssued(Event, frozen=True, kw_only=True, tag="metrics_key_issued"):
    """A key exists from here on that reads metrics and nothing else.

    A tag of its own, which earlier versions skip: to them the key opens nothing.
    """

    key_id: KeyId
    key_hash: str
    name: str
    by: str = ""


class KeyChanged(Event, frozen=True, kw_only=True, tag="key_changed"):
    """A key's name, bounds or hash (a rotation) changed; fields that are None stay.

    The hash before opens until `old_until`; without one, it opens nothing from here on.
    """

    key_id: KeyId
    key_hash: str | None = None
    old_until: Instant | None = None
    name: str | None = None
    bounds: KeyBounds | None = None
    by: str = ""


class KeyRevoked(Event, frozen=True, kw_only=True, tag="key_revoked"):
    """The key opens nothing any more."""

    key_id: KeyId
    reason: str = ""
    by: str = ""


KeyEvent = KeyIssued | MetricsKeyIssued | KeyChanged | KeyRevoked
