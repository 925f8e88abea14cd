"""Pure rules of the balancer: no IO, no clock; `now` comes in.

fleet          what the log says of the servers: a fold of `evt.balancer`
standing       one server as it stands now: load, turns, recent outcomes
state          both together, and what is open at whom: `Balancer`
inflight       exchanges in flight: from selection to the lease's end or its deadline
inheritance    exchanges that were selected before this leader led, as the gateways count them
selection      which server for a lease, and why
health         probes and passive outcomes, ejection and readmission → events
pacing         calls kept apart after risk control
observation    what the pool's log tells: ends, renewals, outcomes, blame
configuration  the file and administrators → events
views          what an operator sees
"""

from services.balancer.domain.configuration import administered, configured, digest, held, owned
from services.balancer.domain.fleet import Fleet, Member, evolve
from services.balancer.domain.health import ejections, health_due, probed
from services.balancer.domain.inflight import swept
from services.balancer.domain.inheritance import reported
from services.balancer.domain.observation import observed
from services.balancer.domain.selection import select
from services.balancer.domain.state import Balancer
from services.balancer.domain.views import views

__all__ = [
    "Balancer",
    "Fleet",
    "Member",
    "administered",
    "configured",
    "digest",
    "ejections",
    "evolve",
    "health_due",
    "held",
    "observed",
    "owned",
    "probed",
    "reported",
    "select",
    "swept",
    "views",
]
