"""What the pool's log tells the balancer: ends and renewals of leases, outcomes, and blame."""

from contracts.balancer import ServerFailed
from contracts.base import Instant, ServerId
from contracts.envelope import Envelope
from contracts.events import UnknownEvent
from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseReconciled,
    LeaseRenewed,
    SessionRecovered,
    UsageRecorded,
    Verdict,
)
from services.balancer.domain.health import take_failure
from services.balancer.domain.inflight import end_placement, renew_deadline
from services.balancer.domain.pacing import slow_down, speed_up
from services.balancer.domain.state import Balancer

_SERVER_BLAMED = frozenset({Verdict.UNREACHABLE, Verdict.OUTCOME_UNKNOWN})
"""The rows of the outcome table (leases.md) in which the server is to blame."""


def observe_envelope(balancer: Balancer, envelope: Envelope, now: Instant) -> list[ServerId]:
    """Take in one envelope of `evt.pool.>`; return the servers it blames, each once."""
    blamed: dict[ServerId, None] = {}
    for event in envelope.events:
        match event:
            case UsageRecorded():
                _on_usage_recorded(balancer, event, now)
            # A reconciled lease has ended before; heard again, an end changes nothing.
            case LeaseCancelled() | LeaseExpired() | LeaseReconciled():
                end_placement(balancer, event.lease_id)
            case LeaseRenewed():
                # Counted from the pool's clock to ours: the two may differ.
                expires_in_s = (event.expires_at - envelope.time).total_seconds()
                renew_deadline(balancer, event.lease_id, expires_in_s, now)
            case SessionRecovered(reason="server_blamed", server_id=server_id):
                blamed[server_id] = None
            case UnknownEvent():
                balancer.unknown_events += 1
            case _:
                pass
    return [*blamed]


def _on_usage_recorded(balancer: Balancer, usage: UsageRecorded, now: Instant) -> None:
    """End the lease, and judge every server that was tried for it."""
    was_at = end_placement(balancer, usage.lease_id)
    for attempt in usage.attempts:
        standing = balancer.standings.get(attempt.server_id)
        if standing is None:  # removed since
            continue
        if attempt.verdict is Verdict.RISK_CONTROL:
            slow_down(standing, usage.service_type, now)
        elif attempt.verdict is Verdict.SUCCESS and standing.paces:
            speed_up(standing, usage.service_type)
        answered = attempt.status != 0
        if answered:
            standing.unreachable = 0
        standing.count_attempt(
            now,
            blamed=attempt.verdict in _SERVER_BLAMED,
            answer_ms=attempt.total_ms if answered else None,
        )
        if balancer.fleet.rules:
            balancer.rule_watch.note_attempt(usage.service_type, attempt, now, _SERVER_BLAMED)
    if not usage.attempts:
        return
    last = usage.attempts[-1]
    if was_at == last.server_id and last.verdict is Verdict.UNREACHABLE:
        # No other selection followed, so nobody has told of this failure yet.
        report = ServerFailed(server_id=last.server_id, verdict=last.verdict, failure=last.failure)
        take_failure(balancer, report)
