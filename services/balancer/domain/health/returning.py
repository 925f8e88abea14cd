"""How servers come back: half open, readmitted by a call or by probes, or because nobody is left.

Half open is whoever's ejection is over and who has answered a probe since, and whoever was silent
and has no exchange left. A call that is answered readmits it; without any, `PROBES_IN` probes
within `PROBES_WITHIN` do, but then it has still to show that it works. Where nobody else is up,
whoever's ejection is over soonest is let in at once and wholly, unless its failures cost units.
"""

from collections.abc import Iterator
from datetime import timedelta

from contracts.balancer import Health, ServerHalfOpened, ServerHeardAgain, ServerReadmitted
from contracts.base import Instant, ServerId, ServiceType
from services.balancer.domain.fleet import Ejection, Member
from services.balancer.domain.health.outcomes import ALL
from services.balancer.domain.inflight import count_open, is_waited_for
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer

PROBES_IN = 3
PROBES_WITHIN = timedelta(seconds=60)

ReturnEvent = ServerHalfOpened | ServerReadmitted | ServerHeardAgain


def returns_due(balancer: Balancer, now: Instant) -> list[ReturnEvent]:
    """Decide who comes back, and how far."""
    due: list[ReturnEvent] = []
    for member, standing in balancer.member_standings():
        due += _voice_events(balancer, member, standing)
        for service_type, ejection in member.ejections.items():
            if ejection.is_time_over(now) and _is_due_half_open(
                balancer, member, standing, ejection
            ):
                due.append(
                    ServerHalfOpened(
                        server_id=standing.server_id,
                        reason="answered a probe",
                        service_type=service_type,
                    )
                )
            elif ejection.state == "half_open":
                due += _readmission(balancer, standing, service_type, now)
    return due or _let_in_somebody(balancer, now)


def awaited_probes(balancer: Balancer, now: Instant) -> Iterator[ServerId]:
    """Name those whose ejection is over, and who are only to answer a probe."""
    for member, standing in balancer.member_standings():
        for ejection in member.ejections.values():
            over = (
                ejection.state == "ejected" and ejection.until is not None and ejection.until <= now
            )
            if over and not _was_probed_since(standing, ejection):
                yield standing.server_id
                break


def _voice_events(
    balancer: Balancer, member: Member, standing: ServerStanding
) -> list[ReturnEvent]:
    """Whoever was silent has answered, or has nothing left to answer."""
    silence = member.silence
    if silence is None:
        return []
    answered_at = standing.answered_at
    if answered_at is not None and (silence.since is None or answered_at > silence.since):
        heard = ServerHeardAgain(server_id=standing.server_id, service_type=silence.service_type)
        return [heard]
    if member.is_out(ALL) or is_waited_for(balancer, standing):
        return []
    return [
        ServerHalfOpened(
            server_id=standing.server_id, reason="its exchanges are over without an answer"
        )
    ]


def _is_due_half_open(
    balancer: Balancer, member: Member, standing: ServerStanding, ejection: Ejection
) -> bool:
    if member.health is not Health.UP:
        return False
    # Silent: what still waits there would have it called silent again at once.
    if member.silence is not None and is_waited_for(balancer, standing):
        return False
    return _was_probed_since(standing, ejection)


def _was_probed_since(standing: ServerStanding, ejection: Ejection) -> bool:
    if not standing.answers_probes or ejection.until is None:
        return False
    return any(at >= ejection.until for at in standing.probed_at)


def _readmission(
    balancer: Balancer, standing: ServerStanding, service_type: ServiceType, now: Instant
) -> list[ReturnEvent]:
    """Readmit one that is half open, if a call or enough probes were answered since."""
    streak = standing.streaks.get(service_type)
    if streak is None:
        reason, unproven = "a call was answered", False
    elif streak.failures >= balancer.bounds.failures_max:
        return []  # it goes out again
    elif len(standing.probed_at) >= PROBES_IN and _began_before_probes(
        balancer, standing, service_type
    ):
        reason, unproven = f"{PROBES_IN} probes were answered, and no call came", True
    else:
        return []
    return [
        ServerReadmitted(
            server_id=standing.server_id,
            service_type=service_type,
            reason=reason,
            at=now,
            slow_start_s=balancer.bounds.slow_start_s,
            unproven=unproven,
        )
    ]


def _began_before_probes(
    balancer: Balancer, standing: ServerStanding, service_type: ServiceType
) -> bool:
    """Tell whether all the probes that are kept are of the time since it is half open."""
    if count_open(balancer, standing, service_type):
        return False  # a call shows more
    member = balancer.fleet.members[standing.server_id]
    half_open = [each for each in member.ejections.values() if each.state == "half_open"]
    begun = [ejection.since for ejection in half_open]
    first, last = standing.probed_at[0], standing.probed_at[-1]
    return last - first <= PROBES_WITHIN and all(at is None or at <= first for at in begun)


def _let_in_somebody(balancer: Balancer, now: Instant) -> list[ReturnEvent]:
    """Where nobody is well: who is up, and out for nothing that costs units, and soonest over."""
    members = balancer.fleet.members
    if any(member.is_usable for member in members.values()):
        return []
    out = {
        server_id: member.ejections[ALL]
        for server_id, member in members.items()
        if member.is_reachable and member.is_out(ALL) and not member.ejections[ALL].costs_units
    }
    soonest = sorted(out, key=lambda server_id: out[server_id].until or now)[:1]
    return [
        ServerReadmitted(server_id=server_id, reason="nobody else is well", at=now)
        for server_id in soonest
    ]
