"""Envelopes in, batches of columns out: the one place that knows which event goes where."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

import msgspec

from contracts import balancer, base, pool
from contracts.envelope import Envelope
from contracts.events import UnknownEvent, event_tags
from services.analytics.domain.access import Config, KeyStates
from services.analytics.domain.fleet import ServerStates
from services.analytics.domain.leases import Leases
from services.analytics.domain.moments import LogPlace, Routes, as_instant, as_micros, zone_named
from services.analytics.domain.refusals import RefusalRows
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
from services.analytics.domain.sessions import SessionStates
from services.analytics.domain.states import EntityJournal
from services.analytics.domain.tables import TABLES, Columns, as_columns

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
    reported: list[tuple[str, int]] = []
    """Refusals of the last `REPORTED_FOR_S`, by name, with their moments, in order."""


class RowBatch(msgspec.Struct, kw_only=True):
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


class RowFold:
    """Projects the log; `fold_envelope` every envelope in order, then `next_batch`."""

    def __init__(self, remembered: Remembered | None = None, after: int = 0) -> None:
        """Go on from what the store remembers, behind log sequence `after`."""
        restored = remembered or Remembered()
        self.leases = Leases()
        self.leases.restore_leases(restored.open_leases, restored.doubtful)
        self.refusals = RefusalRows(self.leases)
        self.refusals.restore_reported(restored.reported)
        self._journal = EntityJournal()
        self.sessions = SessionStates(self._journal)
        self.sessions.rows = {row.session_id: row for row in restored.sessions}
        self.servers = ServerStates(self._journal)
        self.servers.rows = {row.server_id: row for row in restored.servers}
        self.keys = KeyStates(self._journal)
        self.keys.rows = {row.key_id: row for row in restored.keys}
        self.config = Config(self._journal)
        self.config.rows = {row.key: row for row in restored.config}
        self._zone: tzinfo = zone_named(self.config.quota_timezone)
        self._reset_at = timedelta(hours=self.config.quota_reset_hour)
        # Nothing is forgotten before the first envelope says what time it is.
        self._now = 0
        self.sequence = after
        self._numbers = dict(restored.numbers)
        self._begin_batch()
        self._routes = self._all_routes()

    def fold_envelope(
        self,
        sequence: int,
        subject: str,
        envelope: Envelope,
        aside: Mapping[int, str] = _NOTHING,
    ) -> None:
        """Take the next envelope of the log; `aside` says why events at those positions do not fit.

        An event that is `PASSED_OVER` leaves no trace.
        """
        ts = as_micros(envelope.time)
        # By the clock on the wall, which is what the hour of a reset is read from.
        day = (as_instant(ts).astimezone(self._zone) - self._reset_at).date().isoformat()
        # Subjects have writers of their own, whose clocks differ: it never goes back.
        self._now = max(self._now, ts)
        self.sequence = sequence
        self._envelopes += 1
        self._events += len(envelope.events)
        routes = self._routes
        for position, event in enumerate(envelope.events):
            place = LogPlace(sequence, position, subject, ts, day)
            if aside and position in aside:
                self._leave_out(event, place, aside[position])
            else:
                # Every event has a route, and a test that says so: no default hides a new one.
                routes[type(event)](event, place)
        self.refusals.end_envelope(LogPlace(sequence, ENVELOPE, subject, ts, day))

    def last_number(self, subject: str) -> int:
        """Number of the subject's last envelope, as far as it is known; else 0."""
        return self._numbers.get(subject, 0)

    def note_number(self, subject: str, number: int) -> None:
        """Remember the number of the subject's last envelope."""
        self._numbers[subject] = self._renumbered[subject] = number

    def skip_unreadable(self, sequence: int, at: datetime, why: str) -> None:
        """Set an envelope aside that cannot be read at all; it was stored `at`."""
        self._count_unread(UNREADABLE, sequence)
        self._skip_envelope(sequence, at, f"{UNREADABLE}: {why}")

    def skip_stray(self, sequence: int, at: datetime, why: str) -> None:
        """Set an envelope aside that nobody folds (ADR 10); it was stored `at`."""
        # It can be read, so it is no unknown tag; and it has no number that is its own.
        self._skip_envelope(sequence, at, f"{STRAY}: {why}")

    def _skip_envelope(self, sequence: int, at: datetime, reason: str) -> None:
        self.sequence = sequence
        self._envelopes += 1
        self._put_aside(LogPlace(sequence, ENVELOPE, "", as_micros(at), ""), "", reason)

    def next_batch(self) -> RowBatch:
        """Hand out everything since the last batch."""
        # Here and not at each event: what is a batch too old does no harm.
        self.leases.forget_doubtful(self._now)
        self.refusals.forget_reported(self._now)
        leases, refusals = self.leases, self.refusals
        states: dict[str, SessionStates | ServerStates | KeyStates | Config] = {
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
            **{name: _changed_rows(state) for name, state in states.items()},
        }
        gone = {
            # A row that ended in this batch is in no table yet, so only corrected ones make room.
            "leases": list(leases.corrected),
            "open_leases": leases.closed,
            **{name: sorted(state.changed) for name, state in states.items()},
        }
        batch = RowBatch(
            sequence=self.sequence,
            envelopes=self._envelopes,
            events=self._events,
            # Copied into columns here: a row that later events change is not what this batch holds.
            tables={name: as_columns(TABLES[name], some) for name, some in rows.items() if some},
            gone={name: keys for name, keys in gone.items() if keys},
            numbers=self._renumbered,
            unknown={tag: row.events for tag, row in self._unknown_tags.items()},
            set_aside=len(self._set_aside),
        )
        self._begin_batch()
        return batch

    def _begin_batch(self) -> None:
        """Begin a batch, in every part of the fold."""
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
            part.begin_batch()

    def _all_routes(self) -> Routes:
        """Which event goes where; what only leaves an event row goes straight to the journal."""
        record = self._journal.record_event
        return {
            **self.leases.routes,
            **self.refusals.routes,
            **self.sessions.routes,
            **self.servers.routes,
            **self.keys.routes,
            pool.PolicyChanged: self._on_policy_changed,
            pool.QuotaObserved: lambda event, place: record(event, event.session_id, place),
            pool.CredentialsRefused: lambda event, place: record(event, "", place),
            pool.CheckRecorded: lambda event, place: record(event, event.session_id, place),
            pool.SessionsForgotten: lambda event, place: record(event, "", place),
            pool.GrowthHeld: lambda event, place: record(event, "", place),
            pool.GrowthResumed: lambda event, place: record(event, "", place),
            pool.PoolCheckpointed: lambda event, place: record(event, "", place),
            # How long it was waited for stands at the lease; here only who waited in vain, and why.
            pool.LeaseQueued: lambda _event, _place: None,
            pool.WaitsEnded: lambda event, place: record(event, "", place),
            pool.KeyRotationBegan: lambda event, place: record(event, event.key_id, place),
            pool.KeyRotationEnded: lambda event, place: record(event, event.key_id, place),
            base.LeaderElected: lambda event, place: record(event, event.writer, place),
            balancer.StrategyChanged: lambda event, place: record(event, "", place),
            balancer.StrategyPinned: lambda event, place: record(event, "", place),
            balancer.StrategyUnpinned: lambda event, place: record(event, "", place),
            balancer.StrategySwitched: lambda event, place: record(event, "", place),
            balancer.StrategyFailed: lambda event, place: record(event, "", place),
            balancer.RulesChanged: lambda event, place: record(event, "", place),
            balancer.ConfigurationAccepted: lambda event, place: record(event, "", place),
            UnknownEvent: self._on_unknown,
        }

    def _on_policy_changed(self, event: pool.PolicyChanged, place: LogPlace) -> None:
        self.config.replace_policy(event, place)
        # Days begin elsewhere from here on; what is written keeps the days it has.
        self._zone = zone_named(self.config.quota_timezone)
        self._reset_at = timedelta(hours=self.config.quota_reset_hour)

    def _leave_out(self, event: Any, place: LogPlace, why: str) -> None:
        """Leave an event out, and say so unless others are only tried without it."""
        if why != PASSED_OVER:
            tag = _TAGS.get(type(event), "")
            self._put_aside(place, getattr(event, "lease_id", ""), f"{tag}: {why}")

    def _put_aside(self, place: LogPlace, lease_id: str, reason: str) -> None:
        row = AnomalyRow(
            sequence=place.sequence,
            position=place.position,
            ts=place.ts,
            kind=SET_ASIDE,
            lease_id=lease_id,
            reason=reason,
        )
        self._set_aside.append(row)

    def _on_unknown(self, event: UnknownEvent, place: LogPlace) -> None:
        self._count_unread(event.tag, place.sequence)

    def _count_unread(self, tag: str, sequence: int) -> None:
        row = self._unknown_tags.setdefault(tag, UnknownTagRow(tag=tag))
        row.events += 1
        row.last_sequence = sequence


def _changed_rows(state: SessionStates | ServerStates | KeyStates | Config) -> list[Row]:
    """The rows of a batch's changes, in order of their keys."""
    # One that changed and has no row is gone: its key alone is handed out.
    return [state.rows[key] for key in sorted(state.changed) if key in state.rows]
