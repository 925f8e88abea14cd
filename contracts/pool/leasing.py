"""Leases asked for, ended, renewed and given back; every item of a batch is answered in place."""

from enum import StrEnum

from contracts.base import (
    Command,
    Count,
    Instant,
    KeyId,
    LeaseId,
    Part,
    QuotaDay,
    Reply,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
)
from contracts.pool.events import CallsRefused, SessionRequested, UsageRecorded
from contracts.pool.words import Refusal


class LeaseWanted(Part, frozen=True, kw_only=True):
    """One request for a lease; `previous` ends the lease before it in the same envelope."""

    requested: SessionRequested
    previous: UsageRecorded | None = None
    only_ask: bool = False
    """Grant nothing: answer `Free` where a lease would be granted. Older pools grant it."""


class LeaseSessions(Command, frozen=True, kw_only=True, tag="lease_sessions"):
    """Grant each item a lease, or say why not; idempotent by (request id, number)."""

    items: list[LeaseWanted]


class Granted(Reply, frozen=True, kw_only=True, tag="granted"):
    """A lease. Seconds count from the reply; `remaining` is what the session has left."""

    lease_id: LeaseId
    session_id: SessionId
    region: str = ""
    quota_day: QuotaDay
    units: int
    send_within_s: float
    expires_in_s: float
    credential_revision: int = 0
    """KV revision of the ciphertext: a greater one than the gateway holds means fetch again."""
    remaining: dict[ServiceType, int]
    trial: bool = False
    avoid_servers: list[ServerId] = []
    """Of a trial: who accused the session, and is no fair judge of it where there is another."""
    label: str = ""
    """What operators call the session: for the log, never for a client."""


class Refused(Reply, frozen=True, kw_only=True, tag="refused"):
    """No lease, and why."""

    reason: Refusal
    retry_after_s: float = 0.0
    message: str = ""
    resets_at: Instant | None = None
    """Of an exhausted quota: when the next quota day begins; None where nobody knows."""
    held: str = ""
    """Why the pool, which lacks sessions, adds none; empty: it lacks none, or adds some."""
    wait: str = ""
    """Why it may not wait, or waits no longer; empty: it did not ask to, or its time is over."""
    why: str = ""
    """For clients, where it is not what its reason mostly means: instead of the words for that."""


class Free(Reply, frozen=True, kw_only=True, tag="free"):
    """A lease would be granted; none was, for that was only asked (`LeaseWanted.only_ask`)."""


class Waiting(Reply, frozen=True, kw_only=True, tag="waiting"):
    """No lease yet: it waits for one, as it asked for. The grant comes on `rpc.gateway.<id>`.

    To be asked for again every 2 s: who is not heard for 5 s is passed over.
    """

    position: Count
    """Grants that come before it, by the order of now."""
    eta_s: float | None = None
    """Seconds until its own, as far as can be told; None where nobody knows."""


class LeaseAnswers(Reply, frozen=True, kw_only=True, tag="lease_answers"):
    """One answer per item, in order; `Waiting` only to those that asked with `wait_ms`."""

    items: list[Granted | Refused | Free | Waiting]


class DeliverGrants(Command, frozen=True, kw_only=True, tag="deliver_grants"):
    """These leases, which this gateway waits for, are granted."""

    items: list[Granted]


class GrantsDelivered(Reply, frozen=True, kw_only=True, tag="grants_delivered"):
    """They have arrived; who waits no more gives its lease back by itself."""


class EndLeases(Command, frozen=True, kw_only=True, tag="end_leases"):
    """Journal these usages, idempotent by lease, and what this gateway itself refused."""

    items: list[UsageRecorded]
    refused: list[CallsRefused] = []
    """Not answered one by one. Sent again they are told again, with equal fields."""


class EndAnswer(StrEnum):
    """What became of one usage."""

    JOURNALLED = "journalled"
    UNKNOWN_LEASE = "unknown_lease"


class EndAnswers(Reply, frozen=True, kw_only=True, tag="end_answers"):
    """One answer per usage, in order."""

    items: list[EndAnswer]


class RenewLeases(Command, frozen=True, kw_only=True, tag="renew_leases"):
    """Move the deadlines of these leases to one lease time from now."""

    lease_ids: list[LeaseId]


class Renewed(Part, frozen=True, kw_only=True):
    """`expires_in_s` is None when the lease has ended or is not known."""

    lease_id: LeaseId
    expires_in_s: float | None = None


class RenewAnswers(Reply, frozen=True, kw_only=True, tag="renew_answers"):
    """One answer per lease, in order."""

    items: list[Renewed]


class CancelLease(Part, frozen=True, kw_only=True):
    """Give back a lease that was never sent, or forbid it if it was never granted."""

    request_id: RequestId
    number: int
    reason: str
    status: int = 0
    """As in `LeaseCancelled`: what the client was answered, if that ended its call."""
    error_code: str = ""
    error_message: str = ""
    key_id: KeyId = KeyId("")
    """Of a lease that was asked for without an answer: by whom, and (`service_type`) what for."""
    service_type: ServiceType = ServiceType("")


class CancelLeases(Command, frozen=True, kw_only=True, tag="cancel_leases"):
    """Cancel each by id, granted or not; repeated until answered."""

    items: list[CancelLease]


class CancelAnswer(StrEnum):
    """`ended`: the lease already had another end, which stands."""

    CANCELLED = "cancelled"
    ENDED = "ended"


class CancelAnswers(Reply, frozen=True, kw_only=True, tag="cancel_answers"):
    """One answer per item, in order."""

    items: list[CancelAnswer]
