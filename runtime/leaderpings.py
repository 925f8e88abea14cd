"""Ping whoever leads, until nobody does.

Pings do not wait for each other: one that reached the leader as it died would be waited for in
vain, while the next one already finds nobody. A leader of this moment, or one that has just lost
its connection, is given grace: else two candidates would depose each other in turn, each before
the other has opened its doors.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.base import Ping
from runtime.nats.bus import Bus
from runtime.process.logs import Log
from runtime.secrets import Sealer

PING_EVERY_S = 0.05
_PING_TIMEOUT_S = 0.35
_PINGS_LOST_MAX = 3
_SILENT_MAX = int(_PINGS_LOST_MAX * _PING_TIMEOUT_S / PING_EVERY_S)
"""Looks in a row that find no answer. Not a time: who was paused itself has looked but once."""
_RECONNECTED_S = 1.0
_NO_RESPONDERS = "503"
_KEYS_READ_EVERY_S = 1.0
_encoder = msgspec.json.Encoder()


class KeyPings:
    """The pings by which the pool's leader knows who has which master keys.

    The key file is read again as they are made, once a second.
    """

    def __init__(self, process: str, sealer: Sealer, logger: Log) -> None:
        """`process` names this one, and its host."""
        self._process = process
        self._sealer = sealer
        self._logger = logger
        self._told: list[str] = []
        self._refusal = ""
        self._read_at = float("-inf")

    def next_ping(self) -> Ping:
        """Ask whether a leader is there, and say which keys this process has."""
        now = time.monotonic()
        if now >= self._read_at + _KEYS_READ_EVERY_S:
            self._read_at = now
            self._sealer.refresh()
            self._report_refusal()
            if self._told not in ([], self._sealer.key_ids):
                self._logger.info("master_keys_changed", key_ids=self._sealer.key_ids)
            self._told = self._sealer.key_ids
        return Ping(process=self._process, key_ids=self._told)

    def _report_refusal(self) -> None:
        """Log why the key file is not gone by, once."""
        refusal = self._sealer.refusal
        if refusal not in ("", self._refusal):
            self._logger.warning("master_keys_refused", reason=refusal)
        self._refusal = refusal


class LeaderPings:
    """Asks on one subject whether somebody leads."""

    def __init__(self, client: Bus, subject: str, next_ping: Callable[[], Ping] = Ping) -> None:
        """`subject` is where a leader answers; `next_ping` makes what is sent there."""
        self.hears_leader = False
        """Whether somebody answered the last ping."""
        self._client = client
        self._subject = subject
        self._next_ping = next_ping
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
        subscription = await self._client.subscribe(f"{inbox}.*", cb=answers.put)
        try:
            await self._ping_on(follower, inbox, answers)
        finally:
            with suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()

    async def _ping_on(
        self, follower: "asyncio.Task[None]", inbox: str, answers: "asyncio.Queue[Msg]"
    ) -> None:
        """Ping and count the looks that find no answer.

        Each ping has a subject of its own for its answer: NATS lets whoever was asked answer once
        on each, and the one before may not be answered yet.
        """
        silent, sent = 0, count()
        while silent < _SILENT_MAX:
            if follower.done():
                follower.result()
            if self._client.is_connected:
                ping = _encoder.encode(self._next_ping())
                with suppress(NatsError, ConnectionError):
                    await self._client.publish(self._subject, ping, f"{inbox}.{next(sent)}")
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
