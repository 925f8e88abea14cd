"""The pure middle of the pool: every rule about sessions, leases and quota.

Decide functions EVOLVE THE STATE THEMSELVES as they emit. A caller never evolves what it
decided: it calls `state.begin()`, decides a batch with one `now` (which becomes the envelope's
time), appends the events, then calls `state.commit()` or `state.rollback()`. `fold_envelope` is for
envelopes that were read from the log.

decide/         a command and a moment into events and an answer
evolve/         events into state, one by one or an envelope at a time
state           `Pool`: the fold and its undo
index/          which session: choice, ordered sets, deadlines
views           `pool_status`: the fold as operators see it
canonical       `state_hash`
quota           quota days in their time zones
records         session, lease, account
ended           what is remembered of leases whose end is certain
violations      what can be wrong with a history
"""

from services.pool.domain.canonical import HASH_VERSION, state_hash
from services.pool.domain.decide.admin import decide_admin, decide_policy
from services.pool.domain.decide.decision import Decision
from services.pool.domain.decide.end import decide_end
from services.pool.domain.decide.lease import decide_lease, grant_as_sent
from services.pool.domain.decide.upkeep import (
    checkpoint_ledger,
    decide_cancel,
    decide_renew,
    next_wakeup,
    sweep_overdue,
    wanted_sessions,
)
from services.pool.domain.evolve.fold import fold_envelope
from services.pool.domain.state import Pool
from services.pool.domain.views import pool_status
from services.pool.domain.violations import Violation, ViolationKind

__all__ = [
    "HASH_VERSION",
    "Decision",
    "Pool",
    "Violation",
    "ViolationKind",
    "checkpoint_ledger",
    "decide_admin",
    "decide_cancel",
    "decide_end",
    "decide_lease",
    "decide_policy",
    "decide_renew",
    "fold_envelope",
    "grant_as_sent",
    "next_wakeup",
    "pool_status",
    "state_hash",
    "sweep_overdue",
    "wanted_sessions",
]
