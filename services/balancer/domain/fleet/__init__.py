"""The servers and strategies as the log has them, and what file and administrators change of them.

fold            a fold of `evt.balancer`: the `Fleet`
member          one server of it, and what events change of that
ejection          one server's ejection: how far it is back
digests         what names a part of the file
configuration   the file → events
administration  commands of administrators → events
recommendation  weights and an order, by what probes showed
"""

from services.balancer.domain.fleet.administration import administration_events
from services.balancer.domain.fleet.configuration import (
    ConfiguredFleet,
    configuration_digest,
    configuration_events,
    configuration_hold,
    own_servers,
)
from services.balancer.domain.fleet.ejection import Ejection, EjectionEvent
from services.balancer.domain.fleet.fold import GENERAL, Fleet, evolve
from services.balancer.domain.fleet.member import UNPROBED, Member, Silence
from services.balancer.domain.fleet.recommendation import Measured, recommend_weights

__all__ = [
    "GENERAL",
    "UNPROBED",
    "ConfiguredFleet",
    "Ejection",
    "EjectionEvent",
    "Fleet",
    "Measured",
    "Member",
    "Silence",
    "administration_events",
    "configuration_digest",
    "configuration_events",
    "configuration_hold",
    "evolve",
    "own_servers",
    "recommend_weights",
]
