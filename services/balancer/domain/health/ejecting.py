"""Whom failures put out, or the pool's word; and for how long.

Sources: Envoy, outlier detection (`consecutive_5xx`, `success_rate`, `max_ejection_percent`,
`base_ejection_time`: the same names where the same is meant). Other than there, a failure here may
cost a unit of somebody's quota: for such ones even the last server goes out, for a call that is
refused costs nothing.
"""

from collections.abc import Iterator
from datetime import timedelta
from math import nextafter
from statistics import fmean, median, pstdev

import msgspec

from contracts.balancer import ServerEjected
from contracts.base import Instant, ServiceType
from runtime.texts import count_phrase
from services.balancer.domain.fleet import Ejection, Member
from services.balancer.domain.health.outcomes import ALL, recent_outcomes
from services.balancer.domain.latency import fleet_median_ms
from services.balancer.domain.standing import CallResult, ServerStanding, Streak
from services.balancer.domain.state import Balancer

FORGIVEN_AFTER = timedelta(minutes=30)
ACCUSED = "called several sessions' logins expired"
RATED_MIN = 10
"""So many outcomes of a service type a server must have before its rate says anything."""
_FLEET_MIN = 5
"""So many servers with a rate make a fleet that one of them can be measured by."""
_DEVIATIONS = 1.9
_RATE_MIN = 0.2
_RATE_ALONE = 0.5


class _Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks against a server."""

    service_type: ServiceType
    reason: str
    costs_units: bool = False
    accused: bool = False
    """By the pool's word, whatever calls came to."""
    failures: int = 0
    outcomes: int = 0


def ejections_due(balancer: Balancer, now: Instant) -> list[ServerEjected]:
    """Decide who goes out."""
    bar = {key: _rate_bar(balancer, key, now) for key in _types_that_failed(balancer)}
    ejected: list[ServerEjected] = []
    for member, standing in balancer.member_standings():
        charged: set[ServiceType] = set()
        for charge in _charges(balancer, member, standing, bar, now):
            if charge.service_type in charged or not _may_go_out(balancer, charge, member, ejected):
                continue
            charged.add(charge.service_type)
            ejected.append(_ejection(balancer, member, charge, now))
            if charge.service_type == ALL:
                break
    return ejected


def _charges(
    balancer: Balancer,
    member: Member,
    standing: ServerStanding,
    bar: dict[ServiceType, float],
    now: Instant,
) -> Iterator[_Charge]:
    """Say what speaks against a server that it is not out for already."""
    if member.is_out(ALL):
        return
    if standing.server_id in balancer.accused:
        yield _Charge(service_type=ALL, reason=ACCUSED, accused=True)
    ejects, limit = balancer.bounds.consecutive_failures > 0, balancer.bounds.failures_max
    # Of all types first: what puts all of them out makes the others needless.
    for key in sorted(standing.streaks):
        streak = standing.streaks[key]
        if not (ejects or streak.on_probation):
            continue
        named = _type_put_out(standing, key, streak, now)
        if member.is_out(named) or not _is_long_enough(standing, key, streak, limit, now):
            continue
        failures = _failures_seen(streak, limit)
        yield _Charge(
            service_type=named,
            reason=_streak_reason(streak),
            costs_units=streak.costs_units,
            failures=failures,
            outcomes=failures,
        )
    yield from _slowness(balancer, member, standing, now)
    for key in standing.recent if ejects else ():
        if key in bar and not member.is_out(key):
            seen = recent_outcomes(standing, key, now)
            failed = [outcome for outcome in seen if outcome.failed]
            if _is_over_bar(seen, failed, bar[key]):
                yield _Charge(
                    service_type=key,
                    reason=f"{len(failed)} of the last {len(seen)} calls failed",
                    costs_units=any(outcome.costs_unit for outcome in failed),
                    failures=len(failed),
                    outcomes=len(seen),
                )


def _slowness(
    balancer: Balancer, member: Member, standing: ServerStanding, now: Instant
) -> Iterator[_Charge]:
    """Say for which service types a server is slower than the setting allows; by default none."""
    times = balancer.bounds.eject_slower
    for key in standing.recent if times else ():
        took_ms = [
            seen.first_byte_ms
            for seen in recent_outcomes(standing, key, now)
            if seen.first_byte_ms and not seen.failed
        ]
        usual_ms = fleet_median_ms(balancer.latencies, key)
        if member.is_out(key) or len(took_ms) < RATED_MIN or not usual_ms:
            continue
        slower = median(took_ms) / usual_ms
        if slower > times:
            yield _Charge(
                service_type=key,
                reason=f"{slower:.1f} times as slow as the fleet",
                outcomes=len(took_ms),
            )


