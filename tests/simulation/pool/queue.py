"""What the oracle says of those who wait: by the log, and by what gateways asked and were told.

Shares no code with the pool. A wait that the log names ends there by its name. Once all is quiet,
nobody who is heard waits beside a session that would do; and nobody who does not wait at all is
served before one who does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tests.simulation.pool.ledger import Wait

_REASONS = frozenset({"deadline", "hopeless", "unheard", "full", "dropped"})
_HEARD_S = 2.6
"""A gateway asks every two seconds."""
_RECENTLY_S = 1.8
_UNHEARD_S = 20.0
_PATIENCE_S = 2.0
"""So long may a session be free beside somebody who waits for it."""
_PER_SECOND_MAX = 20


class Grant(NamedTuple):
    """One grant: when, which, of what, and whether it was asked for by somebody who never waits."""

    at: float
    lease_id: str
    service: str
    units: int
    at_once: bool


class Supply(NamedTuple):
    """How many units of a type the best free session had, from one moment to the next."""

    since: float
    until: float
    units: Mapping[str, int]


class Queue:
    """Who waits, as the log tells it."""

    def __init__(self, wrong: Callable[[str], None]) -> None:
        """`wrong` notes a finding."""
        self.waiting: dict[str, Mapping[str, Any]] = {}
        """What was journalled of those who wait still."""
        self.grants: list[Grant] = []
        self.unheard: list[tuple[float, str]] = []
        """Of whom nobody had heard for long, as the pool says, and when it said so."""
        self.supplies: list[Supply] = []
        self._wrong = wrong
        self._refused: list[str] = []
        self._asked: dict[str, Mapping[str, Any]] = {}
        self._journalled: dict[tuple[str, datetime], int] = {}

    def take(self, event: Mapping[str, Any], at: float, now: datetime) -> None:
        """Take an event in, of an envelope that was stored `at` and is of the log's `now`."""
        take = getattr(self, f"_on_{event['type']}", None)
        if take is not None:
            take(event, at, now)

    def end_envelope(self) -> None:
        """Look whether who was refused in this envelope waits no more."""
        for name in self._refused:
            if name in self.waiting:
                self._wrong(f"{name} was refused, and its wait has no end")
        self._refused.clear()
        self._asked.clear()

    def _on_session_requested(self, event: Mapping[str, Any], *_: Any) -> None:
        self._asked[f"{event['request_id']}.{event['number']}"] = event

    def _on_lease_refused(self, event: Mapping[str, Any], *_: Any) -> None:
        if "since" not in event:
            self._refused.append(f"{event['request_id']}.{event['number']}")

    def _on_lease_queued(self, event: Mapping[str, Any], _: float, now: datetime) -> None:
        name, key = event["lease_id"], event["requested"]["key_id"]
        if name in self.waiting:
            self._wrong(f"{name} began to wait, though it did so before")
        self.waiting[name] = event
        if not event["since"] <= event["deadline"]:
            self._wrong(f"{name} is to wait from {event['since']} to {event['deadline']}")
        second = key, now.replace(microsecond=0)
        self._journalled[second] = self._journalled.get(second, 0) + 1
        if self._journalled[second] > 2 * _PER_SECOND_MAX:
            self._wrong(f"{key} had {self._journalled[second]} waits journalled within a second")

    def _on_waits_ended(self, event: Mapping[str, Any], at: float, _: datetime) -> None:
        for item in event["items"]:
            if self.waiting.pop(item["lease_id"], None) is None:
                self._wrong(f"{item['lease_id']} waits no more, though it did not wait")
            if item["reason"] not in _REASONS:
                self._wrong(f"{item['lease_id']} waits no more: {item['reason']}")
            if item["reason"] == "unheard":
                self.unheard.append((at, item["lease_id"]))

    def _on_lease_granted(self, event: Mapping[str, Any], at: float, _: datetime) -> None:
        name = event["lease_id"]
        self.waiting.pop(name, None)
        asked = self._asked.get(name, {})
        at_once = not asked.get("wait_ms") and not asked.get("waiting_since")
        self.grants.append(Grant(at, name, event["service_type"], event["units"], at_once))

    def _on_lease_cancelled(self, event: Mapping[str, Any], *_: Any) -> None:
        self.waiting.pop(event["lease_id"], None)

    # ------------------------------------------------------ what gateways know of it

    def starvation(self, waits: Mapping[str, Wait], quiet_at: float) -> Iterator[str]:
        """Name who waited, and was heard, while a session that would do was free for long."""
        for name, wait in waits.items():
            for since, until in _stretches(self.supplies, wait.service_type, wait.units):
                begins = max(since, quiet_at, wait.began_at)
                ends = min(until, wait.heard_until(begins, _HEARD_S))
                if ends - begins > _PATIENCE_S:
                    yield f"{name} waited from {begins:.2f} to {ends:.2f} beside a free session"
                    break

    def overtaking(self, waits: Mapping[str, Wait], quiet_at: float) -> Iterator[str]:
        """Name who was served at once while another waited that would have taken the same."""
        for grant in self.grants:
            if not grant.at_once or grant.at < quiet_at:
                continue
            for name, wait in waits.items():
                fits = wait.service_type == grant.service and wait.units <= grant.units
                if fits and wait.waited_at(grant.at, _RECENTLY_S):
                    yield f"{grant.lease_id} was served at {grant.at:.2f} before {name}"

    def forgotten(self, waits: Mapping[str, Wait], quiet_at: float) -> Iterator[str]:
        """Name whose wait the log ends as unheard of, though its gateway was told to wait on."""
        for at, name in self.unheard:
            wait = waits.get(name)
            if at >= quiet_at and wait is not None and wait.waited_at(at, _UNHEARD_S):
                yield f"{name} was called unheard of at {at:.2f}, and was told to wait before"


def _stretches(
    supplies: Iterable[Supply], service: str, units: int
) -> Iterator[tuple[float, float]]:
    """Join the moments that follow each other in which so many units were free."""
    begun: float | None = None
    until = 0.0
    for supply in supplies:
        if supply.units.get(service, 0) >= units:
            begun, until = supply.since if begun is None else begun, supply.until
        elif begun is not None:
            yield begun, until
            begun = None
    if begun is not None:
        yield begun, until
