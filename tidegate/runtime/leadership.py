"""Follow the log, be elected, lead, step down: the same for every service with one leader.

A process starts as a follower and folds its subject as it grows. It takes the lead, by a
`LeaderElected` behind the fence, when a ping finds no responder or three pings in a row are not
answered in time. It steps down when the log shows another epoch.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import msgspec
from nats.aio.client import Client

from contracts.base import Failed, LeaderElected, Ping, Pong
from contracts.envelope import Envelope
from tidegate.runtime.broker import NobodyThereError, SilenceError, ask
from tidegate.runtime.clock import Clock
from tidegate.runtime.eventlog import EventLog, FenceError, LogUnavailableError, Stored
from tidegate.runtime.logs import Log
from tidegate.runtime.writer import SubjectWriter

_PING_EVERY_S = 0.1
_PING_TIMEOUT_S = 0.3
_PINGS_LOST_MAX = 3
_pong = msgspec.json.Decoder(Pong | Failed)


class Fold(Protocol):
    """What a leader keeps in memory."""

    def apply(self, sequence: int, envelope: Envelope) -> None:
        """Take one envelope of the subject into the state."""


class DeposedError(Exception):
    """Another leader was elected: this process may not answer any more."""


class Leadership:
    """One process's part in the leadership over one subject."""

    def __init__(
        self,
        client: Client,
        log: EventLog,
        writer: SubjectWriter,
        fold: Fold,
        *,
        ping: str,
        clock: Clock,
        logger: Log,
    ) -> None:
        """`ping` is the subject on which a leader answers."""
        self.writer = writer
        self.leading = False
        self._client = client
        self._log = log
        self._fold = fold
        self._ping = ping
        self._clock = clock
        self._logger = logger

    async def serve(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Follow until there is no leader, be elected, run `lead` until deposed; for ever."""
        while True:
            await self._until_leaderless()
            if not await self._elected():
                continue
            self.leading = True
            try:
                await lead()
            except DeposedError:
                self._logger.warning("deposed", epoch=self.writer.link.epoch)
            finally:
                self.leading = False

    def pong(self) -> Pong:
        """Answer a ping."""
        return Pong(
            writer=self.writer.writer,
            epoch=self.writer.epoch,
            sequence=self.writer.link.sequence,
        )

    def apply(self, stored: Stored) -> None:
        """Fold an envelope somebody else wrote."""
        self._fold.apply(stored.sequence, self.writer.saw(stored))

    async def catch_up(self) -> None:
        """Fold what others wrote. Raises `DeposedError` when a later epoch is among it.

        Retries while the log cannot be reached.
        """
        while True:
            try:
                missed = await self.writer.behind()
                break
            except LogUnavailableError:
                await asyncio.sleep(_PING_EVERY_S)
        for stored in missed:
            self.apply(stored)
        if self.writer.link.epoch > self.writer.epoch:
            raise DeposedError

    async def _until_leaderless(self) -> None:
        """Fold the subject as it grows, until nobody leads."""
        follower = asyncio.create_task(self._follow())
        try:
            lost = 0
            while lost < _PINGS_LOST_MAX:
                if follower.done():
                    follower.result()
                try:
                    await ask(self._client, self._ping, Ping(), _pong, _PING_TIMEOUT_S)
                    lost = 0
                except NobodyThereError:
                    return
                except SilenceError:
                    lost = lost + 1 if self._client.is_connected else 0
                await asyncio.sleep(_PING_EVERY_S)
        finally:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower

    async def _follow(self) -> None:
        async for batch in self._log.follow([self.writer.subject], self.writer.link.sequence):
            for stored in batch:
                self.apply(stored)

    async def _elected(self) -> bool:
        """Stand for election: true when the log says so."""
        self.writer.epoch = self.writer.link.epoch
        with suppress(DeposedError):
            await self.catch_up()
        self.writer.epoch = self.writer.link.epoch + 1
        event = LeaderElected(writer=self.writer.writer, epoch=self.writer.epoch)
        now = self.writer.now(self._clock())
        try:
            sequence = await self.writer.append([event], now)
        except (FenceError, LogUnavailableError) as error:
            self._logger.info("not_elected", reason=str(error))
            await asyncio.sleep(_PING_EVERY_S)
            return False
        elected = Envelope(
            writer=self.writer.writer,
            epoch=self.writer.epoch,
            number=self.writer.link.number,
            time=now,
            previous_hash="",
            events=[event],
        )
        self._fold.apply(sequence, elected)
        self._logger.info("elected", epoch=self.writer.epoch, sequence=sequence)
        return True
