"""How long servers take to the first byte.

samples     of each server and service type, for strategies that rank by it
firstbytes  of the whole fleet: what is long for such a call
"""

from services.balancer.domain.latency.firstbytes import FirstBytes
from services.balancer.domain.latency.samples import (
    FleetLatency,
    LatencySample,
    ServerLatency,
    bounded_entry,
    fleet_median_ms,
    note_attempt,
)

__all__ = [
    "FirstBytes",
    "FleetLatency",
    "LatencySample",
    "ServerLatency",
    "bounded_entry",
    "fleet_median_ms",
    "note_attempt",
]
