"""The ways of going on that several rules have in common."""

from msgspec.structs import replace

from contracts.balancer import Selected
from contracts.pool import Attempt
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.course.endings import cancel_of, release_end
from services.gateway.relay.course.facts import CallFacts, CancelReason, Held, Trail
from services.gateway.relay.course.stages import Ended, Entering, Stage
from services.gateway.relay.course.steps import AskLease, Cancel, Enter, Fail, Record, Steps

Next = tuple[Stage, Steps]


def go_for_lease(call: CallFacts, trail: Trail) -> tuple[Entering, Steps]:
    """Go for a lease, the first one or another: to the gate, before it may be asked for."""
    return Entering(call, trail), (Enter(trail.avoid_servers, trail.previous),)


def lease_question(
    call: CallFacts, trail: Trail, now_s: float, *, only_ask: bool = False
) -> AskLease:
    """Ask for the next lease, and tell how the one before ended."""
    return AskLease(
        wait_ms=0 if only_ask else int(wait_left_s(call, trail, now_s) * 1000),
        waiting_since=trail.waiting_since,
        number=trail.number,
        avoid_sessions=trail.avoid_sessions,
        avoid_servers=trail.avoid_servers,
        avoid_regions=trail.avoid_regions,
        previous=trail.previous,
        only_ask=only_ask,
    )


def wait_left_s(call: CallFacts, trail: Trail, now_s: float) -> float:
    """Tell for how long it may still wait."""
    waits_s = 0.0 if trail.waiting_from_s is None else now_s - trail.waiting_from_s
    return max(0.0, call.wait_s - trail.waited_s - waits_s)


def lease_ms_by(trail: Trail, now_s: float, took_ms: float = 0.0) -> float:
    """Tell how long its leases took until now: this one a question, or the whole of its wait."""
    if trail.waiting_from_s is not None:
        took_ms = (now_s - trail.waiting_from_s) * 1000
    return trail.lease_ms + took_ms


def end_with_error(
    call: CallFacts, trail: Trail, error: GatewayError, *ends: Record | Cancel
) -> Next:
    """Answer with an error, after these ends."""
    ended, every = end_all(trail, *ends)
    return Ended(call, ended), (*every, Fail(error))


def end_all(trail: Trail, *ends: Record | Cancel) -> tuple[Trail, tuple[Record | Cancel, ...]]:
    """Have all that is open end; what no question carried any more is recorded too."""
    ended, traced = trail.ended, trail.traced
    for end in ends:
        traced = traced or _tells_error(end)
        if isinstance(end, Record):
            ended = end.usage
    if trail.previous is not None:
        ends = (*ends, Record(trail.previous))
    return replace(trail, previous=None, ended=ended, traced=traced), ends


def forbid_with_error(
    call: CallFacts, trail: Trail, reason: CancelReason, error: GatewayError
) -> Next:
    """Forbid a lease that was asked for and not answered, and end with an error.

    The pool may have decided meanwhile: only it knows whether its log tells of the call.
    """
    told = None if trail.traced else error
    return end_with_error(call, trail, error, cancel_of(call, trail.number, reason, told))


def with_attempt(
    trail: Trail, held: Held, selected: Selected, attempt: Attempt, first_byte_ms: float = 0.0
) -> tuple[Trail, Held]:
    """Add an attempt to what is known of the request and of the lease in hand."""
    more = replace(
        trail,
        attempts_made=trail.attempts_made + 1,
        first_byte_ms=first_byte_ms,
        server_id=selected.server_id,
        server_region=selected.region,
    )
    sent = held.sent or attempt.sent
    return more, replace(held, attempts=(*held.attempts, attempt), sent=sent)


def _tells_error(end: Record | Cancel) -> bool:
    return bool(end.usage.error_code) if isinstance(end, Record) else bool(end.command.error_code)


def release_with_error(
    call: CallFacts, trail: Trail, held: Held, error: GatewayError, now_s: float
) -> Next:
    """Let go of the lease in hand for good."""
    return end_with_error(call, trail, error, release_end(call, trail, held, error, now_s))
