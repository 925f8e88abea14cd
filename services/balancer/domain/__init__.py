"""Pure rules of the balancer: no IO, no clock; `now` comes in.

fleet          what the log says of the servers, and what file and administrators change of it
standing       one server as it stands now: load, turns, recent outcomes
state          both together, and what is open at whom: `Balancer`
inflight       exchanges in flight: from selection to the lease's end or its deadline
inheritance    exchanges that were selected before this leader led, as the gateways count them
selection      which server for a lease, and why
health         probes and passive outcomes, ejection and readmission → events
rules          rules that switch strategies → events
pacing         calls kept apart after risk control
observation    what the pool's log tells: ends, renewals, outcomes, blame
views          what an operator sees
"""

from services.balancer.domain.fleet import (
    ConfiguredFleet,
    Fleet,
    Measured,
    Member,
    administration_events,
    configuration_digest,
    configuration_events,
    configuration_hold,
    evolve,
    own_servers,
    recommend_weights,
)
from services.balancer.domain.health import ejection_events, health_due, take_probe
from services.balancer.domain.inflight import release_overdue
from services.balancer.domain.inheritance import take_report
from services.balancer.domain.observation import observe_envelope
from services.balancer.domain.rules import parse_condition, switch_events
from services.balancer.domain.selection import select_server
from services.balancer.domain.state import Balancer
from services.balancer.domain.views import server_views

__all__ = [
    "Balancer",
    "ConfiguredFleet",
    "Fleet",
    "Measured",
    "Member",
    "administration_events",
    "configuration_digest",
    "configuration_events",
    "configuration_hold",
    "ejection_events",
    "evolve",
    "health_due",
    "observe_envelope",
    "own_servers",
    "parse_condition",
    "recommend_weights",
    "release_overdue",
    "select_server",
    "server_views",
    "switch_events",
    "take_probe",
    "take_report",
]
