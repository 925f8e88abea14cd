"""The pure middle of the pool: every rule about sessions, leases and quota.

Decide functions EVOLVE THE STATE THEMSELVES as they emit. A caller never evolves what it
decided: it calls `state.begin()`, decides a batch with one `now` (which becomes the envelope's
time), appends the events, then calls `state.commit()` or `state.rollback()`. `fold` is for
envelopes that were read from the log.

lease           `decide_lease`: grant, refuse, or hold at a change of the quota day
refusals        why none, for how long, and the budget of refusals in the log
end             `decide_end`: usages, and whom a verdict blames
upkeep          `decide_renew`, `decide_cancel`, `sweep`, `next_wakeup`, `wanted_sessions`,
                `checkpoint`
admin           `decide_admin`, `decide_policy`
views           `status`: the fold as operators see it
decision        `Decision`, and `emit`, through which every decision becomes state
evolve          events into state (`evolve_leases`, `evolve_ends`, `evolve_sessions`)
canonical       `state_hash`
state           `Pool`: the fold and its undo journal
choice          which session: the index (`shelves`: ordered sets, `deadlines`: heaps)
quota           quota days in their time zones
records         session, lease, account
violations      what can be wrong with a history
"""

from services.pool.domain.admin import decide_admin, decide_policy
from services.pool.domain.canonical import HASH_VERSION, state_hash
from services.pool.domain.decision import Decision
from services.pool.domain.end import decide_end
from services.pool.domain.evolve import evolve, fold
from services.pool.domain.lease import decide_lease
from services.pool.domain.state import Pool
from services.pool.domain.upkeep import (
    checkpoint,
    decide_cancel,
    decide_renew,
    next_wakeup,
    sweep,
    wanted_sessions,
)
from services.pool.domain.views import status
from services.pool.domain.violations import Violation, Wrong

__all__ = [
    "HASH_VERSION",
    "Decision",
    "Pool",
    "Violation",
    "Wrong",
    "checkpoint",
    "decide_admin",
    "decide_cancel",
    "decide_end",
    "decide_lease",
    "decide_policy",
    "decide_renew",
    "evolve",
    "fold",
    "next_wakeup",
    "state_hash",
    "status",
    "sweep",
    "wanted_sessions",
]
