"""What an operator sees of each server."""

from contracts.balancer import Health, ServerView
from contracts.base import Instant
from services.balancer.domain.fleet import Member
from services.balancer.domain.state import Balancer


def views(balancer: Balancer, now: Instant) -> list[ServerView]:
    """Show every server, in the order of the fleet."""
    return [
        ServerView(
            server=member.server,
            health=member.health,
            healthy=member.healthy,
            reason=_reason(member),
            ejected_s=_ejected_s(member, now),
            connections=standing.in_flight,
            avg_response_ms=round(standing.avg_response_ms(now), 3),
            success_rate=round(standing.success_rate(now), 6),
        )
        for member, standing in balancer.member_standings()
    ]


def _reason(member: Member) -> str:
    if member.ejected_until is not None:
        return f"ejected: {member.ejected_for}"
    return "" if member.health is Health.UP else member.reason


def _ejected_s(member: Member, now: Instant) -> float:
    if member.ejected_until is None:
        return 0.0
    return max(0.0, (member.ejected_until - now).total_seconds())
