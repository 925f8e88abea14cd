"""Probes and passive outcomes take a server up and down; the pool's verdict ejects it.

One good probe brings a server up; `probe_failures` bad ones in a row, or three connections in a
row that gateways could not make, take it down until the next good probe. A server that called
several sessions' logins expired is ejected: 30 s, doubling each time up to ten minutes, forgiven
after half an hour in good standing, and never while no other server is well.
"""

from collections.abc import Iterable
from datetime import timedelta

from contracts.balancer import (
    Health,
    ServerEjected,
    ServerFailed,
    ServerHealthChanged,
    ServerReadmitted,
)
from contracts.base import Instant, ServerId
from contracts.pool import Verdict
from services.balancer.domain.fleet import Member
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer

UNREACHABLE_MAX = 3
EJECTED_FIRST = timedelta(seconds=30)
EJECTED_MAX = timedelta(minutes=10)
FORGIVEN_AFTER = timedelta(minutes=30)

HealthEvent = ServerHealthChanged | ServerReadmitted


def take_probe(balancer: Balancer, server_id: ServerId, failure: str) -> None:
    """Take in a probe's result; `failure` is empty for a good one."""
    standing = balancer.standings.get(server_id)
    if standing is None:
        return
    standing.probe_failure = failure
    standing.answers_probes = not failure
    standing.probes_failed = standing.probes_failed + 1 if failure else 0
    if not failure:
        standing.unreachable = 0


def take_failure(balancer: Balancer, report: ServerFailed) -> None:
    """Take in what a gateway says of the server it tried before."""
    standing = balancer.standings.get(report.server_id)
    if standing is None or report.verdict is not Verdict.UNREACHABLE:
        return
    standing.unreachable += 1
    if standing.unreachable >= UNREACHABLE_MAX:
        standing.answers_probes = False


def health_due(balancer: Balancer, now: Instant, probe_failures: int) -> list[HealthEvent]:
    """Decide what has changed since the log last said how each server is."""
    due: list[HealthEvent] = []
    for member, standing in balancer.member_standings():
        changed = _health_change(member, standing, probe_failures)
        if changed is not None:
            due.append(changed)
    return due + _readmission_events(balancer, now)


def ejection_events(
    balancer: Balancer, blamed: Iterable[ServerId], reason: str, now: Instant
) -> list[ServerEjected]:
    """Decide whom to eject of those blamed: never one that is out already, nor the last one."""
    well = {server_id for server_id, member in balancer.fleet.members.items() if member.is_healthy}
    ejected = []
    for server_id in dict.fromkeys(blamed):
        member = balancer.fleet.members.get(server_id)
        if member is None or member.ejected_until is not None or not well - {server_id}:
            continue
        well.discard(server_id)
        last = member.last_ejection_until
        forgiven = last is None or now - last >= FORGIVEN_AFTER
        times = 1 if forgiven else member.ejections + 1
        until = now + min(EJECTED_FIRST * 2 ** min(times - 1, 16), EJECTED_MAX)
        ejected.append(ServerEjected(server_id=server_id, until=until, times=times, reason=reason))
    return ejected


def _health_change(
    member: Member, standing: ServerStanding, probe_failures: int
) -> ServerHealthChanged | None:
    up = member.health is Health.UP
    if standing.answers_probes:
        return None if up else _health_event(standing, Health.UP, "answered a probe")
    if standing.probes_failed >= probe_failures and (up or not member.judged):
        return _health_event(standing, Health.DOWN, f"probe: {standing.probe_failure}")
    if standing.unreachable >= UNREACHABLE_MAX and up:
        why = f"{standing.unreachable} connections in a row could not be made"
        return _health_event(standing, Health.DOWN, why)
    return None


def _health_event(standing: ServerStanding, health: Health, reason: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=standing.server_id, health=health, reason=reason)


def _readmission_events(balancer: Balancer, now: Instant) -> list[ServerReadmitted]:
    """Who is believed again: time is up, or nobody else is well and this one is up."""
    out = {
        server_id: member.ejected_until
        for server_id, member in balancer.fleet.members.items()
        if member.ejected_until is not None
    }
    over = [server_id for server_id, until in out.items() if until <= now]
    nobody_well = not any(member.is_healthy for member in balancer.fleet.members.values())
    if out and not over and nobody_well:
        up = [
            server_id for server_id in out if balancer.fleet.members[server_id].health is Health.UP
        ]
        over = sorted(up, key=out.__getitem__)[:1]
    return [ServerReadmitted(server_id=server_id) for server_id in over]
