"""The servers and strategies as the log has them, and what file and administrators change of them.

fold            a fold of `evt.balancer`: `Fleet`, its `Member`s
ejection          one server's ejection: how far it is back
configuration   the file → events
administration  commands of administrators → events
"""

from services.balancer.domain.fleet.administration import administration_events
from services.balancer.domain.fleet.configuration import (
    configuration_digest,
    configuration_events,
    configuration_hold,
    own_servers,
)
from services.balancer.domain.fleet.ejection import Ejection, EjectionEvent
from services.balancer.domain.fleet.fold import UNPROBED, Fleet, Member, Silence, evolve

__all__ = [
    "UNPROBED",
    "Ejection",
    "EjectionEvent",
    "Fleet",
    "Member",
    "Silence",
    "administration_events",
    "configuration_digest",
    "configuration_events",
    "configuration_hold",
    "evolve",
    "own_servers",
]
