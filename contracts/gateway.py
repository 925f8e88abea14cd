"""The gateways' wire: `evt.keys`, written by whichever gateway the fence lets.

Keys and sign-ins, and what operators did with the log as a whole.
"""

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


class ViewerKeyIssued(Event, frozen=True, kw_only=True, tag="viewer_key_issued"):
    """A key exists from here on that reads what operators read, and changes nothing.

    A tag of its own, which earlier versions skip: to them the key opens nothing.
    """

    key_id: KeyId
    key_hash: str
    name: str
    by: str = ""


class SignInLinkUsed(Event, frozen=True, kw_only=True, tag="sign_in_link_used"):
    """A link that signs in once was exchanged, and opens nothing any more."""

    link_id: str
    key_id: KeyId
    """The key for which it stands, and the sign-in after it."""
    sign_in_id: str
    expires_at: Instant
    """When the link would have been over."""


class SignedOut(Event, frozen=True, kw_only=True, tag="signed_out"):
    """A sign-in was ended before it was over; its cookie opens nothing any more."""

    sign_in_id: str
    key_id: KeyId
    expires_at: Instant
    """When it would have been over."""


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


class AuditRecorded(Event, frozen=True, kw_only=True, tag="audit_recorded"):
    """Somebody replayed the log, and handed in what it came to."""

    command: str
    ok: bool
    sequence: Count
    """The log was replayed up to here."""
    envelopes: Count
    events: Count
    violations: Count
    first: list[str] = []
    """The first of them, in words."""
    duckdb: str = ""
    """How the projections compared with the log."""
    took_s: float = 0.0
    by: str = ""


class BackupRecorded(Event, frozen=True, kw_only=True, tag="backup_recorded"):
    """Somebody took a backup; where it lies is that machine's business."""

    command: str
    ok: bool
    sequence: Count
    """The log is in it up to here."""
    bytes: Count
    name: str
    host: str
    wrong: list[str] = []
    """What it lacks, in words."""
    by: str = ""


KeyEvent = (
    KeyIssued
    | MetricsKeyIssued
    | ViewerKeyIssued
    | KeyChanged
    | KeyRevoked
    | SignInLinkUsed
    | SignedOut
    | AuditRecorded
    | BackupRecorded
)
"""What stands in `evt.keys`: keys, sign-ins, and what operators did with the log."""
