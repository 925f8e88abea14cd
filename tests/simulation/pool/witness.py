"""Whoever watches the processes of a run: what they did, in order, and what they said to whom."""

import json
from typing import Any, NamedTuple

from tests.simulation.pool.loop import Life, SimulatedLoop

_PONG = b'{"type":"pong"'
"""Most answers are this one, and whoever hears it relies on nothing."""
_DELIVERY = b'{"type":"deliver_grants"'
_WRONG = frozenset({"undecidable", "chain_broken", "stray_message", "unknown_lease"})
"""Lines of a log that no fault excuses."""


class Said(NamedTuple):
    """One answer of a pool process: of which life, when it was asked, when it answered."""

    life: str
    taken_at: float
    said_at: float
    kind: str
    settles: bool
    """It says what only a leader may say, and only behind an append."""


class Delivered(NamedTuple):
    """A grant that a pool process told a gateway which waits for it."""

    life: str
    at: float
    lease_id: str
    session_id: str


class Notes:
    """The trace of a run, what was said in it, and what was found wrong by then."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.trace: list[str] = []
        self.findings: list[str] = []
        self.said: list[Said] = []
        self.delivered: list[Delivered] = []
        self._loop = loop
        self._taken: dict[tuple[Life, str], float] = {}

    def note(self, text: str) -> None:
        """Something happened that belongs to the trace."""
        self.trace.append(f"{self._loop.time():.6f} {text}")

    def on_taken(self, life: Life, inbox: str) -> None:
        """A pool process takes a call in."""
        self._taken.setdefault((life, inbox), self._loop.time())

    def on_published(self, life: Life, subject: str, body: bytes) -> None:
        """A process says something; what answers a call is kept, and what is granted."""
        if body.startswith(_DELIVERY):
            self.delivered += [
                Delivered(life.name, self._loop.time(), item["lease_id"], item["session_id"])
                for item in json.loads(body)["items"]
            ]
        taken_at = self._taken.get((life, subject))
        if taken_at is None or body.startswith(_PONG):
            return
        answer = json.loads(body)
        kind = answer["type"]
        settles = kind == "done" or (
            kind in {"lease_answers", "end_answers", "renew_answers", "cancel_answers"}
            and any(not _is_turned_away(item) for item in answer["items"])
        )
        self.said.append(Said(life.name, taken_at, self._loop.time(), kind, settles))

    def on_logged(self, life: Life, level: str, event: str, said: dict[str, Any]) -> None:
        """A process writes into its log."""
        self.note(f"{life} {event} {said}")
        if level == "exception" or event in _WRONG:
            self.findings.append(f"{life} logged {event}: {said}")


def _is_turned_away(item: Any) -> bool:
    """Whether an answer says no more than that the ledger cannot be had: that needs no proof."""
    return isinstance(item, dict) and item.get("reason") == "ledger_unavailable"
