"""The fold of one shard, and the undo by which a batch of decisions can be taken back.

**The ledger.** Everything down to `unknown` is a function of the events alone and makes up the
ledger, of which `canonical_json` hashes what counts; what follows belongs to the process that
leads and can be lost without harm. A lease is open until its one end. If that is certain, no more
is kept of it than a repetition needs (`ended`); if it is not, the lease stays whole until 8 days
later (`departures`). `opened` and `uncertain` are there so that nobody has to look through all of
them. A session has the status that somebody gave it, or is suspect by what servers say; cooling
stands beside that, as a moment that passes by itself.

**The undo.** A leader's state runs ahead of the log: what is decided for one command the next one
must see, and all of it is appended at once. So the state is either settled or under way:

    settled    begin      under way
    under way  commit     settled: the append was acknowledged, or there was nothing to append
    under way  rollback   settled, as it was: another leader's fence, no log, a fault of ours

Whatever changes while it is under way registers the call that takes it back; these run in reverse.
An envelope that was read from the log is a batch that always stands.

**What is ugly.** State changes in place, so that every change is written twice: as it is done and
as it is undone, in the records and on the shelves of the index. One that was forgotten shows only
after an append that failed; what finds it is `test_state`, which takes back every event that moves
the ledger, and `test_domain_properties`, which does so with whatever hypothesis thinks of. Grants
and ends have an undo of their own, because every request passes through them; all else goes field
by field. An undo holds the index that was there when it was registered, though that may be dropped
by then: it is put right for nobody. An entry that comes back to a map is its last one, so that the
oldest refusal of all may be taken for the newest. And time is not taken back (`at`,
`event_sequence`, the index's `now`): nothing reads it before it is set anew.
"""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVarTuple

import msgspec

from contracts.base import (
    AccountId,
    LeaseId,
    QuotaDay,
    ServerId,
    ServiceType,
    SessionId,
    WriterId,
)
from contracts.pool import KeyRotation, Policy, Refused, SessionStatus
from services.pool.domain.ended import KEPT, EndedLeases
from services.pool.domain.evidence import Evidence
from services.pool.domain.index.choice import Index
from services.pool.domain.leading.line import WaitingLine
from services.pool.domain.leading.memory import RefusalMemory
from services.pool.domain.quota import oldest_kept
from services.pool.domain.records import (
    Account,
    Accusation,
    Lease,
    QueuedLease,
    Session,
    Tally,
)
from services.pool.domain.upkeep import Upkeep
from services.pool.domain.violations import Violation, ViolationKind

_REFUSALS_KEPT = 20_000
"""Refusals, and reports of them, that are known again: as many commands as may wait
(`committer.ITEMS_MAX`)."""


Undone = TypeVarTuple("Undone")


class Departure(msgspec.Struct, frozen=True):
    """A lease of uncertain end that leaves the fold at `due_at` of the log's time."""

    due_at: datetime
    lease_id: LeaseId


