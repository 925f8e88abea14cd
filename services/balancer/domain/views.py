"""What an operator sees of each server."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median

import msgspec

from contracts.balancer import ServerView, StrategyFailed, TypeView
from contracts.base import Instant, ServerId, ServiceType
from services.balancer.domain.fleet import Member
from services.balancer.domain.health.outcomes import ALL, recent_outcomes
from services.balancer.domain.health.words import StateName, server_state, type_state
from services.balancer.domain.standing import CallResult, ServerStanding
from services.balancer.domain.state import Balancer

_TOLD_FOR = timedelta(minutes=10)
"""A failure this old is over; while it goes on it is told every minute."""


def server_views(balancer: Balancer, now: Instant) -> list[ServerView]:
    """Show every server, in the order of the fleet."""
    return [_server_view(member, standing, now) for member, standing in balancer.member_standings()]


class StateTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a server is not simply up, in words that stay the same while it is so."""

    server_id: ServerId
    service_type: ServiceType = ALL
    """Empty: of all."""
    state: StateName
    reason: str = ""
    back_in_s: float | None = None
    """How soon its ejection is over; None: it is not ejected."""


def state_troubles(balancer: Balancer, now: Instant) -> Iterator[StateTrouble]:
    """Tell of each server that is not simply up, and of each service type that it is out for."""
    for member, standing in balancer.member_standings():
        whole = server_state(member, standing, now).state
        if whole != "up":
            yield _state_trouble(member, ALL, whole, now)
        for service_type in sorted({*member.ejections} - {ALL}):
            state = type_state(member, standing, service_type, now).state
            if state != "up":
                yield _state_trouble(member, service_type, state, now)


def _state_trouble(
    member: Member, service_type: ServiceType, state: StateName, now: Instant
) -> StateTrouble:
    """Give the reason that goes with a state, without how long it is so already."""
    ejection = member.ejections.get(service_type)
    reason = "" if ejection is None else ejection.reason
    if state == "down":
        reason = member.reason
    elif state == "silent":
        reason = "an exchange there waits for long, and nothing else is answered"
    elif state == "draining":
        reason = "an operator drained it"
    back_in_s = None
    if state == "ejected" and ejection is not None and ejection.until is not None:
        back_in_s = max(0.0, (ejection.until - now).total_seconds())
    return StateTrouble(
        server_id=member.server.server_id,
        service_type=service_type,
        state=state,
        reason=reason,
        back_in_s=back_in_s,
    )


def strategy_trouble(balancer: Balancer, now: Instant) -> str:
    """Say which strategies have failed lately, and why; empty when none did."""
    in_force = balancer.fleet.strategies_in_force()
    return "; ".join(
        _failure_words(failed)
        for failed, at in balancer.strategies_failed.values()
        if failed.strategy in in_force and now - at <= _TOLD_FOR
    )


def _failure_words(failed: StrategyFailed) -> str:
    times = f" {failed.failures} times" if failed.failures > 1 else ""
    return f"{failed.strategy} failed{times}: {failed.reason}"


def _server_view(member: Member, standing: ServerStanding, now: Instant) -> ServerView:
    """Show one server: its state in words, and what the last minutes showed."""
    told = server_state(member, standing, now)
    return ServerView(
        server=member.server,
        health=member.health,
        healthy=member.is_healthy,
        reason=_view_reason(member, told.words),
        ejected_s=_ejection_left_s(member, now),
        connections=standing.in_flight,
        avg_response_ms=round(standing.avg_response_ms(now), 3),
        success_rate=round(standing.success_rate(now), 6),
        attempts=standing.attempts(now),
        state=told.state,
        words=told.words,
        detail=told.detail,
        service_types=_type_views(member, standing, now),
    )


def _type_views(member: Member, standing: ServerStanding, now: Instant) -> list[TypeView]:
    """Show the service types that were tried there, or that it is out for."""
    views = []
    for service_type in sorted({*standing.recent, *member.ejections} - {ALL}):
        seen = recent_outcomes(standing, service_type, now)
        told = type_state(member, standing, service_type, now)
        views.append(
            TypeView(
                service_type=service_type,
                state=told.state,
                words=told.words,
                detail=told.detail,
                attempts=len(seen),
                failures=sum(outcome.failed for outcome in seen),
                first_byte_p50_ms=_median_ms(seen),
            )
        )
    return views


def _median_ms(seen: Sequence[CallResult]) -> float:
    """The median time to first byte of those that were answered; 0 without any."""
    took_ms = [outcome.first_byte_ms for outcome in seen if outcome.first_byte_ms]
    return round(median(took_ms), 3) if took_ms else 0.0


def _view_reason(member: Member, words: str) -> str:
    """Say it as before there were words: no more than what keeps calls away."""
    if member.is_out(ALL):
        return f"ejected: {member.ejections[ALL].reason}"
    return words.removeprefix("down: ")


def _ejection_left_s(member: Member, now: Instant) -> float:
    if not member.is_out(ALL):
        return 0.0
    until = member.ejections[ALL].until
    return 0.0 if until is None else max(0.0, (until - now).total_seconds())
