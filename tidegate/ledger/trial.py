"""The whole log on trial: the pool's subjects by replay, every subject by its chain."""

from collections.abc import Iterable, Iterator

import msgspec

from contracts.base import Event, Part
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent
from contracts.pool import LeaseGranted
from contracts.subjects import EVT_KEYS
from runtime.eventlog import Stored, StreamState
from services.pool.audit import Auditor, Chain, Totals, Violation, Wrong
from tidegate.console.logreading import opened

_POOL = "evt.pool."
_ABOUT = ("lease_id", "session_id", "request_id")
Key = tuple[str, str, str]
"""Quota day, session id, service type."""


class Finding(Part, frozen=True, kw_only=True):
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
        self.findings: list[Finding] = []
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

    def began(self, state: StreamState) -> None:
        """Say so when the log does not begin with its first envelope."""
        if state.first_sequence > 1:
            message = (
                f"the log begins at sequence {state.first_sequence}: what stood before is gone,"
                " and its units cannot be counted"
            )
            self.add("log_truncated", str(state.first_sequence), "evt.>", message)

    def hear(self, stored: Stored) -> None:
        """Take the next envelope."""
        self.sequence = stored.sequence
        self.envelopes += 1
        envelope = opened(stored)
        if envelope is None:
            message = "the stored bytes are no envelope"
            self.add("not_an_envelope", str(stored.sequence), stored.subject, message)
            return
        found = self._heard(stored, envelope)
        if not any(one.kind is Wrong.NUMBER_REPEATED for one in found):
            self._count(envelope.events)
        self._report(found, stored.subject, envelope.events)

    def _count(self, events: list[AnyEvent | UnknownEvent]) -> None:
        self.events += len(events)
        for event in events:
            self.leases += isinstance(event, LeaseGranted)
            self.unknown_events += isinstance(event, UnknownEvent)

    def _heard(self, stored: Stored, envelope: Envelope) -> list[Violation]:
        subject = stored.subject
        if not subject.startswith(_POOL):
            chain = self._chains.get(subject)
            if chain is None:
                chain = self._chains[subject] = Chain(subject, led=subject != EVT_KEYS)
            return chain.audit_link(stored.sequence, stored.body, envelope)
        pool = self.pools.get(subject)
        if pool is None:
            pool = self.pools[subject] = Auditor(subject)
        self.pool_sequence = stored.sequence
        return pool.audit_envelope(stored.sequence, stored.body, envelope)

    def finish(self) -> None:
        """Hear the last words: fold and recount must agree at the end."""
        for subject, pool in self.pools.items():
            self._report(pool.finish_audit(), subject, [])

    def totals(self) -> Iterator[tuple[Key, Totals]]:
        """Units by quota day, session and service type, of all shards, in order."""
        everything = [item for pool in self.pools.values() for item in pool.unit_totals().items()]
        yield from sorted(everything, key=lambda item: item[0])

    def add(self, kind: str, event: str, subject: str, message: str, about: str = "") -> None:
        """Add a finding."""
        found = Finding(kind=kind, event=event, subject=subject, about=about, message=message)
        self.findings.append(found)

    def _report(
        self,
        violations: Iterable[Violation],
        subject: str,
        events: list[AnyEvent | UnknownEvent],
    ) -> None:
        for one in violations:
            index = _index(one.about, events)
            event = str(one.sequence) if index is None else f"{one.sequence}.{index}"
            self.add(str(one.kind), event, subject, one.message, one.about)


def _index(about: str, events: list[AnyEvent | UnknownEvent]) -> int | None:
    """Find the event a violation is about: of several, the last did what should not be."""
    found = [index for index, event in enumerate(events) if about and about in _ids(event)]
    return found[-1] if found else None


def _ids(event: Event) -> list[object]:
    return [getattr(event, name, None) for name in _ABOUT]


def units(totals: Totals) -> dict[str, int]:
    """Name the units of a total as the report has them."""
    return {"used": totals.used, **msgspec.structs.asdict(totals)}
