"""A lease is in hand: its credential, a server for it, and what one attempt leads to."""

from msgspec.structs import replace

from contracts.balancer import Selected, ServerFailed
from contracts.pool import Verdict
from services.gateway.domain import (
    another_session,
    client_error,
    failure_error,
    no_server_error,
    outcome_of,
    pause_before,
)
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.failure import Failure
from services.gateway.relay.course.endings import doubt_error, release_end, usage_of
from services.gateway.relay.course.facts import CallFacts, Held, Trail
from services.gateway.relay.course.happenings import (
    Chosen,
    CredentialRead,
    CredentialUnreadable,
    Judged,
    NoServerFound,
    Paused,
    SelectionUnanswered,
)
from services.gateway.relay.course.moves import (
    Next,
    end_with_error,
    go_for_lease,
    lease_question,
    release_with_error,
    with_attempt,
)
from services.gateway.relay.course.stages import (
    AskingLast,
    FetchingCredential,
    Passing,
    Pausing,
    Selecting,
    Sending,
)
from services.gateway.relay.course.steps import AskServer, Pass, Pause, Record, Send

_MISSED_MAX = 2
"""How often a lease may be asked for again because its `send_by` had passed."""
_GIVEN_BACK_MAX = 2
"""How often one may because no server serves its session's region."""


def on_credential_read(stage: FetchingCredential, happened: CredentialRead, _: float) -> Next:
    """Look for a server that understands it."""
    held = replace(stage.held, dialects=happened.dialects)
    return _select(stage.call, stage.trail, held, None)


def on_credential_unreadable(
    stage: FetchingCredential, happened: CredentialUnreadable, now_s: float
) -> Next:
    """Give the lease back: its credential cannot be read."""
    return release_with_error(stage.call, stage.trail, stage.held, happened.error, now_s)


# A server is chosen.


def _select(call: CallFacts, trail: Trail, held: Held, failed: ServerFailed | None) -> Next:
    """Ask for a server; nothing of this lease may have been accepted anywhere."""
    assert not held.doubtful
    avoid = (*trail.avoid_servers, *trail.last_resort_servers)
    step = AskServer(held.lease, avoid, held.dialects, failed)
    return Selecting(call, trail, held, failed), (step,)


def on_chosen(stage: Selecting, happened: Chosen, now_s: float) -> Next:
    """Try the server that the balancer chose, unless `send_by` has passed meanwhile."""
    return _send(stage.call, stage.trail, stage.held, happened.selected, now_s)


def on_no_server_found(stage: Selecting, happened: NoServerFound, now_s: float) -> Next:
    """Those of the last resort are taken now; then, if its region is why, another session."""
    call, trail, held = stage.call, stage.trail, stage.held
    if trail.last_resort_servers:
        return _select(call, replace(trail, last_resort_servers=()), held, stage.failed)
    region = held.lease.region
    # A pool of an earlier version knows of no regions to avoid, and grants the same one again.
    avoidable = region and region not in trail.avoid_regions and trail.given_back < _GIVEN_BACK_MAX
    if happened.answer.region and avoidable:
        return _avoid_region(call, trail, held, region, now_s)
    error = no_server_error(happened.answer, call.service_type, held.attempts)
    return release_with_error(call, trail, held, error, now_s)


def _avoid_region(call: CallFacts, trail: Trail, held: Held, region: str, now_s: float) -> Next:
    """Give a lease back whose session no server serves, and ask for one of another region."""
    end = release_end(call, trail, held, None, now_s)
    trail = replace(
        trail,
        number=trail.number + 1,
        given_back=trail.given_back + 1,
        avoid_regions=(*trail.avoid_regions, region),
    )
    stage, steps = go_for_lease(call, trail)
    return stage, (end, *steps)


def on_selection_unanswered(stage: Selecting, happened: SelectionUnanswered, now_s: float) -> Next:
    """Give the lease back: nobody says where to send it."""
    return release_with_error(stage.call, stage.trail, stage.held, happened.error, now_s)


# It is tried.


def _send(call: CallFacts, trail: Trail, held: Held, selected: Selected, now_s: float) -> Next:
    """Try a server, unless the lease's time to be sent is over."""
    assert trail.attempts_made < call.attempts_max
    left_s = held.send_by_s - now_s
    if left_s > 0:
        return Sending(call, trail, held, selected), (Send(held.lease, selected, left_s),)
    return _send_by_passed(call, trail, held, now_s)


