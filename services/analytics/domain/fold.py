"""Envelopes in, batches of columns out: the one place that knows which event goes where."""

from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

import msgspec

from contracts import balancer, base, pool
from contracts.envelope import Envelope
from contracts.events import UnknownEvent
from services.analytics.domain.access import Config, Keys
from services.analytics.domain.fleet import Servers
from services.analytics.domain.leases import Leases
from services.analytics.domain.moments import Place, Routes, instant, micros, zone
from services.analytics.domain.rows import (
    CallsRefusedRow,
    ConfigRow,
    KeyRow,
    LeaseRow,
    RefusalRow,
    RequestRow,
    Row,
    ServerRow,
    SessionRow,
    UnknownTagRow,
)
from services.analytics.domain.sessions import Sessions
from services.analytics.domain.states import Journal
from services.analytics.domain.tables import TABLES, Columns, columns

UNREADABLE = "(unreadable envelope)"
_NOT_ASKED = (0, None)
TOLD_KEPT_S = 900
"""How long a refusal is known again: longer than any command is sent again (architecture §3)."""


class Remembered(msgspec.Struct, kw_only=True):
    """What the store gives back to a new fold."""

    open_leases: list[LeaseRow] = []
    doubtful: list[LeaseRow] = []
    sessions: list[SessionRow] = []
    servers: list[ServerRow] = []
    keys: list[KeyRow] = []
    config: list[ConfigRow] = []
    told: list[tuple[str, int]] = []
    """Refusals of the last `TOLD_KEPT_S`, by name (`told_name`), with their moments, in order."""


class Batch(msgspec.Struct, kw_only=True):
    """What one transaction writes, and how far the log is read with it."""

    sequence: int
    envelopes: int
    events: int
    tables: dict[str, Columns]
    """Rows by table; empty tables are left out."""
    gone: dict[str, list[str]]
    """Keys of rows to delete before: they are replaced, or are no more."""
    unknown: dict[str, int]
    """Events that could not be read, by tag."""