def _failures_seen(streak: Streak, limit: int) -> int:
    """Count the failures of a streak; a trial begins one short of the limit, with none seen."""
    return streak.failures - (limit - 1) if streak.on_probation else streak.failures


def _streak_reason(streak: Streak) -> str:
    failures = count_phrase(streak.failures, "failure")
    return "failed again" if streak.on_probation else f"{failures} in a row"


def _type_put_out(
    standing: ServerStanding, key: ServiceType, streak: Streak, now: Instant
) -> ServiceType:
    """Name the one service type that fails while others are answered; else all of them."""
    if key != ALL or streak.on_probation or len(streak.service_types) != 1:
        return key
    (failing,) = streak.service_types
    others = [name for name in standing.recent if name != failing]
    does_others = any(
        not outcome.failed for name in others for outcome in recent_outcomes(standing, name, now)
    )
    return failing if does_others else ALL


def _is_long_enough(
    standing: ServerStanding, key: ServiceType, streak: Streak, limit: int, now: Instant
) -> bool:
    """Tell whether a streak puts its server out: from two sessions, where more than one is used."""
    if streak.failures < limit:
        return False
    if streak.on_probation or len(streak.sessions) > 1:
        return True
    types = standing.recent if key == ALL else [key]
    used = {seen.session_id for name in types for seen in recent_outcomes(standing, name, now)}
    return len(used) <= 1


def _types_that_failed(balancer: Balancer) -> set[ServiceType]:
    return {
        key
        for standing in balancer.standings.values()
        for key, recent in standing.recent.items()
        if any(outcome.failed for outcome in recent)
    }


def _rate_bar(balancer: Balancer, service_type: ServiceType, now: Instant) -> float:
    """The failure rate at which a server of this service type goes out."""
    rates = []
    for standing in balancer.standings.values():
        seen = recent_outcomes(standing, service_type, now)
        if len(seen) >= RATED_MIN:
            rates.append(sum(outcome.failed for outcome in seen) / len(seen))
    if len(rates) < _FLEET_MIN:
        return _RATE_ALONE
    # Above it: where all fail alike, nobody stands out.
    return max(_RATE_MIN, nextafter(fmean(rates) + _DEVIATIONS * pstdev(rates), 2.0))


def _is_over_bar(seen: list[CallResult], failed: list[CallResult], bar: float) -> bool:
    if len(seen) < RATED_MIN or len(failed) / len(seen) < bar:
        return False
    # One session that fails everywhere is the pool's to judge.
    sessions = {outcome.session_id for outcome in failed}
    return len(sessions) > 1 or len({outcome.session_id for outcome in seen}) == 1


def _may_go_out(
    balancer: Balancer, charge: _Charge, member: Member, ejected: list[ServerEjected]
) -> bool:
    """Tell whether enough others stay in, where the failures cost nothing but time."""
    if charge.costs_units:
        return True
    leaving = {event.server_id for event in ejected}
    members = balancer.fleet.members
    if charge.accused:
        well = {name for name, other in members.items() if other.is_usable} - leaving
        return bool(well - {member.server.server_id})
    out = {
        name
        for name, other in members.items()
        if any(ejection.state == "ejected" for ejection in other.ejections.values())
    }
    out |= leaving | {member.server.server_id}
    return len(out) <= balancer.bounds.max_ejected * len(members)


def _ejection(balancer: Balancer, member: Member, charge: _Charge, now: Instant) -> ServerEjected:
    bounds = balancer.bounds
    times = _times_in_a_row(member.ejections.get(charge.service_type), now)
    lasts_s = min(bounds.ejection_base_s * times, bounds.ejection_cap_s)
    return ServerEjected(
        server_id=member.server.server_id,
        until=now + timedelta(seconds=lasts_s),
        times=times,
        reason=charge.reason,
        service_type=charge.service_type,
        costs_units=charge.costs_units,
        failures=charge.failures,
        outcomes=charge.outcomes,
    )


def _times_in_a_row(last: Ejection | None, now: Instant) -> int:
    """Count the ejections in a row, this one among them; what is long ago is forgiven."""
    if last is None or last.until is None or now - last.until >= FORGIVEN_AFTER:
        return 1
    return last.times + 1
