"""A shard's whole subject on trial, envelope by envelope."""

from datetime import datetime, timedelta
from heapq import heappop, heappush

from contracts.base import LeaderElected, LeaseId
from contracts.envelope import Envelope
from contracts.pool import LeaseExpired, LeaseGranted, LeaseRenewed, PoolCheckpointed
from services.pool.audit.chain import Chain
from services.pool.audit.recount import OwnedUnits, Recount, Totals, UnitKey
from services.pool.audit.version2 import VERSION_2, SecondVersion
from services.pool.domain.canonical import HASH_VERSION, state_hash
from services.pool.domain.decide.upkeep import SWEPT_MAX
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.records import OPEN
from services.pool.domain.state import Pool
from services.pool.domain.violations import Violation, ViolationKind

SWEEP = timedelta(seconds=10)
"""How long of log time a leader may take to expire a lease, once its own log shows it is due.

A new leader's time begins with its election: it answers for nobody before it, and may be gone
before its first commit. A sweep that took as many as one may take begins it anew for the rest.
"""


class Auditor:
    """Feed it the envelopes of one pool subject from number 1, then `finish_audit`."""

    def __init__(self, subject: str) -> None:
        """`subject` names the chain in violations."""
        self.pool = Pool()
        self.violations: list[Violation] = []
        self.envelopes = 0
        self.events = 0
        self.checkpoints = 0
        """Hashes of the ledger that were compared; those of another form's version are not."""
        self._chain = Chain(subject)
        self._recount = Recount()
        self._second = SecondVersion(self.pool)
        self._deadlines: list[tuple[datetime, LeaseId]] = []
        self._overdue: dict[LeaseId, datetime] = {}
        """Leases past a deadline they had, and since when the leader could have ended them."""

    def audit_envelope(self, sequence: int, stored: bytes, envelope: Envelope) -> list[Violation]:
        """Take the next envelope, stored as `stored`, and return what is wrong with it.

        A stray is named and, as by everybody, not folded.
        """
        if stray := self._chain.stray_violation(sequence, envelope):
            self.pool.sequence = sequence
            self.violations.append(stray)
            return [stray]
        violations = self._chain.audit_link(sequence, stored, envelope)
        for event in envelope.events:
            self._second.drop_due(envelope.time)
            if isinstance(event, PoolCheckpointed):
                self.pool.drop_due(envelope.time)
                violations += self._hash_violations(event, sequence)
            evolve(self.pool, event, envelope.time, sequence)
            self._second.follow_event(event, envelope.time)
            # Fold and recount see the same things, though not always by the same name (a lease
            # has left the one and not the other); each is told once, and either may convict.
            seen = {violation.about for violation in self.pool.violations}
            violations += self.pool.violations
            self.pool.violations.clear()
            violations += [
                violation
                for violation in self._recount.count_event(event, envelope.time, sequence)
                if violation.about not in seen
            ]
            if isinstance(event, LeaseGranted | LeaseRenewed):
                heappush(self._deadlines, (event.expires_at, event.lease_id))
        self.pool.sequence = sequence
        self.pool.commit()
        violations += self._overdue_violations(envelope, sequence)
        self.envelopes += 1
        self.events += len(envelope.events)
        self.violations += violations
        return violations

    def finish_audit(self) -> list[Violation]:
        """Compare the two ways of counting, and return where they differ."""
        differences = [
            Violation(ViolationKind.RECOUNT_DIFFERS, owned.owner.name, message, self.pool.sequence)
            for owned in self._recount.owned_units()
            if (message := self._count_difference(owned))
        ]
        self.violations += differences
        return differences

    def unit_totals(self) -> dict[UnitKey, Totals]:
        """Units by (quota day, session, service type): for DuckDB and the demo's ledger."""
        return self._recount.totals

    def _hash_violations(self, event: PoolCheckpointed, sequence: int) -> list[Violation]:
        if event.hash_version == HASH_VERSION:
            actual = state_hash(self.pool)
        elif event.hash_version == VERSION_2 and self._second.is_comparable:
            actual = self._second.state_hash()
        else:
            return []
        self.checkpoints += 1
        if actual == event.state_hash:
            return []
        message = f"the log folds to {actual}, its leader had {event.state_hash}"
        return [Violation(ViolationKind.STATE_HASH_DIFFERS, "", message, sequence)]

    def _overdue_violations(self, envelope: Envelope, sequence: int) -> list[Violation]:
        """Name the open leases whose deadline, and the sweep after it, their leader has passed."""
        at = envelope.time
        if self._overdue and _restarts_sweep(envelope):
            self._overdue = dict.fromkeys(self._overdue, at)
        while self._deadlines and self._deadlines[0][0] <= at:
            _, lease_id = heappop(self._deadlines)
            self._overdue.setdefault(lease_id, at)
        violations = []
        for lease_id, since in list(self._overdue.items()):
            lease = self.pool.opened.get(lease_id)
            if lease is None or lease.expires_at > at:
                del self._overdue[lease_id]
            elif at - since >= SWEEP:
                del self._overdue[lease_id]
                message = f"{OPEN} at {at}, though its deadline was {lease.expires_at}"
                violations.append(Violation(ViolationKind.NEVER_ENDED, lease_id, message, sequence))
        return violations

    def _count_difference(self, owned: OwnedUnits) -> str | None:
        """Say how fold and recount differ; days that have left the fold are not compared."""
        day, service_type = owned.quota_day, owned.service_type
        account = self.pool.sessions[owned.owner.members[0]].account
        tally = account.days.get(day, {}).get(service_type)
        if tally is None or (tally.used, tally.reserved) == (owned.used, owned.reserved):
            return None
        return (
            f"{service_type} on {day}: the fold has {tally.used} used and {tally.reserved} "
            f"reserved, the recount {owned.used} and {owned.reserved}"
        )


def _restarts_sweep(envelope: Envelope) -> bool:
    """Whether the time to end what is overdue begins here: a new leader, or a sweep under way."""
    kinds = [type(event) for event in envelope.events]
    return LeaderElected in kinds or kinds.count(LeaseExpired) >= SWEPT_MAX
