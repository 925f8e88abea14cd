"""How a lease ends, in the log's words."""

from contracts.base import LeaseId
from contracts.pool import CancelLease, Outcome, UsageRecorded, Verdict
from services.gateway.domain import failure_error, outcome_of
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.failure import Failure
from services.gateway.domain.texts import MESSAGE_BYTES_MAX, cut_text, short_ms
from services.gateway.relay.course.facts import CLIENT_GONE, CallFacts, CancelReason, Held, Trail
from services.gateway.relay.course.happenings import BrokenOff, Passed
from services.gateway.relay.course.stages import Passing
from services.gateway.relay.course.steps import Cancel, Record


def usage_of(
    call: CallFacts,
    trail: Trail,
    held: Held,
    outcome: Outcome,
    verdict: Verdict,
    now_s: float,
    *,
    error: GatewayError | None = None,
    retry_after_s: float | None = None,
    status: int = 0,
    bytes_out: int = 0,
    units_over: int = 0,
    cut: bool = False,
    session_doubt: bool = False,
) -> UsageRecorded:
    """Write down how the lease in hand ended."""
    lease = held.lease
    return UsageRecorded(
        lease_id=LeaseId(lease.lease_id),
        request_id=call.request_id,
        session_id=lease.session_id,
        service_type=call.service_type,
        outcome=outcome,
        verdict=verdict,
        units=lease.units if outcome is Outcome.SETTLED else 0,
        units_over=units_over if outcome is Outcome.SETTLED else 0,
        key_id=call.key_id,
        path=call.path,
        model=call.model,
        client_request_id=call.client_request_id,
        status=error.http_status if error else status,
        error_code=error.code if error else "",
        error_message=_message_of(error),
        cut=cut,
        session_doubt=session_doubt,
        retry_after_s=retry_after_s,
        attempts=list(held.attempts),
        lease_ms=short_ms(trail.lease_ms),
        total_ms=short_ms((now_s - call.started_s) * 1000),
        bytes_in=call.bytes_in,
        bytes_out=bytes_out,
    )


def settled_end(stage: Passing, held: Held, passed: Passed, now_s: float) -> UsageRecorded:
    """End a lease whose answer went to the client, as far as its server sent it."""
    error = passed.error
    return usage_of(
        stage.call,
        stage.trail,
        held,
        Outcome.SETTLED,
        Verdict.SUCCESS,
        now_s,
        error=error,
        status=passed.status,
        bytes_out=passed.bytes_out,
        units_over=_units_over(stage, passed.results_included),
        cut=error is not None,
    )


def settled_cut_end(
    stage: Passing, held: Held, broken_off: BrokenOff, now_s: float
) -> UsageRecorded:
    """End a lease whose answer was on its way to the client when its request was broken off."""
    error = broken_off.error
    verdict = Verdict.SUCCESS if error else Verdict.CLIENT_GONE
    return usage_of(
        stage.call, stage.trail, held, Outcome.SETTLED, verdict, now_s, error=error, cut=True
    )


def _units_over(stage: Passing, included: int) -> int:
    """Count what the server did beyond the reservation, where items are units."""
    if not stage.call.per_item:
        return 0
    return max(0, stage.judgement.results - max(stage.held.lease.units, included))


def cancel_of(
    call: CallFacts, number: int, reason: CancelReason, error: GatewayError | None = None
) -> Cancel:
    """Give a lease back, or forbid one that may be granted yet; `error` ends the call."""
    command = CancelLease(
        request_id=call.request_id,
        number=number,
        reason=reason,
        status=error.http_status if error else 0,
        error_code=error.code if error else "",
        error_message=_message_of(error),
        key_id=call.key_id,
        service_type=call.service_type,
    )
    return Cancel(command)


def release_end(
    call: CallFacts, trail: Trail, held: Held, error: GatewayError | None, now_s: float
) -> Record | Cancel:
    """End a lease that will not be tried (again): cancelled if it never was."""
    if held.doubtful:
        verdict = Verdict.OUTCOME_UNKNOWN
        return Record(usage_of(call, trail, held, Outcome.UNKNOWN, verdict, now_s, error=error))
    if held.attempts:
        ended = usage_of(
            call, trail, held, Outcome.RELEASED, Verdict.UNREACHABLE, now_s, error=error
        )
        return Record(ended)
    return cancel_of(call, trail.number, "not_sent", error)


def broken_off_end(
    call: CallFacts, trail: Trail, held: Held, broken_off: BrokenOff, now_s: float
) -> Record | Cancel:
    """End a lease of which no answer was passed on when its request was broken off."""
    if not held.attempts and not held.sent:
        reason: CancelReason = "not_sent" if broken_off.error else CLIENT_GONE
        return cancel_of(call, trail.number, reason, broken_off.error)
    verdict = Verdict.CLIENT_GONE
    outcome = outcome_of(verdict, sent=held.sent, answered=False)
    if broken_off.error is not None and held.sent:
        verdict = Verdict.OUTCOME_UNKNOWN
    return Record(usage_of(call, trail, held, outcome, verdict, now_s, error=broken_off.error))


def doubt_error() -> GatewayError:
    """What the client hears when something may have been done before the last attempt."""
    return failure_error(Failure.CUT, sent=True)


def _message_of(error: GatewayError | None) -> str:
    return cut_text(error.message, MESSAGE_BYTES_MAX) if error else ""
