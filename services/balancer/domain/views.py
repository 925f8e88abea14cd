"""What an operator sees of each server."""

from contracts.balancer import Health, ServerView
from contracts.base import Instant
from services.balancer.domain.fleet import Member
from services.balancer.domain.pacing import rest_s
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer


def server_views(balancer: Balancer, now: Instant) -> list[ServerView]:
    """Show every server, in the order of the fleet."""
    return [
        ServerView(
            server=member.server,
            health=member.health,
            healthy=member.is_healthy,
            reason=_view_reason(member, standing, now),
            ejected_s=_ejection_left_s(member, now),
            connections=standing.in_flight,
            avg_response_ms=round(standing.avg_response_ms(now), 3),
            success_rate=round(standing.success_rate(now), 6),
            state="draining" if member.draining else "",
        )
        for member, standing in balancer.member_standings()
    ]


def _view_reason(member: Member, standing: ServerStanding, now: Instant) -> str:
    if member.ejected_until is not None:
        return f"ejected: {member.ejected_for}"
    if member.health is not Health.UP:
        return member.reason
    # Not down and not ejected, yet some of its calls wait: an operator would look for the cause.
    resting = {name: rest_s(standing, name, now) for name in standing.paces}
    return "; ".join(
        f"rests {left_s:.0f} s after risk control ({name})"
        for name, left_s in resting.items()
        if left_s
    )


def _ejection_left_s(member: Member, now: Instant) -> float:
    if member.ejected_until is None:
        return 0.0
    return max(0.0, (member.ejected_until - now).total_seconds())
