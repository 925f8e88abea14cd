"""Envelopes in, batches of columns out: the one place that knows which event goes where."""

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from contracts import balancer, base, pool
from contracts.envelope import Envelope
from contracts.events import UnknownEvent, event_tags
from services.analytics.domain.access import Config, Keys
from services.analytics.domain.fleet import Servers
from services.analytics.domain.leases import Leases
from services.analytics.domain.moments import Place, Routes, instant, micros, zone
from services.analytics.domain.refusals import Refusals
from services.analytics.domain.rows import (
    AnomalyRow,
    ConfigRow,
    KeyRow,
    LeaseRow,
    Row,
    ServerRow,
    SessionRow,
    UnknownTagRow,
)
from services.analytics.domain.sessions import Sessions
from services.analytics.domain.states import Journal
from services.analytics.domain.tables import TABLES, Columns, columns

UNREADABLE = "(unreadable envelope)"
STRAY = "(stray envelope)"
SET_ASIDE = "set_aside"
"""The kind of an anomaly that no row holds."""
ENVELOPE = -1
"""The position of an anomaly that is a whole envelope."""
PASSED_OVER = ""
"""Why an event is left out of a fold that only tries the others."""
_TAGS = {kind: tag for tag, kind in event_tags().items()}


_NOTHING: Mapping[int, str] = {}


class Remembered(msgspec.Struct, kw_only=True):
    """What the store gives back to a new fold."""

    open_leases: list[LeaseRow] = []
    doubtful: list[LeaseRow] = []
    sessions: list[SessionRow] = []
    servers: list[ServerRow] = []
    keys: list[KeyRow] = []
    config: list[ConfigRow] = []
    numbers: dict[str, int] = {}
    """The number of each subject's last envelope; a subject without one may have any."""
    told: list[tuple[str, int]] = []
    """Refusals of the last `TOLD_KEPT_S`, by name, with their moments, in order."""


class Batch(msgspec.Struct, kw_only=True):
    """What one transaction writes, and how far the log is read with it."""

    sequence: int
    envelopes: int
    events: int
    tables: dict[str, Columns]
    """Rows by table; empty tables are left out."""
    gone: dict[str, list[str]]
    """Keys of rows to delete before: they are replaced, or are no more."""
    numbers: dict[str, int]
    """The number of each subject's last envelope, of those that have a new one."""
    unknown: dict[str, int]
    """Events that could not be read, by tag."""
    set_aside: int = 0
    """Events, and whole envelopes, that no row holds."""


