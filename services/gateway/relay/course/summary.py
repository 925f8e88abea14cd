"""What headers and the log line say of a request, wherever its course stands."""

from collections.abc import Mapping

from contracts.balancer import Selected
from contracts.base import ServiceType
from contracts.pool import Outcome, Verdict
from services.gateway.domain.summary import Summary
from services.gateway.relay.course.stages import Stage


def summary_of(stage: Stage) -> Summary:
    """Say what is known at this stage."""
    trail = stage.trail
    selected: Selected | None = getattr(stage, "selected", None)
    return Summary(
        service_type=stage.call.service_type,
        session_id=trail.lease.session_id if trail.lease else None,
        session_label=trail.lease.label if trail.lease else "",
        remaining=_remaining(stage),
        server_id=selected.server_id if selected else trail.server_id,
        server_region=selected.region if selected else trail.server_region,
        attempts_made=trail.attempts_made,
        lease_ms=trail.lease_ms,
        first_byte_ms=getattr(stage, "first_byte_ms", trail.first_byte_ms),
        traced=trail.traced,
        queue_position=trail.waiting.position if trail.waiting else None,
        queue_eta_s=trail.waiting.eta_s if trail.waiting else None,
    )


def _remaining(stage: Stage) -> Mapping[ServiceType, int] | None:
    """Say what the session has left: as granted, and as the lease's end changed it.

    None also when the backend calls the quota used up after another session was penalised for this
    request: the pool then closes no second one.
    """
    trail = stage.trail
    lease, ended = trail.lease, trail.ended
    if lease is None:
        return None
    if hasattr(stage, "held"):
        return lease.remaining
    if ended is not None and ended.outcome is not Outcome.RELEASED:
        return lease.remaining
    service = stage.call.service_type
    left = lease.remaining.get(service, 0) + lease.units
    if ended is not None and ended.verdict is Verdict.QUOTA_EXHAUSTED:
        if len(trail.avoid_sessions) > 1:
            return None
        left = 0
    return {**lease.remaining, service: left}
