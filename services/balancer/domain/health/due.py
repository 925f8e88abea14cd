"""What is to be journalled of the servers' health: whatever differs from the log's last word."""

from contracts.balancer import ServerEjected, ServerHealthChanged
from contracts.base import Instant
from services.balancer.domain.health.ejecting import ejections_due
from services.balancer.domain.health.probing import health_change
from services.balancer.domain.health.returning import ReturnEvent, returns_due
from services.balancer.domain.state import Balancer

HealthEvent = ServerHealthChanged | ServerEjected | ReturnEvent


def health_due(balancer: Balancer, now: Instant) -> list[HealthEvent]:
    """Decide what has changed since the log last said how each server is."""
    due: list[HealthEvent] = []
    for member, standing in balancer.member_standings():
        changed = health_change(member, standing, balancer.bounds.probe_failures)
        if changed is not None:
            due.append(changed)
    return [*due, *ejections_due(balancer, now), *returns_due(balancer, now)]