class Fold:
    """Projects the log; `take` every envelope in order, then `batch`."""

    def __init__(self, remembered: Remembered | None = None, after: int = 0) -> None:
        """Go on from what the store remembers, behind log sequence `after`."""
        known = remembered or Remembered()
        self.leases = Leases()
        self.leases.restore(known.open_leases, known.doubtful)
        self.refusals = Refusals(self.leases)
        self.refusals.restore(known.told)
        self._journal = Journal()
        self.sessions = Sessions(self._journal)
        self.sessions.rows = {row.session_id: row for row in known.sessions}
        self.servers = Servers(self._journal)
        self.servers.rows = {row.server_id: row for row in known.servers}
        self.keys = Keys(self._journal)
        self.keys.rows = {row.key_id: row for row in known.keys}
        self.config = Config(self._journal)
        self.config.rows = {row.key: row for row in known.config}
        self._zone: tzinfo = zone(self.config.quota_timezone)
        self._now = 0
        self.sequence = after
        self._numbers = dict(known.numbers)
        self._start()
        self._routes = self._all_routes()

    def take(
        self,
        sequence: int,
        subject: str,
        envelope: Envelope,
        aside: Mapping[int, str] = _NOTHING,
    ) -> None:
        """Take the next envelope of the log; `aside` says why events at those positions do not fit.

        An event that is `PASSED_OVER` leaves no trace.
        """
        ts = micros(envelope.time)
        day = instant(ts).astimezone(self._zone).date().isoformat()
        self._now = max(self._now, ts)
        self.sequence = sequence
        self._envelopes += 1
        self._events += len(envelope.events)
        routes = self._routes
        place = Place(sequence, 0, subject, ts, day)
        for place.position, event in enumerate(envelope.events):
            if aside and place.position in aside:
                self._leave(event, place, aside[place.position])
            else:
                routes[type(event)](event, place)
        self.refusals.decided(place)

    def number(self, subject: str) -> int:
        """Number of the subject's last envelope, as far as it is known; else 0."""
        return self._numbers.get(subject, 0)

    def numbered(self, subject: str, number: int) -> None:
        """Remember the number of the subject's last envelope."""
        self._numbers[subject] = self._renumbered[subject] = number

    def skip(self, sequence: int, at: datetime, why: str) -> None:
        """Set an envelope aside that cannot be read at all; it was stored `at`."""
        self._unread(UNREADABLE, sequence)
        self._skip(sequence, at, f"{UNREADABLE}: {why}")

    def stray(self, sequence: int, at: datetime, why: str) -> None:
        """Set an envelope aside that nobody folds (ADR 10); it was stored `at`."""
        self._skip(sequence, at, f"{STRAY}: {why}")

    def _skip(self, sequence: int, at: datetime, reason: str) -> None:
        self.sequence = sequence
        self._envelopes += 1
        self._put_aside(Place(sequence, ENVELOPE, "", micros(at), ""), "", reason)

    def batch(self) -> Batch:
        """Hand out everything since the last batch."""
        self.leases.forget(self._now)
        self.refusals.forget(self._now)
        leases, refusals = self.leases, self.refusals
        states: dict[str, Sessions | Servers | Keys | Config] = {
            "sessions": self.sessions,
            "servers": self.servers,
            "keys": self.keys,
            "config": self.config,
        }
        rows: dict[str, Iterable[Row]] = {
            "requests": refusals.requests,
            "refusals": refusals.refusals,
            "calls_refused": refusals.calls_refused,
            "attempts": leases.attempts,
            "anomalies": [*leases.anomalies, *self._set_aside],
            "entity_events": self._journal.events,
            "leases": [*leases.ended.values(), *leases.corrected.values()],
            "open_leases": leases.opened.values(),
            "peaks": leases.peaks.values(),
            "unknown_tags": self._unknown_tags.values(),
            **{name: _changed(state) for name, state in states.items()},
        }
        gone = {
            "leases": list(leases.corrected),
            "open_leases": leases.closed,
            **{name: sorted(state.changed) for name, state in states.items()},
        }
        made = Batch(
            sequence=self.sequence,
            envelopes=self._envelopes,
            events=self._events,
            tables={name: columns(TABLES[name], some) for name, some in rows.items() if some},
            gone={name: keys for name, keys in gone.items() if keys},
            numbers=self._renumbered,
            unknown={tag: row.events for tag, row in self._unknown_tags.items()},
            set_aside=len(self._set_aside),
        )
        self._start()
        return made

    def _start(self) -> None:
        self._unknown_tags: dict[str, UnknownTagRow] = {}
        self._set_aside: list[AnomalyRow] = []
        self._renumbered: dict[str, int] = {}
        self._envelopes = 0
        self._events = 0
        for part in (
            self.leases,
            self.refusals,
            self._journal,
            self.sessions,
            self.servers,
            self.keys,
            self.config,
        ):
            part.start()

    def _all_routes(self) -> Routes:
        record = self._journal.record
        return {
            **self.leases.routes,
            **self.refusals.routes,
            **self.sessions.routes,
            **self.servers.routes,
            **self.keys.routes,
            pool.PolicyChanged: self._policy_changed,
            pool.QuotaObserved: lambda event, place: record(event, event.session_id, place),
            pool.PoolCheckpointed: lambda event, place: record(event, "", place),
            base.LeaderElected: lambda event, place: record(event, event.writer, place),
            balancer.StrategyChanged: lambda event, place: record(event, "", place),
            balancer.ConfigurationAccepted: lambda event, place: record(event, "", place),
            UnknownEvent: self._unknown,
        }

    def _policy_changed(self, event: pool.PolicyChanged, place: Place) -> None:
        self.config.replace(event, place)
        self._zone = zone(self.config.quota_timezone)

    def _leave(self, event: Any, place: Place, why: str) -> None:
        """Leave an event out, and say so unless others are only tried without it."""
        if why != PASSED_OVER:
            tag = _TAGS.get(type(event), "")
            self._put_aside(place, getattr(event, "lease_id", ""), f"{tag}: {why}")

    def _put_aside(self, place: Place, lease_id: str, reason: str) -> None:
        row = AnomalyRow(
            sequence=place.sequence,
            position=place.position,
            ts=place.ts,
            kind=SET_ASIDE,
            lease_id=lease_id,
            reason=reason,
        )
        self._set_aside.append(row)

    def _unknown(self, event: UnknownEvent, place: Place) -> None:
        self._unread(event.tag, place.sequence)

    def _unread(self, tag: str, sequence: int) -> None:
        row = self._unknown_tags.setdefault(tag, UnknownTagRow(tag=tag))
        row.events += 1
        row.last_sequence = sequence


def _changed(state: Sessions | Servers | Keys | Config) -> list[Row]:
    """The rows of a batch's changes, in order of their keys."""
    return [state.rows[key] for key in sorted(state.changed) if key in state.rows]
