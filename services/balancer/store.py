"""The journal `evt.balancer`, appended to behind the fence, and the tail of the whole log."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from nats.aio.client import Client

from contracts import envelope
from contracts.balancer import BalancerEvent
from contracts.base import Instant, WriterId
from contracts.envelope import Envelope
from contracts.subjects import BALANCER_PING, EVT_BALANCER
from runtime.clock import Clock
from runtime.eventlog import EventLog, FenceError, LogUnavailableError, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.leadership import PROVE_EVERY_S, Leadership
from runtime.process.logs import Log
from services.balancer.domain import Balancer, observe_envelope

_AGAIN_S = 0.2
_READ_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.02
_EVT_POOL = "evt.pool.*"

Decide = Callable[[Instant], Sequence[BalancerEvent]]
"""What is to be appended, decided on the present state; asked again when the fence refused."""


class BalancerJournal:
    """The balancer's subject: folded into `balancer`, and written while this process leads."""

    def __init__(
        self,
        client: Client,
        balancer: Balancer,
        writer_id: WriterId,
        clock: Clock,
        logger: Log,
    ) -> None:
        """Nothing is read yet: `leadership.serve_terms` does."""
        self.balancer = balancer
        self.health_changed = asyncio.Event()
        """Set when there may be something of a server's health to journal."""
        self.log = EventLog(client)
        self.writer = SubjectWriter(self.log, EVT_BALANCER, writer_id)
        self.leadership = Leadership(
            client,
            self.log,
            self.writer,
            self,
            ping=BALANCER_PING,
            clock=clock,
            logger=logger,
            skipped=lambda: balancer.skipped,
        )
        self._client = client
        self._clock = clock
        self._logger = logger
        self._one_at_a_time = asyncio.Lock()
        self._numbers: dict[str, int] = {}
        self.read_upto = 0
        """Sequence of the last envelope of the pool that was taken in, or looked past."""
        self._connection = client.stats["reconnects"]
        self._gap_end = 0
        """What the log had last when the connection came back: before all of it is read, nobody
        here knows which servers failed meanwhile."""
        self._heard: list[Callable[[Sequence[BalancerEvent]], None]] = []

    def on_commit(self, hear: Callable[[Sequence[BalancerEvent]], None]) -> None:
        """Have `hear` called with the events of every commit, after they are folded."""
        self._heard.append(hear)

    def log_now(self) -> Instant:
        """Tell the log's time."""
        return self.writer.next_instant(self._clock())

    def apply(self, sequence: int, envelope: Envelope) -> None:  # noqa: ARG002 (a Fold's shape)
        """Fold one envelope of the subject."""
        for event in envelope.events:
            self.balancer.take_event(event, envelope.time)

    async def commit(self, decide: Decide, *, confirm: bool = False) -> Sequence[BalancerEvent]:
        """Append what `decide` says, fold it, and return it.

        With `confirm`, an envelope is appended even for no event: whoever is told that nothing
        changed is told so by the leader. Raises `DeposedError`, or `LogUnavailableError` when
        nothing was stored.
        """
        while True:
            async with self._one_at_a_time:
                # Whoever held the lock before may have read of a later leader, and end the term.
                self.leadership.check_epoch()
                now = self.log_now()
                events = decide(now)
                if not events and not confirm:
                    return events
                try:
                    await self.writer.append_events(events, now)
                except FenceError:
                    # Raises behind a later leader; behind a stray, or nothing, it is tried again.
                    await self.leadership.catch_up()
                    continue
                for event in events:
                    self.balancer.take_event(event, now)
                break
        for event in events:
            self._logger.info("journalled", **msgspec.to_builtins(event))
        for hear in self._heard:
            hear(events)
        return events

    async def prove_lead(self) -> bool:
        """Whether this process leads for certain: it looks, unless it did a moment ago.

        Raises `DeposedError` and `BrokenLogError`.
        """
        async with self._one_at_a_time:
            await self._look_for_gap()
            return await self.leadership.prove_leadership()

    async def may_answer(self) -> bool:
        """Whether it leads, and has read what came while NATS was away: it waits a while for both.

        Raises `DeposedError` and `BrokenLogError`.
        """
        proved = self.leadership.recently_proved or await self.prove_lead()
        return proved and await self._reads_along()

    async def _reads_along(self) -> bool:
        """Wait until the pool's log is read as far as it had come with the connection of now."""
        for _ in range(round(_READ_WITHIN_S / _LOOK_EVERY_S)):
            if self._connection != self._client.stats["reconnects"]:
                await self.prove_lead()
            elif self.read_upto >= self._gap_end:
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False

    async def keep_proving(self) -> None:
        """Prove it again and again, so that answers need not wait for it; raises the same."""
        while True:
            await self.prove_lead()
            await asyncio.sleep(PROVE_EVERY_S / 2)

    async def _look_for_gap(self) -> None:
        """Note up to where is to be read behind a connection that was lost."""
        connection = self._client.stats["reconnects"]
        if connection != self._connection:
            with suppress(LogUnavailableError):
                last = await self.log.last_stored(_EVT_POOL)
                self._gap_end = 0 if last is None else last.sequence
                self._connection = connection

    async def log_end(self) -> int:
        """Sequence of the log's last envelope, of any subject; waits while nobody can tell."""
        while True:
            try:
                return (await self.log.stream_state()).last_sequence
            except LogUnavailableError as error:
                self._logger.warning("log_unavailable", error=str(error))
                await asyncio.sleep(_AGAIN_S)

    async def follow_pool(self, after: int) -> None:
        """Take in what the pool journals behind `after`, for ever.

        Raises `DeposedError` as soon as the log shows a later leader of `evt.balancer`.
        """
        # Of an earlier term: behind its end others have written on.
        self._numbers.clear()
        self.read_upto = after
        async for batch in self.log.follow_from([_EVT_POOL, EVT_BALANCER], after):
            for stored in batch:
                await self._take_stored(stored)
                self.read_upto = stored.sequence

    async def _take_stored(self, stored: Stored) -> None:
        """Take in one envelope of either subject: the pool's ends, or a later leader's election."""
        try:
            seen = envelope.decode_envelope(stored.body)
        except msgspec.DecodeError as error:
            self._logger.warning("not_an_envelope", sequence=stored.sequence, error=str(error))
            return
        if envelope.repeat_break(self._numbers.get(stored.subject, 0), seen):
            self._logger.error("stray_message", subject=stored.subject, sequence=stored.sequence)
            return
        self._numbers[stored.subject] = seen.number
        if stored.subject == EVT_BALANCER:
            if seen.epoch > self.writer.epoch:
                async with self._one_at_a_time:
                    await self.leadership.catch_up()
            return
        if observe_envelope(self.balancer, seen, self.log_now()):
            self.health_changed.set()
