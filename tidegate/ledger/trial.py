"""The whole log on trial: the pool's subjects by replay, every subject by its chain."""

from collections.abc import Iterable, Iterator

import msgspec

from contracts.base import Event, Part
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent
from contracts.pool import LeaseGranted
from contracts.subjects import EVT_KEYS
from runtime.eventlog import Stored, StreamState
from services.pool.audit import Auditor, Chain, Totals, Violation, ViolationKind
from tidegate.console.logreading import decode_envelope

_POOL = "evt.pool."
_ABOUT = ("lease_id", "session_id", "request_id")
AccountName = tuple[str, str, str]
"""Quota day, session id, service type."""


class AuditFinding(Part, frozen=True, kw_only=True):
    """One violation as it is reported; `event` is its event's id, or its envelope's sequence."""

    kind: str
    event: str
    subject: str
    about: str
    message: str


class Trial:
    """Feed it every envelope of the log in order."""

    def __init__(self) -> None:
        """Nothing is heard yet."""
        self.pools: dict[str, Auditor] = {}
        self.findings: list[AuditFinding] = []
        self.envelopes = 0
        self.events = 0
        self.leases = 0
        self.unknown_events = 0
        self.set_aside: list[tuple[str, str]] = []
        """The first events that DuckDB has no row for, by id, and why."""
        self.set_aside_count = 0
        self.sequence = 0
        """Of the last envelope heard."""
        self.pool_sequence = 0
        """Of the last one of a pool's subject."""
        self._chains: dict[str, Chain] = {}

    def note_start(self, state: StreamState) -> None:
        """Say so when the log does not begin with its first envelope."""
        if state.first_sequence > 1:
            message = (
                f"the log begins at sequence {state.first_sequence}: what stood before is gone,"
                " and its units cannot be counted"
            )
            self.add_finding("log_truncated", str(state.first_sequence), "evt.>", message)

    def hear_envelope(self, stored: Stored) -> None:
        """Take the next message of the log: hold its chain, and fold its events."""
        self.sequence = stored.sequence
        self.envelopes += 1
        envelope = decode_envelope(stored)
        if envelope is None:
            message = "the stored bytes are no envelope"
            self.add_finding("not_an_envelope", str(stored.sequence), stored.subject, message)
            return
        violations = self._feed_chain(stored, envelope)
        if not any(violation.kind is ViolationKind.NUMBER_REPEATED for violation in violations):
            self._count_events(envelope.events)
        self._report_violations(violations, stored.subject, envelope.events)

    def _count_events(self, events: list[AnyEvent | UnknownEvent]) -> None:
        self.events += len(events)
        for event in events:
            self.leases += isinstance(event, LeaseGranted)
            self.unknown_events += isinstance(event, UnknownEvent)

    def _feed_chain(self, stored: Stored, envelope: Envelope) -> list[Violation]:
        subject = stored.subject
        if not subject.startswith(_POOL):
            chain = self._chains.get(subject)
            if chain is None:
                chain = self._chains[subject] = Chain(subject, elected=subject != EVT_KEYS)
            return chain.audit_link(stored.sequence, stored.body, envelope)
        pool = self.pools.get(subject)
        if pool is None:
            pool = self.pools[subject] = Auditor(subject)
        self.pool_sequence = stored.sequence
        return pool.audit_envelope(stored.sequence, stored.body, envelope)

    def finish(self) -> None:
        """Hear the last words: fold and recount must agree at the end."""
        for subject, pool in self.pools.items():
            self._report_violations(pool.finish_audit(), subject, [])

    def unit_totals(self) -> Iterator[tuple[AccountName, Totals]]:
        """Units by quota day, session and service type, of all shards, in order."""
        everything = [item for pool in self.pools.values() for item in pool.unit_totals().items()]
        yield from sorted(everything, key=lambda item: item[0])

    def add_finding(
        self, kind: str, event: str, subject: str, message: str, about: str = ""
    ) -> None:
        """Add what should not be: the `event` that shows it, and what it is `about`, if known."""
        finding = AuditFinding(
            kind=kind, event=event, subject=subject, about=about, message=message
        )
        self.findings.append(finding)

    def _report_violations(
        self,
        violations: Iterable[Violation],
        subject: str,
        events: list[AnyEvent | UnknownEvent],
    ) -> None:
        for violation in violations:
            index = _event_index(violation.about, events)
            event = str(violation.sequence) if index is None else f"{violation.sequence}.{index}"
            self.add_finding(
                str(violation.kind), event, subject, violation.message, violation.about
            )


def _event_index(about: str, events: list[AnyEvent | UnknownEvent]) -> int | None:
    """Find the event a violation is about: of several, the last did what should not be."""
    indices = [index for index, event in enumerate(events) if about and about in _event_ids(event)]
    return indices[-1] if indices else None


def _event_ids(event: Event) -> list[object]:
    return [getattr(event, name, None) for name in _ABOUT]


def units_by_name(totals: Totals) -> dict[str, int]:
    """Name the units of a total as the report has them."""
    return {"used": totals.used, **msgspec.structs.asdict(totals)}