def _send_by_passed(call: CallFacts, trail: Trail, held: Held, now_s: float) -> Next:
    """Let go of a lease whose `send_by` has passed, for another one if that is not the third."""
    if held.doubtful:
        return release_with_error(
            call, trail, held, failure_error(Failure.TIMEOUT, sent=True), now_s
        )
    if trail.leases_missed >= _MISSED_MAX:
        error = GatewayError("pool_saturated", "no lease lasted until the request was sent")
        return release_with_error(call, trail, held, error, now_s)
    end = release_end(call, trail, held, None, now_s)
    trail = replace(trail, leases_missed=trail.leases_missed + 1, number=trail.number + 1)
    stage, steps = go_for_lease(call, trail)
    return stage, (end, *steps)


def on_judged(stage: Sending, happened: Judged, now_s: float) -> Next:
    """Pass a success on; else try on with what this lease allows, or end it."""
    call, selected = stage.call, stage.selected
    if happened.judgement.verdict is Verdict.SUCCESS:
        passing = Passing(
            call, stage.trail, stage.held, selected, happened.judgement, happened.first_byte_ms
        )
        return passing, (Pass(),)
    assert happened.attempt is not None
    trail, held = with_attempt(
        stage.trail, stage.held, selected, happened.attempt, happened.first_byte_ms
    )
    again = happened.replayable and trail.attempts_made < call.attempts_max
    verdict = happened.judgement.verdict
    if again and verdict is Verdict.OUTCOME_UNKNOWN and selected.idempotent:
        pause_s = pause_before(trail.attempts_made, happened.retry_after_s, happened.chance)
        if pause_s < held.send_by_s - now_s:
            return Pausing(call, trail, held, selected), (Pause(pause_s),)
    if again and verdict is Verdict.UNREACHABLE and not held.doubtful:
        why = happened.judgement.message[:100]
        failed = ServerFailed(server_id=selected.server_id, verdict=verdict, failure=why)
        trail = replace(trail, avoid_servers=(*trail.avoid_servers, selected.server_id))
        return _select(call, trail, held, failed)
    return _end(call, trail, held, happened, now_s, again=again)


def on_paused(stage: Pausing, _: Paused, now_s: float) -> Next:
    """Try the same server once more."""
    return _send(stage.call, stage.trail, stage.held, stage.selected, now_s)


def _end(
    call: CallFacts, trail: Trail, held: Held, last: Judged, now_s: float, *, again: bool
) -> Next:
    """End the lease in hand by its last attempt; another session may do what this one may not."""
    judgement = last.judgement
    verdict, error = judgement.verdict, last.error
    if held.doubtful and verdict is not Verdict.OUTCOME_UNKNOWN:
        verdict, error = Verdict.OUTCOME_UNKNOWN, doubt_error()
    submitted = judgement.submitted
    outcome = outcome_of(verdict, sent=held.sent, answered=False, submitted=submitted)
    error = error or client_error(judgement, last.retry_after_s)
    if submitted or not another_session(verdict):
        doubt = judgement.session_doubt and verdict is Verdict.REJECTED
        ended = usage_of(
            call, trail, held, outcome, verdict, now_s, error=error, session_doubt=doubt
        )
        return end_with_error(call, trail, error, Record(ended))
    previous = usage_of(
        call,
        trail,
        held,
        outcome,
        verdict,
        now_s,
        error=None if again else error,
        retry_after_s=last.retry_after_s,
    )
    trail = replace(
        trail,
        number=trail.number + 1,
        previous=previous,
        ended=previous,
        traced=trail.traced or not again,
        avoid_sessions=(*trail.avoid_sessions, held.lease.session_id),
    )
    if verdict is Verdict.LOGIN_EXPIRED:
        accused = (*trail.last_resort_servers, trail.server_id)
        trail = replace(trail, last_resort_servers=accused)
    if again:
        return go_for_lease(call, trail)
    if verdict in {Verdict.QUOTA_EXHAUSTED, Verdict.LOGIN_EXPIRED}:
        return AskingLast(call, trail, error), (lease_question(call, trail, now_s, only_ask=True),)
    return end_with_error(call, trail, error)
