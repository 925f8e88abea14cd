"""What the loop tells the course: the answer to the step that was waited for, or `BrokenOff`."""

from datetime import datetime

import msgspec

from contracts.balancer import NoServer, Selected
from contracts.pool import Attempt, Free, Granted, Refused, Waiting
from services.gateway.domain import Judgement
from services.gateway.domain.errors import GatewayError


class Entered(msgspec.Struct, frozen=True):
    """A lease may be asked for, but of a session of these regions: no server serves them now."""

    avoid_regions: tuple[str, ...] = ()


class NotAsked(msgspec.Struct, frozen=True):
    """None is: the key may no more, no server is there, nothing more can be journalled."""

    error: GatewayError


class LeaseUnanswered(msgspec.Struct, frozen=True):
    """The pool does not answer; `sent`: it may have been asked."""

    message: str
    sent: bool


class Answered(msgspec.Struct, frozen=True):
    """The pool answered after `took_ms`."""

    answer: Granted | Refused | Free | Waiting
    took_ms: float
    asked_at: datetime | None = None
    """When it was asked, by the gateway's clock; None for a grant that was waited for."""


class NotYet(msgspec.Struct, frozen=True):
    """The lease that is waited for has not come: the pool is to be asked again."""


class CredentialRead(msgspec.Struct, frozen=True):
    """The lease's credential is at hand, and can be said in these dialects (none: in any)."""

    dialects: tuple[str, ...]


class CredentialUnreadable(msgspec.Struct, frozen=True):
    """The lease's credential cannot be read."""

    error: GatewayError


class Chosen(msgspec.Struct, frozen=True):
    """The balancer chose."""

    selected: Selected


class NoServerFound(msgspec.Struct, frozen=True):
    """The balancer has no server."""

    answer: NoServer


class SelectionUnanswered(msgspec.Struct, frozen=True):
    """The balancer does not answer."""

    error: GatewayError


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt was answered or failed; nothing of it was passed on."""

    judgement: Judgement
    attempt: Attempt | None = None
    """None for a success: it is not over yet."""
    error: GatewayError | None = None
    """What the client hears of a failure that was no answer."""
    retry_after_s: float | None = None
    first_byte_ms: float = 0.0
    replayable: bool
    """Whether the client's body is all there, to be sent again."""
    chance: float
    """From 0 to 1, for the pause before a repetition."""


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer went to the client; with an `error`: up to where its server cut it."""

    attempt: Attempt
    status: int
    bytes_out: int
    results_included: int = 0
    """So many results are no more than was reserved, whatever that was."""
    error: GatewayError | None = None


class Paused(msgspec.Struct, frozen=True):
    """The pause is over."""


class BrokenOff(msgspec.Struct, frozen=True, kw_only=True):
    """The request is broken off where it stands: the client left.

    With an `error` it is still there to hear it: its time is over, its body broke off, the gateway
    stops or failed.
    """

    error: GatewayError | None = None
    attempt: Attempt | None = None
    """That which was under way."""


Happening = (
    Entered
    | NotAsked
    | LeaseUnanswered
    | Answered
    | NotYet
    | CredentialRead
    | CredentialUnreadable
    | Chosen
    | NoServerFound
    | SelectionUnanswered
    | Judged
    | Passed
    | Paused
    | BrokenOff
)
