"""Sessions that were made up, and whose servers they are for: the demo's own, nobody else's."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from contracts import envelope
from contracts.balancer import CONFIGURATION, DEMO
from contracts.base import SessionId
from contracts.pool import ChangeSession, SessionStatus
from contracts.subjects import EVT_BALANCER
from runtime.eventlog import EventLog, Stored
from services.pool.domain import Pool

GENERATED = "generated"
"""The origin of a session that was made up, and the provisioner that makes them up."""


class Fleet:
    """Whose servers there are, by the configuration that the balancer applied last."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._source = ""

    @property
    def demo(self) -> bool:
        """They are the demo's."""
        return self._source.endswith(DEMO)

    @property
    def own(self) -> bool:
        """A configuration named them, or an earlier version applied it, which did not say."""
        return bool(self._source) and not self.demo

    def take(self, batch: Sequence[Stored]) -> None:
        """Take envelopes of the balancer in."""
        for stored in batch:
            try:
                events = envelope.decode(stored.body).events
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            for event in events:
                source = getattr(event, "source", "")
                if source.startswith(CONFIGURATION):
                    self._source = source


async def fleets(log: EventLog) -> AsyncIterator[Fleet]:
    """Tell the fleet as the log has it now, and again with every change.

    Raises `LogUnavailableError`.
    """
    last = await log.last(EVT_BALANCER)
    end = last.sequence if last else 0
    fleet = Fleet()
    async for batch in log.read(EVT_BALANCER, 0, end):
        fleet.take(batch)
    yield fleet
    async for batch in log.follow([EVT_BALANCER], end):
        fleet.take(batch)
        yield fleet


def generated(state: Pool) -> list[SessionId]:
    """Name the sessions that were made up and have not retired."""
    return [
        session.session_id
        for session in state.sessions.values()
        if session.origin == GENERATED and session.status is not SessionStatus.RETIRED
    ]


def retirements(sessions: list[SessionId], reason: str) -> list[ChangeSession]:
    """Ask for each of them to retire."""
    return [
        ChangeSession(
            session_id=session, status=SessionStatus.RETIRED, reason=reason, by="configuration"
        )
        for session in sessions
    ]
