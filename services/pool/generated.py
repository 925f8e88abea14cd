"""Sessions that were made up, and whose servers they are for: the demo's own, nobody else's."""

from collections.abc import AsyncGenerator, Sequence

import msgspec

from contracts import envelope
from contracts.balancer import (
    CONFIGURATION,
    DEMO,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    StrategyChanged,
)
from contracts.base import Event, ServerId, SessionId
from contracts.pool import ChangeSession, SessionStatus
from contracts.subjects import EVT_BALANCER
from runtime.eventlog import EventLog, Stored
from services.pool.domain import Pool

GENERATED = "generated"
"""The origin of a session that was made up, and the provisioner that makes them up."""


class FleetOrigin:
    """Whose servers there are, by whichever door they came: a configuration's or an operator's."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._number = 0
        self._source = ""
        self._urls: dict[ServerId, str] = {}
        self._configured: dict[ServerId, str] = {}
        """The addresses of the servers that configurations brought; an administrator may have
        removed them, or put them elsewhere."""
        self._demos: frozenset[str] = frozenset()
        """The addresses of the demo's servers, where its configuration is in force."""
        self.known = False
        """Whether the log was read."""

    @property
    def is_demo(self) -> bool:
        """The configuration that was applied last is the demo's."""
        return self._source.endswith(DEMO)

    @property
    def has_own(self) -> bool:
        """Some server is not the demo's.

        A configuration named them, or an earlier version applied it, which did not say; or an
        operator put one beside the demo's, or one of them elsewhere.
        """
        beside = not self._demos.issuperset(self._urls.values())
        return beside or (bool(self._source) and not self.is_demo)

    def holds_back(self, *, demo: bool, serverless: bool) -> bool:
        """Tell whether settings that name no server wait, as the balancer lets theirs wait.

        With `demo` the demo's own are there instead of them, with `serverless` none is: the servers
        of the log may be those of a file that was lost. Held back, too, while they are not known.
        """
        if demo:
            return not self.is_demo
        brought = self._configured.keys() & self._urls.keys()
        return serverless and (not self.known or bool(brought))

    def take_batch(self, batch: Sequence[Stored]) -> None:
        """Take envelopes of the balancer in; strays are passed over (ADR 10)."""
        for stored in batch:
            try:
                opened = envelope.decode_envelope(stored.body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if envelope.repeat_break(self._number, opened):
                continue
            self._number = opened.number
            for event in opened.events:
                self._take_event(event)

    def _take_event(self, event: Event) -> None:
        """Note where a server is now, and what of that a configuration said."""
        source = getattr(event, "source", "")
        by_file = source.startswith(CONFIGURATION)
        if by_file:
            self._source = source
        match event:
            case ServerAdded() | ServerChanged():
                self._urls[event.server.server_id] = event.server.url
                if by_file:
                    self._configured[event.server.server_id] = event.server.url
            case ServerRemoved():
                self._urls.pop(event.server_id, None)
                if by_file:
                    self._configured.pop(event.server_id, None)
            case StrategyChanged() if by_file:
                # It ends what a configuration changes. Of earlier versions, which carry no entry,
                # the servers there are now are all of it.
                if not event.entry and not event.service_type:
                    self._configured = dict(self._urls)
                self._demos = frozenset(self._configured.values() if self.is_demo else ())


async def follow_fleet(log: EventLog) -> AsyncGenerator[FleetOrigin, None]:
    """Tell the fleet as the log has it now, and again with every change.

    Raises `LogUnavailableError`.
    """
    last = await log.last_stored(EVT_BALANCER)
    end = last.sequence if last else 0
    fleet = FleetOrigin()
    async for batch in log.read_range(EVT_BALANCER, 0, end):
        fleet.take_batch(batch)
    fleet.known = True
    yield fleet
    async for batch in log.follow_from([EVT_BALANCER], end):
        fleet.take_batch(batch)
        yield fleet


def sessions_generated(state: Pool) -> list[SessionId]:
    """Name the sessions that were made up and have not retired."""
    return [
        session.session_id
        for session in state.sessions.values()
        if session.origin == GENERATED and session.status is not SessionStatus.RETIRED
    ]


def retirement_commands(sessions: list[SessionId], reason: str) -> list[ChangeSession]:
    """Ask for each of them to retire."""
    return [
        ChangeSession(
            session_id=session, status=SessionStatus.RETIRED, reason=reason, by="configuration"
        )
        for session in sessions
    ]