class Pool:
    """Sessions, leases and quota as the log has them.

    `begin`, then decide as much as one envelope holds, then `commit` when it was appended or
    `rollback` when it was not. Decisions evolve the state themselves.
    """

    def __init__(self) -> None:
        """Make an empty pool: no policy, so no service type is known."""
        self.policy = Policy(daily_limits={})
        self.policy_source: str | None = None
        self.sessions: dict[SessionId, Session] = {}
        self.accounts: dict[AccountId, Account] = {}
        """Those that have a name."""
        self.members: dict[AccountId, tuple[SessionId, ...]] = {}
        """The sessions of each of them."""
        self.session_ids: list[SessionId] = []
        """Of all of them, as they were added: each has its place for good."""
        self.labels: dict[SessionId, str] = {}
        """What operators call sessions, where they call them anything."""
        self.leases: dict[LeaseId, Lease] = {}
        """The leases that are open, or whose end is or was uncertain."""
        self.opened: dict[LeaseId, Lease] = {}
        """The leases without an end."""
        self.uncertain: dict[LeaseId, Lease] = {}
        """Unknown and expired leases that nobody has settled yet."""
        self.queued: dict[LeaseId, QueuedLease] = {}
        """Waited for, as far as that was journalled."""
        self.ended = EndedLeases(self.on_rollback)
        """What is left of all other leases, of ids never to be granted, and of penalties."""
        self.accusations: dict[ServerId, tuple[Accusation, ...]] = {}
        """Recent suspicions by the server that voiced them, cleared by its next success."""
        self.evidence, self.upkeep = Evidence(), Upkeep()
        self.departures: deque[Departure] = deque()
        """When which of the leases with an end leaves the fold, in order."""
        self.standing = dict.fromkeys(SessionStatus, 0)
        self.epoch, self.leader = 0, WriterId("")
        self.used_at: dict[SessionId, datetime] = {}
        """When each session was last leased for a call that was sent, or may have been."""
        self.rotation: KeyRotation | None = None
        """The last rotation of the master key that began."""
        self.violations: list[Violation] = []
        self.unknown: dict[str, int] = {}
        """Events skipped, by tag: of a later version, or of another service."""

        self.at = datetime.min.replace(tzinfo=UTC)
        """Time of the envelope that the event being folded stands in."""
        self.event_sequence = 0
        """Its stream sequence."""
        self.sequence = 0
        """Stream sequence of the last envelope folded."""
        self.growing = False
        """A provisioner is about to add sessions; see `note_supply`."""
        self.provisioner_empty = False
        """The provisioner makes none, or had none when asked last."""
        self.index: Index | None = None
        self.refusals = RefusalMemory()
        self.line = WaitingLine()
        self._undo: list[tuple[Callable[..., object], *tuple[Any, ...]]] = []

    # ---------------------------------------------------------------- the undo journal

    def begin(self) -> None:
        """Let what follows be taken back. What came before has stood or been taken back by now."""
        assert not self._undo, "decisions were left that are neither in the log nor taken back"

    def commit(self) -> None:
        """Let what was decided since `begin` stand."""
        self._undo.clear()

    def rollback(self) -> None:
        """Take back everything since `begin`, the latest first."""
        undo = self._undo
        while undo:
            call, *arguments = undo.pop()
            call(*arguments)

    def on_rollback(self, *call: *tuple[Callable[[*Undone], object], *Undone]) -> None:
        """Have a call made, given with its arguments, should the batch be taken back.

        The calls run in reverse: what must run last is registered first.
        """
        self._undo.append(call)

    def set_field(self, record: object, name: str, value: object) -> None:
        """Set a field, undoably."""
        self.on_rollback(setattr, record, name, getattr(record, name))
        setattr(record, name, value)

    def put_entry(self, mapping: dict[Any, Any], key: object, value: object) -> None:
        """Set an entry, undoably."""
        if key in mapping:
            self.on_rollback(mapping.__setitem__, key, mapping[key])
        else:
            self.on_rollback(mapping.__delitem__, key)
        mapping[key] = value

    def drop_entry(self, mapping: dict[Any, Any], key: object) -> None:
        """Remove an entry if it is there, undoably."""
        if key in mapping:
            self.on_rollback(mapping.__setitem__, key, mapping.pop(key))

    def remember_refused(self, lease_id: LeaseId, refused: Refused) -> None:
        """Know what was told, should it be asked again."""
        self._put_newest(self.refusals.refused, lease_id, refused)

    def remember_report(self, name: str) -> None:
        """Know a gateway's count of its own refusals, should it be sent again."""
        self._put_newest(self.refusals.reports, name, None)

    def _put_newest(self, mapping: dict[Any, Any], key: str, value: object) -> None:
        """Set an entry, undoably; the oldest is forgotten for it."""
        if len(mapping) >= _REFUSALS_KEPT:
            # A map keeps its order: the first is the oldest.
            self.drop_entry(mapping, next(iter(mapping)))
        self.put_entry(mapping, key, value)

    def note_supply(self, *, growing: bool | None = None, empty: bool | None = None) -> None:
        """Know what the provisioner is at, as far as it is said: no event tells it.

        `growing`: it is about to add sessions. `empty`: it makes none, or had none.
        """
        if growing is not None:
            self.growing = growing
        if empty is not None:
            self.provisioner_empty = empty

    def begin_line(self) -> None:
        """Begin a term: nobody waits, as far as this leader knows."""
        self.line = WaitingLine()

    # --------------------------------------------------------------------- questions

    @property
    def size(self) -> int:
        """Sessions that have not been retired."""
        return len(self.sessions) - self.standing[SessionStatus.RETIRED]

    @property
    def all_barred(self) -> bool:
        """Whether every session that has not retired is suspect or disabled, and there is one."""
        standing = self.standing
        if standing[SessionStatus.ACTIVE] or standing[SessionStatus.DRAINING]:
            return False
        return standing[SessionStatus.SUSPECT] + standing[SessionStatus.DISABLED] > 0

    @property
    def places(self) -> int:
        """Places held: by every session that is neither retired nor disabled."""
        return self.size - self.standing[SessionStatus.DISABLED]

    def index_at(self, now: datetime) -> Index:
        """Bring the index to `now`, building it when there is none."""
        index = self.index
        # An index only moves forwards. So does the log's time; but the moment of a decision that
        # was not appended may lie ahead of a clock that was set back.
        if index is None or now < index.now:
            index = self.index = Index(self.sessions, self.opened, self.policy, now)
            if self._undo:
                # It was built from what may yet be taken back, of which it could not be told.
                self.on_rollback(setattr, self, "index", None)
        else:
            index.advance_to(now)
        return index

    # ------------------------------------------------------------ changes while folding

    def open_tally(self, account: Account, day: QuotaDay, service_type: ServiceType) -> Tally:
        """Find the tally, opening it, and letting the oldest days go, when it is the first."""
        tallies = account.days.get(day)
        if tallies is None:
            tallies = {}
            self.on_rollback(setattr, account, "days", account.days)
            # The days kept go into a map of their own: the old one is what a rollback puts back.
            oldest = oldest_kept(day) if account.days else day
            account.days = {kept: counts for kept, counts in account.days.items() if kept >= oldest}
            account.days[day] = tallies
        tally = tallies.get(service_type)
        if tally is None:
            tally = Tally()
            self.put_entry(tallies, service_type, tally)
        return tally

    def drop_later(self, lease_id: LeaseId) -> None:
        """Let a lease of uncertain end leave the fold in 8 days."""
        try:
            due = self.at + KEPT
        except OverflowError:
            # A log may be written at the end of the calendar: what is due later never leaves.
            return
        self.departures.append(Departure(due, lease_id))
        self.on_rollback(self.departures.pop)

    def drop_due(self, at: datetime) -> None:
        """Let go of what is due to leave by `at`.

        Every decision does so first: it must not lean on what its own events will let go.
        """
        while self.departures and self.departures[0].due_at <= at:
            departure = self.departures.popleft()
            self.on_rollback(self.departures.appendleft, departure)
            # Nobody has settled it in 8 days: its units stay used for good. If somebody has, it is
            # among those that have ended.
            self.drop_entry(self.leases, departure.lease_id)
            self.drop_entry(self.uncertain, departure.lease_id)
        if self.ended.due_at <= at:
            self.ended.drop_due(at)

    def place_session(self, session: Session) -> None:
        """Put a changed session where it belongs now."""
        if self.index is not None:
            self.index.place_session(session)

    def note_violation(self, kind: ViolationKind, about: str, message: str) -> None:
        """Note something that should never be."""
        self.violations.append(Violation(kind, about, message, self.event_sequence))
        self.on_rollback(self.violations.pop)
