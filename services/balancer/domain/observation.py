"""What the pool's log tells the balancer: ends and renewals of leases, outcomes, and blame."""

from contracts.base import Instant, ServerId, ServiceType
from contracts.envelope import Envelope
from contracts.events import UnknownEvent
from contracts.pool import (
    Attempt,
    LeaseCancelled,
    LeaseExpired,
    LeaseReconciled,
    LeaseRenewed,
    SessionChanged,
    SessionDoubted,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    UsageRecorded,
    Verdict,
)
from services.balancer.domain.health.outcomes import SERVER_BLAMED, blames_server, take_attempt
from services.balancer.domain.health.probing import count_unreachable
from services.balancer.domain.inflight import end_placement, renew_deadline
from services.balancer.domain.latency import FirstBytes, bounded_entry, note_attempt
from services.balancer.domain.pacing import slow_down, speed_up
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer, Placement

DOUBTED_KEPT = 1000
"""Sessions whose failures say nothing of servers; of more the one doubted first is forgotten."""


def observe_envelope(balancer: Balancer, envelope: Envelope, now: Instant) -> bool:
    """Take in one envelope of `evt.pool.>`; return whether a server's health may have changed."""
    changed = False
    for event in envelope.events:
        match event:
            case UsageRecorded():
                changed |= _on_usage_recorded(balancer, event, envelope.time, now)
            # A reconciled lease has ended before; heard again, an end changes nothing.
            case LeaseCancelled() | LeaseExpired() | LeaseReconciled():
                end_placement(balancer, event.lease_id)
            case LeaseRenewed():
                # Counted from the pool's clock to ours: the two may differ.
                expires_in_s = (event.expires_at - envelope.time).total_seconds()
                renew_deadline(balancer, event.lease_id, expires_in_s, now)
            case SessionRecovered(reason="server_blamed", server_id=server_id):
                changed |= _accuse_server(balancer, server_id, envelope.time)
            case SessionDoubted():
                _on_session_doubted(balancer, event)
            case SessionChanged(status=None):  # of its limits alone
                pass
            case SessionChanged() | SessionRevived() | SessionRetired() | SessionRecovered():
                # Somebody has decided about it, or it did well on trial.
                balancer.doubted.pop(event.session_id, None)
            case UnknownEvent():
                balancer.unknown_events += 1
            case _:
                pass
    return changed


def _accuse_server(balancer: Balancer, server_id: ServerId, at: Instant) -> bool:
    """Take in the pool's blame; what was said before the server went out was heard."""
    standing = balancer.standings.get(server_id)
    since = None if standing is None else standing.since_of(ServiceType(""))
    if since is not None and at <= since:
        return False
    balancer.accused[server_id] = None
    return True


def _on_session_doubted(balancer: Balancer, event: SessionDoubted) -> None:
    """Hear no more of a session's failures, unless most sessions are doubted."""
    balancer.doubted.pop(event.session_id, None)
    if event.many:
        return
    if len(balancer.doubted) >= DOUBTED_KEPT:
        del balancer.doubted[next(iter(balancer.doubted))]
    balancer.doubted[event.session_id] = None


def _on_usage_recorded(balancer: Balancer, usage: UsageRecorded, at: Instant, now: Instant) -> bool:
    """End the lease, and judge every server that was tried for it, by the time of the envelope."""
    placement = end_placement(balancer, usage.lease_id)
    changed = False
    doubted = usage.session_id in balancer.doubted
    if doubted and usage.verdict is Verdict.SUCCESS:
        del balancer.doubted[usage.session_id]
    for attempt in usage.attempts:
        standing = balancer.standings.get(attempt.server_id)
        if standing is None:  # removed since
            continue
        if attempt.verdict is Verdict.RISK_CONTROL:
            slow_down(standing, usage.service_type, now)
        elif attempt.verdict is Verdict.SUCCESS and standing.paces:
            speed_up(standing, usage.service_type)
        blamed = blames_server(attempt.verdict, doubted=doubted)
        _count_attempt(balancer, standing, usage, attempt, at, now, blamed=blamed)
        if balancer.fleet.rules and blamed == (attempt.verdict in SERVER_BLAMED):
            balancer.rule_watch.note_attempt(usage.service_type, attempt, now, SERVER_BLAMED)
        if not _is_of_before(placement, standing, usage.service_type, attempt, at):
            changed |= take_attempt(
                standing, usage.service_type, usage.session_id, attempt, at, doubted=doubted
            )
    if not usage.attempts or placement is None or placement.answer is None:
        return changed
    last = usage.attempts[-1]
    if placement.answer.server_id == last.server_id and last.verdict is Verdict.UNREACHABLE:
        # No other selection followed, so nobody has told of this failure yet.
        count_unreachable(balancer.standings[last.server_id])
    return changed


def _count_attempt(
    balancer: Balancer,
    standing: ServerStanding,
    usage: UsageRecorded,
    attempt: Attempt,
    at: Instant,
    now: Instant,
    *,
    blamed: bool,
) -> None:
    """Count it for what operators see, and for what is long for such an answer."""
    answered = attempt.status != 0
    if answered:
        standing.unreachable = 0
        standing.answered_at = at
    if attempt.verdict is Verdict.SUCCESS and attempt.first_byte_ms:
        seen = bounded_entry(balancer.first_bytes, usage.service_type, FirstBytes)
        seen.count(attempt.first_byte_ms)
    note_attempt(
        balancer.latencies,
        standing.latencies,
        usage.service_type,
        attempt,
        at.timestamp(),
        blamed=blamed,
    )
    standing.count_attempt(
        now,
        blamed=blamed,
        answer_ms=attempt.total_ms if answered else None,
    )


def _is_of_before(
    placement: Placement | None,
    standing: ServerStanding,
    service_type: ServiceType,
    attempt: Attempt,
    at: Instant,
) -> bool:
    """Tell whether an attempt is counted already, or of a time before the server went out."""
    if placement is None:
        since = standing.since_of(service_type)
        return since is not None and at <= since
    if placement.answer is not None and placement.answer.server_id == attempt.server_id:
        return placement.term != standing.term_of(placement.service_type)
    return attempt.server_id in placement.reported
