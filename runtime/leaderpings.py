"""Ping whoever leads, until nobody does.

Pings do not wait for each other: one that reached the leader as it died would be waited for in
vain, while the next one already finds nobody. A leader of this moment, or one that has just lost
its connection, is given grace: else two candidates would depose each other in turn, each before
the other has opened its doors.
"""

import asyncio
import time
from contextlib import suppress

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.base import Ping
from runtime.nats.bus import Bus

PING_EVERY_S = 0.05
_PING_TIMEOUT_S = 0.35
_PINGS_LOST_MAX = 3
_SILENT_MAX = int(_PINGS_LOST_MAX * _PING_TIMEOUT_S / PING_EVERY_S)
"""Looks in a row that find no answer. Not a time: who was paused itself has looked but once."""
_RECONNECTED_S = 1.0
_NO_RESPONDERS = "503"
_ping = msgspec.json.encode(Ping())


class LeaderPings:
    """Asks on one subject whether somebody leads."""

    def __init__(self, client: Bus, subject: str) -> None:
        """`subject` is where a leader answers."""
        self.hears_leader = False
        """Whether somebody answered the last ping."""
        self._client = client
        self._subject = subject
        self._grace_until = 0.0

    @property
    def in_grace(self) -> bool:
        """Whether a leader may still be opening its doors, so that nobody stands against it."""
        return time.monotonic() < self._grace_until

    def give_grace(self, seconds: float) -> None:
        """Call nobody missing for so long."""
        self._grace_until = time.monotonic() + seconds

    async def until_unanswered(self, follower: "asyncio.Task[None]") -> None:
        """Ping until nobody is there, or whoever is there has been silent for too long.

        Raises what `follower` does, should it end meanwhile.
        """
        answers: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=answers.put)
        try:
            await self._ping_on(follower, inbox, answers)
        finally:
            with suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()

    async def _ping_on(
        self, follower: "asyncio.Task[None]", inbox: str, answers: "asyncio.Queue[Msg]"
    ) -> None:
        """Ping and count the looks that find no answer."""
        silent = 0
        while silent < _SILENT_MAX:
            if follower.done():
                follower.result()
            if self._client.is_connected:
                with suppress(NatsError, ConnectionError):
                    await self._client.publish(self._subject, _ping, inbox)
            else:
                # The leader, too, has to come back, and then to open its doors.
                self.give_grace(_RECONNECTED_S)
            heard = await _last_heard(answers)
            if heard is None:
                # Without a connection, silence says nothing of the leader.
                silent = silent + 1 if self._client.is_connected else 0
                continue
            silent = 0
            self.hears_leader = (heard.headers or {}).get("Status") != _NO_RESPONDERS
            if not self.hears_leader and not self.in_grace:
                return
            await asyncio.sleep(PING_EVERY_S)


async def _last_heard(answers: "asyncio.Queue[Msg]") -> Msg | None:
    """Wait a moment for an answer; of several the last one counts."""
    try:
        async with asyncio.timeout(PING_EVERY_S):
            heard = await answers.get()
    except TimeoutError:
        return None
    while not answers.empty():
        heard = answers.get_nowait()
    return heard
