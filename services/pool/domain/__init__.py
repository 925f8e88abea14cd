"""The pure middle of the pool: every rule about sessions, leases and quota.

Decide functions EVOLVE THE STATE THEMSELVES as they emit. A caller never evolves what it
decided: it calls `state.begin()`, decides a batch with one `now` (which becomes the envelope's
time), appends the events, then calls `state.commit()` or `state.rollback()`. `fold_envelope` is for
envelopes that were read from the log.

decide/         a command and a moment into events and an answer
evolve/         events into state, one by one or an envelope at a time
state           `Pool`: the fold and its undo
leading/        what a leader knows beside the log: refusals, who waits, which ciphertexts go
estimates       when those who wait may have it
index/          which session: choice, ordered sets, deadlines
views           `pool_status`: the fold as operators see it
listing         sessions looked for: filtered, sorted, a bounded number at a time
overview        the pool as a whole, without a look at every session
canonical       `state_hash`
evidence        what calls have shown, to compare with
quota           quota days in their time zones
records         session, account, lease
upkeep          what was asked for, who joined lately, whether growth is held
ended           what is remembered of leases whose end is certain
violations      what can be wrong with a history
"""

from services.pool.domain.canonical import HASH_VERSION, state_hash
from services.pool.domain.decide.admin import decide_admin, decide_policy
from services.pool.domain.decide.bulk import BULK_MAX, BulkChange, decide_bulk
from services.pool.domain.decide.decision import Decision
from services.pool.domain.decide.end import decide_end
from services.pool.domain.decide.granting import grant_as_sent
from services.pool.domain.decide.keeping.checks import session_to_check
from services.pool.domain.decide.keeping.growth import (
    Growth,
    decide_growth,
    free_places,
    growth_of,
    has_session,
)
from services.pool.domain.decide.keeping.shrinking import (
    SWEPT_MAX,
    decide_forget,
    decide_retire_stale,
    long_retired,
    stale_sessions,
)
from services.pool.domain.decide.lease import decide_lease
from services.pool.domain.decide.rotation import RotationDone, RotationWanted, decide_rotation
from services.pool.domain.decide.upkeep import (
    checkpoint_ledger,
    decide_cancel,
    decide_renew,
    decide_undelivered,
    next_wakeup,
    sweep_overdue,
)
from services.pool.domain.decide.waiting.ending import tend_waits
from services.pool.domain.decide.waiting.serving import Served, is_due, serve_waiting
from services.pool.domain.evolve.fold import fold_envelope
from services.pool.domain.leading.shredding import DueShreds
from services.pool.domain.listing import answer_question
from services.pool.domain.state import Pool
from services.pool.domain.views import pool_status
from services.pool.domain.violations import Violation, ViolationKind

__all__ = [
    "BULK_MAX",
    "HASH_VERSION",
    "SWEPT_MAX",
    "BulkChange",
    "Decision",
    "DueShreds",
    "Growth",
    "Pool",
    "RotationDone",
    "RotationWanted",
    "Served",
    "Violation",
    "ViolationKind",
    "answer_question",
    "checkpoint_ledger",
    "decide_admin",
    "decide_bulk",
    "decide_cancel",
    "decide_end",
    "decide_forget",
    "decide_growth",
    "decide_lease",
    "decide_policy",
    "decide_renew",
    "decide_retire_stale",
    "decide_rotation",
    "decide_undelivered",
    "fold_envelope",
    "free_places",
    "grant_as_sent",
    "growth_of",
    "has_session",
    "is_due",
    "long_retired",
    "next_wakeup",
    "pool_status",
    "serve_waiting",
    "session_to_check",
    "stale_sessions",
    "state_hash",
    "sweep_overdue",
    "tend_waits",
]
