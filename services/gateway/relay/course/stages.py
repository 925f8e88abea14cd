"""Where a request is, and what it holds there."""

import msgspec

from contracts.balancer import Selected, ServerFailed
from services.gateway.domain import Judgement
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.course.facts import CallFacts, Held, Trail


class Entering(msgspec.Struct, frozen=True):
    """Before a lease: whether it may and should be asked for."""

    call: CallFacts
    trail: Trail


class Asking(msgspec.Struct, frozen=True):
    """The pool is asked for a lease."""

    call: CallFacts
    trail: Trail


class AwaitingGrant(msgspec.Struct, frozen=True):
    """It waits for a lease, and the pool knows it."""

    call: CallFacts
    trail: Trail


class AskingLast(msgspec.Struct, frozen=True):
    """The pool is asked what it would say; the client hears `error` if it would grant one."""

    call: CallFacts
    trail: Trail
    error: GatewayError


class FetchingCredential(msgspec.Struct, frozen=True):
    """The credential of the lease in hand is fetched."""

    call: CallFacts
    trail: Trail
    held: Held


class Selecting(msgspec.Struct, frozen=True):
    """The balancer is asked; `failed` is what the last server did."""

    call: CallFacts
    trail: Trail
    held: Held
    failed: ServerFailed | None = None


class Sending(msgspec.Struct, frozen=True):
    """A server is tried."""

    call: CallFacts
    trail: Trail
    held: Held
    selected: Selected


class Pausing(msgspec.Struct, frozen=True):
    """The same server is left alone for a while, before it is asked again."""

    call: CallFacts
    trail: Trail
    held: Held
    selected: Selected


class Passing(msgspec.Struct, frozen=True):
    """The client is given its answer."""

    call: CallFacts
    trail: Trail
    held: Held
    selected: Selected
    judgement: Judgement
    first_byte_ms: float


class Ended(msgspec.Struct, frozen=True):
    """It is over."""

    call: CallFacts
    trail: Trail


Stage = (
    Entering
    | Asking
    | AwaitingGrant
    | AskingLast
    | FetchingCredential
    | Selecting
    | Sending
    | Pausing
    | Passing
    | Ended
)
