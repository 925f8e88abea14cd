"""The answer is passed on, or the request is broken off where it stands."""

from msgspec.structs import replace

from services.gateway.relay.course.endings import (
    broken_off_end,
    cancel_of,
    settled_cut_end,
    settled_end,
)
from services.gateway.relay.course.facts import CLIENT_GONE, CallFacts, Trail
from services.gateway.relay.course.happenings import BrokenOff, Passed
from services.gateway.relay.course.moves import (
    Next,
    end_all,
    end_with_error,
    lease_ms_by,
    with_attempt,
)
from services.gateway.relay.course.stages import (
    Asking,
    AskingLast,
    AwaitingGrant,
    Ended,
    Entering,
    FetchingCredential,
    Passing,
    Pausing,
    Selecting,
    Sending,
)
from services.gateway.relay.course.steps import Cancel, Finish, Record


def on_passed(stage: Passing, happened: Passed, now_s: float) -> Next:
    """End the lease as used: the client has its answer, or what there was of it."""
    trail, held = with_attempt(
        stage.trail, stage.held, stage.selected, happened.attempt, stage.first_byte_ms
    )
    ended, every = end_all(trail, Record(settled_end(stage, held, happened, now_s)))
    return Ended(stage.call, ended), (*every, Finish())


def on_broken_off_passing(stage: Passing, happened: BrokenOff, now_s: float) -> Next:
    """End the lease as used: its answer was on its way to the client."""
    trail, held = stage.trail, stage.held
    if happened.attempt is not None:
        trail, held = with_attempt(
            trail, held, stage.selected, happened.attempt, stage.first_byte_ms
        )
    end = Record(settled_cut_end(stage, held, happened, now_s))
    return _end_broken_off(stage.call, trail, happened, end)


def on_broken_off_asking(
    stage: Asking | AskingLast | AwaitingGrant, happened: BrokenOff, now_s: float
) -> Next:
    """Forbid the lease that may be granted yet."""
    trail = replace(stage.trail, lease_ms=lease_ms_by(stage.trail, now_s))
    cancelled = cancel_of(stage.call, trail.number, CLIENT_GONE)
    return _end_broken_off(stage.call, trail, happened, cancelled)


def on_broken_off_entering(stage: Entering, happened: BrokenOff, _: float) -> Next:
    """Nothing was asked for: nothing is to be forbidden."""
    return _end_broken_off(stage.call, stage.trail, happened)


def on_broken_off_in_hand(
    stage: FetchingCredential | Selecting | Sending | Pausing, happened: BrokenOff, now_s: float
) -> Next:
    """Give back what was never sent; what may have been is unknown."""
    call, trail, held = stage.call, stage.trail, stage.held
    if happened.attempt is not None:
        assert isinstance(stage, Sending)
        trail, held = with_attempt(trail, held, stage.selected, happened.attempt)
    return _end_broken_off(
        call, trail, happened, broken_off_end(call, trail, held, happened, now_s)
    )


def _end_broken_off(
    call: CallFacts, trail: Trail, happened: BrokenOff, *ends: Record | Cancel
) -> Next:
    """End after these ends: with an error where the client is still there to hear it."""
    if happened.error is not None:
        return end_with_error(call, trail, happened.error, *ends)
    ended, every = end_all(trail, *ends)
    return Ended(call, ended), (*every, Finish())
