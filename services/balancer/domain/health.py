"""Probes and passive outcomes take a server up and down; the pool's verdict ejects it.

Theory of operation. A server has two states that know nothing of each other, and may be chosen
while it is up and in:

    down    -- a good probe -----------------------------------------------> up
    up      -- `probe_failures` bad probes in a row; or `UNREACHABLE_MAX`
               connections that gateways could not make, no answer between -> down

    in      -- the pool: it called several sessions' logins expired --------> ejected
    ejected -- its time is over; or nobody is well, and of those that are
               up its time is over first ----------------------------------> in

An ejection lasts `EJECTED_FIRST`, doubles each time up to `EJECTED_MAX`, is forgotten
`FORGIVEN_AFTER` the last one ended, and is never decided while no other server is well.

The states are the log's (`Member`), the counts this leader's own (`ServerStanding`). `take_probe`
and `take_failure` only count; `health_due` is asked after each what differs from the log's last
word, so that a change which could not be journalled is decided again.

What is ugly: a new leader has counted nothing, and a server that fails is up until it has failed
anew. A bad probe of a server that is up clears `answers_probes` and no more: a third state, of
which no event tells. An ejection is decided on the pool's word itself, and one that could not be
journalled is not made up for; it ends when the leader next looks, a little late.
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


def take_probe(balancer: Balancer, server_id: ServerId, failure: str | None) -> None:
    """Take in a probe's result; `failure` is None for a good one."""
    standing = balancer.standings.get(server_id)
    if standing is None:
        return
    standing.probe_failure = failure
    standing.answers_probes = failure is None
    standing.probes_failed = 0 if failure is None else standing.probes_failed + 1
    if failure is None:
        standing.unreachable = 0


def take_failure(balancer: Balancer, report: ServerFailed) -> None:
    """Take in what a gateway says of the server it tried before."""
    standing = balancer.standings.get(report.server_id)
    if standing is None or report.verdict is not Verdict.UNREACHABLE:
        return
    standing.unreachable += 1
    if standing.unreachable >= UNREACHABLE_MAX:
        # Else the last good probe, older than these failures, would bring it up again at once.
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
        # The next one blamed must not count on this one to stay.
        well.discard(server_id)
        last = member.last_ejection_until
        forgiven = last is None or now - last >= FORGIVEN_AFTER
        times = 1 if forgiven else member.ejections + 1
        # The exponent has a bound of its own: a long history would overflow a timedelta.
        until = now + min(EJECTED_FIRST * 2 ** min(times - 1, 16), EJECTED_MAX)
        ejected.append(ServerEjected(server_id=server_id, until=until, times=times, reason=reason))
    return ejected


def _health_change(
    member: Member, standing: ServerStanding, probe_failures: int
) -> ServerHealthChanged | None:
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
