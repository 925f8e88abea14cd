"""What is known when it is over: every call, the log, the servers' own ledgers, the audit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from contracts import envelope
from contracts.balancer import ServerHalfOpened
from contracts.base import LeaderElected
from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    LeaseReconciled,
    Outcome,
    UsageRecorded,
    Verdict,
)
from contracts.subjects import EVT_BALANCER
from runtime.eventlog import Stored
from tests.chaos.report import Failed
from tests.chaos.traffic import Called
from tests.e2e.asked import Days


@dataclass
class Lease:
    """A lease of the log; `end` is empty while it has none."""

    request_id: str
    service: str
    units: int
    granted_at: datetime
    end: str = ""
    used: int = 0
    """Units that stay used by the end in force."""
    sequence: int = 0
    """Of the envelope in which it was granted."""


class Word(StrEnum):
    """What the log says of a server."""

    FAILED = "failed"
    ANSWERED = "answered"
    HALF_OPEN = "half open"
    LEADER = "leader"
    """A balancer took the lead: it knows nothing but the log's states."""


_WORDS = {
    Verdict.OUTCOME_UNKNOWN: Word.FAILED,
    Verdict.UNREACHABLE: Word.FAILED,
    Verdict.SUCCESS: Word.ANSWERED,
}


@dataclass(frozen=True)
class ServerWord:
    """One thing that the log says of a server, or of all of them."""

    sequence: int
    at: datetime
    word: Word
    server_id: str = ""
    service: str = ""
    """Empty: of all."""
    lost: Lease | None = None
    """The lease whose unit nobody knows of since."""


@dataclass
class LogRead:
    """The log, heard once from beginning to end."""

    digests: dict[int, str] = field(default_factory=dict)
    """Hash of each envelope by its sequence."""
    numbers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Numbers of each subject's envelopes, in order."""
    leases: dict[str, Lease] = field(default_factory=dict)
    by_request: dict[str, list[Lease]] = field(default_factory=lambda: defaultdict(list))
    servers: list[ServerWord] = field(default_factory=list)

    def hear(self, stored: Stored) -> None:
        """Take the next envelope."""
        self.digests[stored.sequence] = digest(stored.body)
        read = envelope.decode_envelope(stored.body)
        self.numbers[stored.subject].append(read.number)
        for event in read.events:
            self._take(event, read.time, stored.sequence)
            self._take_of_servers(event, read.time, stored)

    def _take_of_servers(self, event: object, at: datetime, stored: Stored) -> None:
        place = stored.sequence
        if isinstance(event, LeaderElected) and stored.subject == EVT_BALANCER:
            self.servers.append(ServerWord(place, at, Word.LEADER))
        elif isinstance(event, ServerHalfOpened):
            half_open = ServerWord(place, at, Word.HALF_OPEN, event.server_id, event.service_type)
            self.servers.append(half_open)
        elif isinstance(event, UsageRecorded):
            unknown = event.outcome is Outcome.UNKNOWN
            for tried in event.attempts:
                last = tried is event.attempts[-1]
                word = _WORDS.get(tried.verdict)
                lost = self.leases.get(event.lease_id) if unknown and last else None
                if word is not None:
                    self.servers.append(
                        ServerWord(place, at, word, tried.server_id, event.service_type, lost)
                    )

    def _take(self, event: object, at: datetime, sequence: int) -> None:
        if isinstance(event, LeaseGranted):
            lease = Lease(event.request_id, event.service_type, event.units, at, sequence=sequence)
            self.leases[event.lease_id] = lease
            self.by_request[event.request_id].append(lease)
            return
        lease_id = getattr(event, "lease_id", None)
        ended = self.leases.get(lease_id) if lease_id else None
        if ended is None:
            return
        if isinstance(event, UsageRecorded):
            ended.end = str(event.outcome)
            ended.used = {"settled": event.units, "unknown": ended.units}.get(ended.end, 0)
        elif isinstance(event, LeaseExpired):
            ended.end, ended.used = "expired", ended.units
        elif isinstance(event, LeaseCancelled):
            ended.end, ended.used = "cancelled", 0
        elif isinstance(event, LeaseReconciled):
            ended.end, ended.used = "reconciled", event.units


@dataclass
class Evidence:
    """Everything the verdict is about."""

    calls: list[Called]
    log: LogRead
    seen: Mapping[int, str]
    """Envelopes that were read while it went on: they were stored then."""
    served: Days
    """What the servers counted themselves."""
    accepted: Mapping[str, int]
    """How often the servers did the work of a request."""
    limits: Mapping[str, int]
    """Units of one session and day, by service type."""
    audit: Mapping[str, Any]
    killed_s: list[tuple[str, float]]
    """Which gateway was killed when: what it had not yet handed in died with it."""
    failed: list[Failed] = field(default_factory=list)
    """When a server failed every call."""
    unready: str = ""
    """Who did not come to be ready again, or died of itself, and why."""


def digest(body: bytes) -> str:
    """Name an envelope's bytes."""
    return sha256(body).hexdigest()[:16]


def heard(envelopes: Iterable[Stored]) -> LogRead:
    """Hear a whole log."""
    log = LogRead()
    for stored in envelopes:
        log.hear(stored)
    return log
