"""What the ends of exchanges say of their servers: failures in a row, and the last few outcomes.

Only what the outcome table (leases.md) blames on the server speaks against it, and only an answer
that did the work speaks for it. What a client, a session or its quota is to blame for says nothing;
a call on trial passes by any answer that blames nobody. Nor do failures of a session that the pool
doubts say anything, unless it doubts most of them: but that a server cannot be reached is no
session's fault.
"""

from datetime import timedelta

from contracts.base import Instant, ServiceType, SessionId
from contracts.pool import Attempt, Verdict
from services.balancer.domain.latency import bounded_entry
from services.balancer.domain.standing import CallResult, ServerStanding, Streak

OUTCOMES_KEPT = 20
OUTCOMES_FOR = timedelta(minutes=10)
ALL = ServiceType("")
SERVER_BLAMED = frozenset({Verdict.UNREACHABLE, Verdict.OUTCOME_UNKNOWN})
"""The rows of the outcome table (leases.md) in which the server is to blame."""


def blames_server(verdict: Verdict, *, doubted: bool) -> bool:
    """Tell whether an attempt speaks against its server; `doubted`: the pool doubts its session."""
    return verdict is Verdict.UNREACHABLE or (verdict in SERVER_BLAMED and not doubted)


def take_attempt(
    standing: ServerStanding,
    service_type: ServiceType,
    session_id: SessionId,
    attempt: Attempt,
    at: Instant,
    *,
    doubted: bool = False,
) -> bool:
    """Take in one attempt that began in the server's present term.

    Returns whether there may be something to journal.
    """
    if attempt.verdict in SERVER_BLAMED:
        if not blames_server(attempt.verdict, doubted=doubted):
            # Whose fault it was nobody knows: a server on trial is none the wiser.
            return False
        costs_unit = attempt.verdict is Verdict.OUTCOME_UNKNOWN
        note_failure(standing, service_type, session_id, at, costs_unit=costs_unit)
        return True
    if attempt.verdict is Verdict.SUCCESS:
        answered = CallResult(
            at, session_id, failed=False, costs_unit=False, first_byte_ms=attempt.first_byte_ms
        )
        return _note_success(standing, service_type, answered)
    # A client that went away before the answer leaves a trial undecided.
    return attempt.status != 0 and _pass_trial(standing, service_type, attempt.verdict)


def note_failure(
    standing: ServerStanding,
    service_type: ServiceType,
    session_id: SessionId,
    at: Instant,
    *,
    costs_unit: bool,
) -> None:
    """Count a failure for its service type, and for all of them."""
    _remember(
        standing, service_type, CallResult(at, session_id, failed=True, costs_unit=costs_unit)
    )
    for key in (ALL, service_type):
        streak = standing.streaks.get(key)
        if streak is None:
            streak = standing.streaks[key] = Streak()
        streak.failures += 1
        streak.costs_units = streak.costs_units or costs_unit
        streak.sessions.add(session_id)
        streak.service_types.add(service_type)
    standing.note_restraint()


def recent_outcomes(
    standing: ServerStanding, service_type: ServiceType, now: Instant
) -> list[CallResult]:
    """The last outcomes of a service type that are not too old to say anything."""
    oldest = now - OUTCOMES_FOR
    return [seen for seen in standing.recent.get(service_type, ()) if seen.at > oldest]


def _note_success(
    standing: ServerStanding, service_type: ServiceType, answered: CallResult
) -> bool:
    """Note a call that was done; whether that ends a trial."""
    _remember(standing, service_type, answered)
    if not standing.streaks:
        return False
    ended = [standing.streaks.pop(key, None) for key in (ALL, service_type)]
    standing.note_restraint()
    return any(streak is not None and streak.on_probation for streak in ended)


def _pass_trial(standing: ServerStanding, service_type: ServiceType, verdict: Verdict) -> bool:
    """Let an answer that blames nobody pass; that no login is believed is why some were put out."""
    passed = False
    for key in (ALL, service_type):
        streak = standing.streaks.get(key)
        if streak is not None and streak.on_probation and verdict is not Verdict.LOGIN_EXPIRED:
            del standing.streaks[key]
            passed = True
    standing.note_restraint()
    return passed


def _remember(standing: ServerStanding, service_type: ServiceType, outcome: CallResult) -> None:
    before = bounded_entry(standing.recent, service_type, list[CallResult])
    standing.recent[service_type] = [*before[1 - OUTCOMES_KEPT :], outcome]
