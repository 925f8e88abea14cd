"""What an operator sees of each server."""

from datetime import timedelta

from contracts.balancer import ServerView, StrategyFailed, TypeView
from contracts.base import Instant
from services.balancer.domain.fleet import Member
from services.balancer.domain.health.outcomes import ALL, recent_outcomes
from services.balancer.domain.health.words import server_state, type_state
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer

_TOLD_FOR = timedelta(minutes=10)
"""A failure this old is over; while it goes on it is told every minute."""


def server_views(balancer: Balancer, now: Instant) -> list[ServerView]:
    """Show every server, in the order of the fleet."""
    return [_server_view(member, standing, now) for member, standing in balancer.member_standings()]


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
                attempts=len(seen),
                failures=sum(outcome.failed for outcome in seen),
            )
        )
    return views


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
