"""Probes, and connections that could not be made, take a server up and down."""

from contracts.balancer import Health, SelectServer, ServerFailed, ServerHealthChanged
from contracts.base import Instant, ServerId
from contracts.pool import Verdict
from services.balancer.domain.fleet import Member
from services.balancer.domain.health.outcomes import note_failure
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer

UNREACHABLE_MAX = 3
PROBES_KEPT = 3


def take_probe(balancer: Balancer, server_id: ServerId, failure: str | None, now: Instant) -> None:
    """Take in a probe's result; `failure` is None for a good one."""
    standing = balancer.standings.get(server_id)
    if standing is None:
        return
    standing.probe_failure = failure
    standing.answers_probes = failure is None
    standing.probes_failed = 0 if failure is None else standing.probes_failed + 1
    if failure is None:
        standing.unreachable = 0
        standing.probed_at = [*standing.probed_at[1 - PROBES_KEPT :], now]
    else:
        standing.probed_at = []


def take_failure(
    balancer: Balancer, wanted: SelectServer, report: ServerFailed, now: Instant
) -> None:
    """Take in what a gateway says of the server it tried before."""
    standing = balancer.standings.get(report.server_id)
    if standing is None or report.verdict is not Verdict.UNREACHABLE:
        return
    note_failure(standing, wanted.service_type, wanted.session_id, now, costs_unit=False)
    count_unreachable(standing)


def count_unreachable(standing: ServerStanding) -> None:
    """Count a connection that could not be made."""
    standing.unreachable += 1
    if standing.unreachable >= UNREACHABLE_MAX:
        # Else the last good probe, older than these failures, would bring it up again at once.
        standing.answers_probes = False


def health_change(
    member: Member, standing: ServerStanding, probe_failures: int
) -> ServerHealthChanged | None:
    """Say what probes and connections have changed; None: nothing that the log does not say."""
    up = member.health is Health.UP
    if standing.answers_probes:
        return None if up else _health_event(standing, Health.UP, "answered a probe")
    # A new server is down already; said once more, it has a reason that an operator can read.
    if standing.probes_failed >= probe_failures and (up or not member.judged):
        return _health_event(standing, Health.DOWN, f"probe: {standing.probe_failure}")
    if standing.unreachable >= UNREACHABLE_MAX and up:
        why = f"{standing.unreachable} connections in a row could not be made"
        return _health_event(standing, Health.DOWN, why)
    return None


def _health_event(standing: ServerStanding, health: Health, reason: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=standing.server_id, health=health, reason=reason)