class Fold:
    """Projects the log; `take` every envelope in order, then `batch`."""

    def __init__(self, remembered: Remembered | None = None, after: int = 0) -> None:
        """Go on from what the store remembers, behind log sequence `after`."""
        known = remembered or Remembered()
        self.leases = Leases()
        self.leases.restore(known.open_leases, known.doubtful)
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
        self._told = dict(known.told)
        self._asked: dict[tuple[str, int], tuple[int, pool.SessionRequested]] = {}
        self._now = 0
        self.sequence = after
        self._start()
        self._routes = self._all_routes()

    def take(self, sequence: int, subject: str, envelope: Envelope) -> None:
        """Take the next envelope of the log."""
        ts = micros(envelope.time)
        day = instant(ts).astimezone(self._zone).date().isoformat()
        self._now = max(self._now, ts)
        self.sequence = sequence
        self._envelopes += 1
        self._events += len(envelope.events)
        routes = self._routes
        place = Place(sequence, 0, subject, ts, day)
        for place.position, event in enumerate(envelope.events):
            routes[type(event)](event, place)
        if self._asked:
            self._keep_undecided(place)

    def skip(self, sequence: int) -> None:
        """Count an envelope that cannot be read at all."""
        self.sequence = sequence
        self._envelopes += 1
        self._unread(UNREADABLE, sequence)

    def batch(self) -> Batch:
        """Hand out everything since the last batch."""
        self.leases.forget(self._now)
        self._forget_told()
        leases = self.leases
        states: dict[str, Sessions | Servers | Keys | Config] = {
            "sessions": self.sessions,
            "servers": self.servers,
            "keys": self.keys,
            "config": self.config,
        }
        rows: dict[str, Iterable[Row]] = {
            "requests": self._requests,
            "refusals": self._refusals,
            "calls_refused": self._calls_refused_rows,
            "attempts": leases.attempts,
            "anomalies": leases.anomalies,
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
            unknown={tag: row.events for tag, row in self._unknown_tags.items()},
        )
        self._start()
        return made

    def _start(self) -> None:
        self._requests: list[RequestRow] = []
        self._refusals: list[RefusalRow] = []
        self._calls_refused_rows: list[CallsRefusedRow] = []
        self._unknown_tags: dict[str, UnknownTagRow] = {}
        self._envelopes = 0
        self._events = 0
        for part in (
            self.leases,
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
            pool.SessionRequested: self._requested,
            pool.LeaseGranted: self._granted,
            pool.LeaseRefused: self._refused,
            pool.CallsRefused: self._calls_refused,
            **self.leases.routes,
            **self.sessions.routes,
            **self.servers.routes,
            **self.keys.routes,
            pool.PolicyChanged: self._policy_changed,
            pool.QuotaObserved: lambda event, place: record(event, event.session_id, place),
            pool.PoolCheckpointed: lambda event, place: record(event, "", place),
            base.LeaderElected: lambda event, place: record(event, event.writer, place),
            balancer.StrategyChanged: lambda event, place: record(event, "", place),
            UnknownEvent: self._unknown,
        }

    def _policy_changed(self, event: pool.PolicyChanged, place: Place) -> None:
        self.config.replace(event, place)
        self._zone = zone(self.config.quota_timezone)

    def _unknown(self, event: UnknownEvent, place: Place) -> None:
        self._unread(event.tag, place.sequence)

    def _unread(self, tag: str, sequence: int) -> None:
        row = self._unknown_tags.setdefault(tag, UnknownTagRow(tag=tag))
        row.events += 1
        row.last_sequence = sequence

    def _requested(self, event: pool.SessionRequested, place: Place) -> None:
        """Wait for the decision, which stands in the same envelope."""
        self._asked[event.request_id, event.number] = place.position, event

    def _granted(self, event: pool.LeaseGranted, place: Place) -> None:
        _, asked = self._asked.pop((event.request_id, event.number), _NOT_ASKED)
        self.leases.granted(event, asked, place)

    def _refused(self, event: pool.LeaseRefused, place: Place) -> None:
        _, asked = self._asked.pop((event.request_id, event.number), _NOT_ASKED)
        again = event.count == 1 and self._is_told(f"{event.request_id}.{event.number}", place)
        if event.number > 1:
            self.leases.refused_next(f"{event.request_id}.{event.number - 1}")
        self._refusals.append(
            RefusalRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                day=place.day,
                request_id=event.request_id,
                number=event.number,
                service_type=event.service_type,
                key_id=event.key_id,
                reason=event.reason,
                retry_after_s=event.retry_after_s,
                count=0 if again else event.count,
                since=micros(event.since) if event.since else None,
                **(_described(asked) if asked else {}),
            )
        )

    def _calls_refused(self, event: pool.CallsRefused, place: Place) -> None:
        since = micros(event.since)
        again = self._is_told(f"{event.gateway_id} {event.key_id} {event.code} {since}", place)
        self._calls_refused_rows.append(
            CallsRefusedRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                day=place.day,
                gateway_id=event.gateway_id,
                key_id=event.key_id,
                code=event.code,
                status=event.status,
                count=0 if again else event.count,
                since=since,
                until=micros(event.until),
            )
        )

    def _is_told(self, name: str, place: Place) -> bool:
        """Know what was told before: a new leader cannot know that the one before it told it."""
        if name in self._told:
            return True
        self._told[name] = place.ts
        return False

    def _forget_told(self) -> None:
        oldest = self._now - TOLD_KEPT_S * 1_000_000
        while self._told:
            name = next(iter(self._told))
            if self._told[name] >= oldest:
                return
            del self._told[name]

    def _keep_undecided(self, place: Place) -> None:
        for position, event in self._asked.values():
            self._requests.append(
                RequestRow(
                    sequence=place.sequence,
                    position=position,
                    ts=place.ts,
                    request_id=event.request_id,
                    number=event.number,
                    service_type=event.service_type,
                    key_id=event.key_id,
                    **_described(event),
                )
            )
        self._asked.clear()


def _described(asked: pool.SessionRequested) -> dict[str, Any]:
    """What a request says beyond its decision."""
    return {
        "units": asked.units,
        "asked_at": micros(asked.asked_at),
        "gateway_id": asked.gateway_id,
        "path": asked.path,
        "model": asked.model,
        "client_request_id": asked.client_request_id,
        "client_address": asked.client_address,
        "user_agent": asked.user_agent,
    }


def _changed(state: Sessions | Servers | Keys | Config) -> list[Row]:
    """The rows of a batch's changes, in order of their keys."""
    return [state.rows[key] for key in sorted(state.changed) if key in state.rows]
