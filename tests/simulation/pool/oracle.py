"""The oracle: the log read as JSON, by rules of its own. It shares no code with the pool.

It believes nothing that a process says of itself. What is stored is a list of bytes with the moment
at which each was synced; from it follow who led when, what was granted and how it ended, and from
that what any process may have said at which moment.
"""

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.simulation.pool.accounts import Place
from tests.simulation.pool.queue import Queue, Supply
from tests.simulation.pool.sessions import Sessions
from tests.simulation.pool.witness import Delivered, Said

_PROOF_S = 1.0
"""An answer from memory may be so much older than the last proof of leading."""
_SLACK_S = 1e-6
_DAY_MARGIN_S = 10.0
"""So near to its reset a day is not reckoned with."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Entry(NamedTuple):
    """One envelope: when it was synced (seconds of the run), and its bytes."""

    at: float
    body: bytes


class Unit:
    """One lease, as the oracle keeps it."""

    def __init__(self, session: str, service: str, day: str, units: int, until: str) -> None:
        self.place = (session, service, day)
        self.units = units
        self.until = datetime.fromisoformat(until)
        self.end = ""
        self.charged = units
        """Open ones count as used: what they may cost is not there for others."""
        self.reported = False
        self.granted_at = 0.0
        self.writer = ""


class Oracle:
    """Reads one log from its beginning."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.leases: dict[str, Unit] = {}
        self.ends: dict[str, str] = {}
        """What was journalled of usages, by lease: their outcomes."""
        self.forbidden: set[str] = set()
        self.sessions = Sessions(self._wrong)
        self.accounts = self.sessions.accounts
        self._asked: dict[tuple[str, int], int] = {}
        self.queue = Queue(self._wrong)
        self._supplied: tuple[float, dict[str, int]] | None = None
        self._open: Counter[str] = Counter()
        self._now, self._at = _BEGINNING, 0.0
        self._elections: list[tuple[float, str]] = []
        self._writes: dict[str, list[float]] = {}
        self._link = {"hash": "0" * 64, "number": 0, "time": _BEGINNING, "writer": "", "epoch": 0}

    # ----------------------------------------------------------------------- the log

    def read(self, entries: Iterable[Entry]) -> None:
        """Take the log in, and note what cannot be."""
        for entry in entries:
            envelope = json.loads(entry.body)
            self._check_link(envelope, entry)
            self._now, self._at = datetime.fromisoformat(envelope["time"]), entry.at
            for event in envelope["events"]:
                self.sessions.take(event)
                self.queue.take(event, entry.at, self._now)
                take = getattr(self, f"_on_{event['type']}", None)
                if take is not None:
                    take(event)
            self.queue.end_envelope()
            self._note_supply(entry.at)
        self._note_supply(float("inf"))

    def _note_supply(self, at: float) -> None:
        """Keep what the sessions that were free had, from the envelope before to this one."""
        if self._supplied is not None:
            since, units = self._supplied
            self.queue.supplies.append(Supply(since, at, units))
        self._supplied = at, {name: self._most_free(name) for name in self._services()}

    def _services(self) -> Iterable[str]:
        return self.sessions.policy.get("daily_limits", {})

    def _most_free(self, service: str) -> int:
        """Count the units of a type that the best session has which may be leased now."""
        now, at_once = self._now, self.sessions.policy.get("session_concurrency", 2)
        best = 0
        for session in self.sessions.countable():
            if 0 < at_once <= self._open[session]:
                continue
            if self.sessions.bar(session, now, trial=False) is not None:
                continue
            place = (session, service, self.accounts.day(session, now))
            if not self.accounts.is_closed(place) and self.sessions.grants_today(
                session, now, _DAY_MARGIN_S
            ):
                best = max(best, self.accounts.left(place))
        return best

    def _wrong(self, text: str) -> None:
        self.findings.append(f"envelope {self._link['number']}: {text}")

    def _check_link(self, envelope: Mapping[str, Any], entry: Entry) -> None:
        """Compare an envelope with the one before it, and with who was elected."""
        link = self._link
        if envelope["number"] != link["number"] + 1:
            self._wrong(f"is followed by number {envelope['number']}")
        if envelope["previous_hash"] != link["hash"]:
            self._wrong("is not the one that the next one names by its hash")
        time = datetime.fromisoformat(envelope["time"])
        if time < link["time"]:
            self._wrong(f"of {link['time']} is followed by one of {time}")
        writer, epoch = envelope["writer"], envelope["epoch"]
        for event in envelope["events"]:
            if event["type"] == "leader_elected":
                if event["epoch"] <= link["epoch"]:
                    self._wrong(f"{writer} was elected for epoch {epoch} once more")
                link |= {"writer": event["writer"], "epoch": event["epoch"]}
                self._elections.append((entry.at, event["writer"]))
        if (writer, epoch) != (link["writer"], link["epoch"]):
            self._wrong(f"{writer} of {epoch} wrote while {link['writer']} led {link['epoch']}")
        self._writes.setdefault(writer, []).append(entry.at)
        link |= {
            "hash": hashlib.sha256(entry.body).hexdigest(),
            "number": envelope["number"],
            "time": time,
        }

    # ---------------------------------------------------------------------- its events

    def _on_session_requested(self, event: Mapping[str, Any]) -> None:
        self._asked[event["request_id"], event["number"]] = event.get("units", 1)

    def _on_lease_refused(self, event: Mapping[str, Any]) -> None:
        """Nothing is used up while a session that counts has as many units as were asked for."""
        units = self._asked.get((event["request_id"], event["number"]))
        if event["reason"] != "pool_quota_exhausted" or units is None or "since" in event:
            return
        service = event["service_type"]
        for session in self.sessions.countable():
            place = (session, service, self.accounts.day(session, self._now))
            left = self.accounts.left(place)
            if left >= units and not self.accounts.is_closed(place):
                self._wrong(f"{service} was refused as used up, and {session} has {left} left")

    def _on_lease_granted(self, event: Mapping[str, Any]) -> None:
        name, session, service = event["lease_id"], event["session_id"], event["service_type"]
        lease = Unit(session, service, event["quota_day"], event["units"], event["expires_at"])
        lease.granted_at, lease.writer = self._at, self._link["writer"]
        if name in self.leases or name in self.forbidden:
            self._wrong(f"{name} was granted, though it had been granted or given up before")
            return
        if bar := self.sessions.bar(session, self._now, trial=event.get("trial", False)):
            self._wrong(f"{name} was granted on {session}, {bar}")
        if not self.sessions.is_there(session):
            return
        self.accounts.reserve(lease.place, lease.units)
        taken, limit = self.accounts.taken(lease.place), self.accounts.limit(session, service)
        if taken > limit:
            account = self.accounts.name_of(session)
            self._wrong(f"{name} is unit {taken} of {limit} on {session} of {account}")
        if lease.place[2] != self.accounts.day(session, self._now):
            self._wrong(
                f"{name} was granted for {lease.place[2]} on {session}, whose day it is not"
            )
        self._open[session] += 1
        at_once = self.sessions.policy.get("session_concurrency", 2)
        if 0 < at_once < self._open[session]:
            self._wrong(f"{name} is lease {self._open[session]} of {at_once} at once on {session}")
        if self.accounts.is_closed(lease.place):
            self._wrong(f"{name} was granted on {session}, whose day was used up")
        self.leases[name] = lease

    def _end(self, lease: Unit, how: str, charged: int) -> None:
        self.accounts.correct(lease.place, charged - lease.charged)
        if not lease.end:
            self.accounts.release(lease.place, lease.units)
            self._open[lease.place[0]] -= 1
        lease.end, lease.charged = how, charged

    def _on_usage_recorded(self, event: Mapping[str, Any]) -> None:
        name, outcome = event["lease_id"], event["outcome"]
        lease = self.leases.get(name)
        if lease is None:
            self._wrong(f"{name} was used without having been granted")
            return
        if lease.reported:
            self._wrong(f"{name} was used twice")
            return
        lease.reported = True
        self.ends[name] = outcome
        if lease.end in {"", "expired"}:
            left = {"settled": event.get("units", 0), "released": 0}.get(outcome, lease.units)
            self._end(lease, outcome, left)
        elif lease.end != "reconciled":  # then somebody knew better, and no units are moved
            self._wrong(f"{name} was {outcome} after it had been {lease.end}")

    def _on_lease_cancelled(self, event: Mapping[str, Any]) -> None:
        name = event["lease_id"]
        lease = self.leases.get(name)
        if lease is None:
            self.forbidden.add(name)
        elif lease.end:
            self._wrong(f"{name} was given back after it had been {lease.end}")
        else:
            self._end(lease, "cancelled", 0)

    def _on_lease_expired(self, event: Mapping[str, Any]) -> None:
        lease = self.leases.get(event["lease_id"])
        if lease is None or lease.end:
            self._wrong(f"{event['lease_id']} expired, though it was not open")
        else:
            if self._now < lease.until:
                self._wrong(f"{event['lease_id']} expired before {lease.until}")
            self._end(lease, "expired", lease.units)

    def _on_lease_renewed(self, event: Mapping[str, Any]) -> None:
        lease = self.leases.get(event["lease_id"])
        if lease is None or lease.end:
            self._wrong(f"{event['lease_id']} was renewed, though it was not open")
        else:
            lease.until = datetime.fromisoformat(event["expires_at"])

    def _on_lease_reconciled(self, event: Mapping[str, Any]) -> None:
        lease = self.leases.get(event["lease_id"])
        if lease is None or lease.end not in {"unknown", "expired"}:
            self._wrong(f"{event['lease_id']} was reconciled, though its end was certain")
        else:
            self._end(lease, "reconciled", event["units"])

    # --------------------------------------------------------- what follows from the log

    def check_answers(self, said: Sequence[Said]) -> None:
        """Compare what pool processes answered with who led, and with what was stored, by then."""
        for answer in said:
            if answer.settles:
                writes = self._writes.get(answer.life, [])
                place = bisect_left(writes, answer.taken_at - _SLACK_S)
                if place == len(writes) or writes[place] > answer.said_at + _SLACK_S:
                    self.findings.append(f"{answer} follows no append of its own")
                if not self._led_between(answer.life, answer.taken_at, answer.said_at):
                    self.findings.append(f"{answer} was given by a process that did not lead")
            elif answer.kind == "pool_status_reply" and not self._led_between(
                answer.life, answer.said_at - _PROOF_S, answer.said_at
            ):
                self.findings.append(f"{answer} is of a process that had not led for a second")

    def check_deliveries(self, delivered: Iterable[Delivered]) -> None:
        """Compare what was told to those who wait with what was granted by then, and by whom."""
        for grant in delivered:
            lease = self.leases.get(grant.lease_id)
            if (
                lease is None
                or lease.granted_at > grant.at + _SLACK_S
                or (lease.writer, lease.place[0]) != (grant.life, grant.session_id)
            ):
                self.findings.append(f"{grant} is no grant of its own that the log had by then")

    def _led_between(self, writer: str, since: float, until: float) -> bool:
        """Whether the log had this writer for its leader at any moment of these."""
        for place, (at, elected) in enumerate(self._elections):
            ends = self._elections[place + 1][0] if place + 1 < len(self._elections) else until
            if elected == writer and at <= until + _SLACK_S and ends >= since - _SLACK_S:
                return True
        return False

    def check_upstream(self, accepted: Mapping[Place, int]) -> None:
        """Compare the backends' own count of units, by session, type and day, with the limits.

        What a backend counts are its accounts' units, whichever credential they were asked with.
        """
        for place, units in self.accounts.sums(accepted).items():
            session, service, day = place
            limit = self.accounts.done_max(*place)
            if units > limit:
                account = self.accounts.name_of(session)
                self.findings.append(f"{account} did {units} of {limit} {service} on {day}")
