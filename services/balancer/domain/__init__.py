"""Pure rules of the balancer: no IO, no clock; `now` comes in.

fleet          what the log says of the servers, and what file and administrators change of it
standing       one server as it stands now: load, turns, recent outcomes
state          both together, and what is open at whom: `Balancer`
inflight       exchanges in flight: from selection to the lease's end or its deadline
inheritance    exchanges that were selected before this leader led, as the gateways count them
selection      which server for a lease, and why
bounds         what an operator may turn of health
health         probes, outcomes, silence; ejection and return → events
latency        how long servers take to the first byte
rules          rules that switch strategies → events
pacing         calls kept apart after risk control
observation    what the pool's log tells: ends, renewals, outcomes, blame
memory         what the next leader is handed of that
views          what an operator sees
"""

from services.balancer.domain.bounds import HealthBounds
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
from services.balancer.domain.health import (
    awaited_probes,
    health_due,
    silence_events,
    take_probe,
)
from services.balancer.domain.inflight import release_overdue
from services.balancer.domain.inheritance import hear_answers, hear_gateway, take_report
from services.balancer.domain.memory import lighten_memory, memory_of, recall
from services.balancer.domain.observation import observe_envelope
from services.balancer.domain.rules import parse_condition, switch_events
from services.balancer.domain.selection import (
    NOBODY_PICKED,
    eligible_servers,
    options_for,
    select_server,
    servers_of_level,
)
from services.balancer.domain.state import Balancer
from services.balancer.domain.views import server_views, state_troubles, strategy_trouble

__all__ = [
    "NOBODY_PICKED",
    "Balancer",
    "ConfiguredFleet",
    "Fleet",
    "HealthBounds",
    "Measured",
    "Member",
    "administration_events",
    "awaited_probes",
    "configuration_digest",
    "configuration_events",
    "configuration_hold",
    "eligible_servers",
    "evolve",
    "health_due",
    "hear_answers",
    "hear_gateway",
    "lighten_memory",
    "memory_of",
    "observe_envelope",
    "options_for",
    "own_servers",
    "parse_condition",
    "recall",
    "recommend_weights",
    "release_overdue",
    "select_server",
    "server_views",
    "servers_of_level",
    "silence_events",
    "state_troubles",
    "strategy_trouble",
    "switch_events",
    "take_probe",
    "take_report",
]
