"""The pool is asked: what follows from its answer, or from none."""

from msgspec.structs import replace

from contracts.pool import Granted, Refusal, Refused, Waiting
from services.gateway.domain import refusal_error
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.course.endings import cancel_of
from services.gateway.relay.course.facts import CallFacts, Held, Trail
from services.gateway.relay.course.happenings import (
    Answered,
    Entered,
    LeaseUnanswered,
    NotAsked,
    NotYet,
)
from services.gateway.relay.course.moves import (
    Next,
    end_with_error,
    forbid_with_error,
    lease_ms_by,
    lease_question,
    wait_left_s,
)
from services.gateway.relay.course.stages import (
    Asking,
    AskingLast,
    AwaitingGrant,
    Entering,
    FetchingCredential,
)
from services.gateway.relay.course.steps import AwaitGrant, FetchCredential

_UNTOLD = frozenset({Refusal.STALE_REQUEST, Refusal.CANCELLED, Refusal.LEDGER_UNAVAILABLE})
"""Refusals that the pool does not journal."""
_ASK_EVERY_S = 2.0


def on_entered(stage: Entering, happened: Entered, now_s: float) -> Next:
    """Ask for the lease: this call has its turn, and a server is there as far as is known."""
    trail = stage.trail
    if happened.avoid_regions:
        regions = dict.fromkeys((*trail.avoid_regions, *happened.avoid_regions))
        trail = replace(trail, avoid_regions=(*regions,))
    return Asking(stage.call, trail), (lease_question(stage.call, trail, now_s),)


def on_not_asked(stage: Entering | Asking | AskingLast, happened: NotAsked, _: float) -> Next:
    """Nothing was asked: nothing is to be taken back."""
    return end_with_error(stage.call, stage.trail, happened.error)


def on_lease_unanswered(
    stage: Asking | AskingLast, happened: LeaseUnanswered, now_s: float
) -> Next:
    """Forbid the lease that may be granted yet; a question that was never sent needs nothing."""
    trail = replace(stage.trail, lease_ms=lease_ms_by(stage.trail, now_s))
    error = GatewayError("ledger_unavailable", f"the pool does not answer: {happened.message}")
    if not happened.sent:
        return end_with_error(stage.call, trail, error)
    return forbid_with_error(stage.call, trail, "unanswered", error)


def on_answered(stage: Asking | AwaitingGrant, happened: Answered, now_s: float) -> Next:
    """Take the lease in hand; what the question carried of the one before is journalled."""
    answer, call = happened.answer, stage.call
    if isinstance(answer, Waiting):
        return _told_to_wait(stage, answer, happened, now_s)
    lease_ms = lease_ms_by(stage.trail, now_s, happened.took_ms)
    if isinstance(answer, Refused):
        if answer.reason is Refusal.CANCELLED and stage.trail.waiting_from_s is not None:
            return _ask_anew(call, stage.trail, now_s)
        return _refused(stage, answer, lease_ms)
    assert isinstance(answer, Granted)
    trail = replace(
        stage.trail,
        previous=None,
        waited_s=call.wait_s - wait_left_s(call, stage.trail, now_s),
        waiting_from_s=None,
        waiting_since=None,
        lease_ms=lease_ms,
        lease=answer,
        ended=None,
        last_resort_servers=(*stage.trail.last_resort_servers, *answer.avoid_servers),
    )
    held = Held(answer, now_s + answer.send_within_s)
    return FetchingCredential(stage.call, trail, held), (FetchCredential(answer),)


def _told_to_wait(
    stage: Asking | AwaitingGrant, answer: Waiting, happened: Answered, now_s: float
) -> Next:
    """Wait, and ask again in a while: who is not heard is passed over."""
    trail = replace(stage.trail, previous=None, waiting=answer)
    if trail.waiting_from_s is None:
        since_s = now_s - happened.took_ms / 1000
        trail = replace(trail, waiting_from_s=since_s, waiting_since=happened.asked_at)
    left_s = wait_left_s(stage.call, trail, now_s)
    return AwaitingGrant(stage.call, trail), (AwaitGrant(trail.number, min(left_s, _ASK_EVERY_S)),)


def on_not_yet(stage: AwaitingGrant, _: NotYet, now_s: float) -> Next:
    """Say that it waits still; when its time is over, hear for the last time."""
    return Asking(stage.call, stage.trail), (lease_question(stage.call, stage.trail, now_s),)


def on_wait_refused(stage: AwaitingGrant, happened: NotAsked, now_s: float) -> Next:
    """Give back what may be granted by now: the key may no more, or the gateway stops."""
    call = stage.call
    trail = replace(stage.trail, lease_ms=lease_ms_by(stage.trail, now_s))
    cancelled = cancel_of(call, trail.number, "not_sent", happened.error)
    return end_with_error(call, trail, happened.error, cancelled)


def _ask_anew(call: CallFacts, trail: Trail, now_s: float) -> Next:
    """The grant could not be delivered, and was taken back: the next one keeps its place."""
    assert trail.previous is None, "the question that was told to wait carried it"
    trail = replace(trail, number=trail.number + 1)
    return Asking(call, trail), (lease_question(call, trail, now_s),)


def on_answered_last(stage: AskingLast, happened: Answered, _: float) -> Next:
    """The pool's refusal is the last word; what an older pool grants is given back."""
    answer = happened.answer
    lease_ms = stage.trail.lease_ms + happened.took_ms
    if isinstance(answer, Refused):
        return _refused(stage, answer, lease_ms)
    trail = replace(stage.trail, previous=None, lease_ms=lease_ms)
    ended, steps = end_with_error(stage.call, trail, stage.error)
    if isinstance(answer, Granted):
        steps = (cancel_of(stage.call, trail.number, "attempts_max"), *steps)
    return ended, steps


def _refused(stage: Asking | AskingLast | AwaitingGrant, refused: Refused, lease_ms: float) -> Next:
    call, trail = stage.call, replace(stage.trail, lease_ms=lease_ms)
    error = refusal_error(refused, call.service_type, trail.avoid_regions)
    if refused.reason is Refusal.LEDGER_UNAVAILABLE:
        # No proof that nothing was granted: an earlier sending of this id may stand.
        return forbid_with_error(call, trail, "ledger_unavailable", error)
    traced = trail.traced or refused.reason not in _UNTOLD
    return end_with_error(call, replace(trail, previous=None, traced=traced), error)
