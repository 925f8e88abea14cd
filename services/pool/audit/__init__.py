"""Events into violations: the log on trial, by the fold and by a count of its own.

auditor     `Auditor`: envelope by envelope, everything together
chain       `Chain`: numbers, hashes, times, epochs of one subject
recount     units counted again, by other means than the fold's
version2    the ledger as the hash before this one had it, for old checkpoints

Pure: who reads the log, and what it is compared with, is the caller's business. The chain of
another subject than the pool's is audited by a `Chain` alone.
"""

from services.pool.audit.auditor import Auditor
from services.pool.audit.chain import Chain
from services.pool.audit.recount import Totals
from services.pool.domain.violations import Violation, ViolationKind

__all__ = ["Auditor", "Chain", "Totals", "Violation", "ViolationKind"]
