"""The writer's loop: decide what is queued, append one envelope, then answer.

Nothing is answered before an append that was made after the decision is acknowledged: so a
leader that was deposed without knowing it can neither grant nor refuse. An answer with nothing
to journal waits for the next append; after `_PATIENCE_S` one without events is made for it. So
is one when nothing was appended for long: it proves that the log takes writes (ADR 26).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from nats.errors import Error as NatsError

from contracts.base import Failed, Reply
from contracts.pool import FindSessions, Granted, PoolStatus
from runtime.clock import Clock
from runtime.eventlog import FenceError, LogUnavailableError
from runtime.leadership import Leadership
from runtime.nats.broker import Call, send_reply
from runtime.nats.bus import Bus
from runtime.process.logs import Log
from services.pool import domain
from services.pool.commits import questions, remarks
from services.pool.commits.batches import LEASE, CommandBatch, unavailable_refusal
from services.pool.commits.deliveries import Deliveries
from services.pool.commits.rounds import SWEEP_EVERY_S, Decided, Queue, Round, UndecidableError
from services.pool.metrics import Metrics
from services.pool.store import CredentialStore, PoolLedger

ITEMS_MAX = 20_000
"""Commands that may wait; more are turned away."""
_PATIENCE_S = 0.05
_PAUSE_S = 0.1
_TICK_S = 0.01
_UNPROVED_MAX = 1000


class Committer:
    """The queue of one shard's leader, and the loop that empties it."""

    def __init__(
        self,
        leadership: Leadership,
        ledger: PoolLedger,
        credentials: CredentialStore,
        *,
        client: Bus,
        clock: Clock,
        metrics: Metrics,
        logger: Log,
    ) -> None:
        """Nothing is decided before `run`."""
        self.full = False
        """Past 90 % of the log's bound: the rest is for ends of leases."""
        self._leadership = leadership
        self._writer = leadership.writer
        self._ledger, self._credentials = ledger, credentials
        self._client, self._clock = client, clock
        self._metrics = metrics
        self._logger = logger
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        self._deliveries = self._begin_deliveries()
        self.begin_term()

    def begin_term(self) -> None:
        """Start a term with nothing queued; whatever was is not answered, and nobody waits."""
        self.end_waits()
        self._queue = Queue(self._ledger.state, time.monotonic)
        self._waiting: list[Decided] = []
        self._waiting_since = 0.0
        self._unproved: list[Callable[[], Awaitable[None]]] = []
        """What is to be answered from memory, once this process surely leads."""
        self._appending = False
        self._finishing = False

    def end_waits(self) -> None:
        """Have nobody wait here for a session: gateways ask the next leader for it."""
        self._deliveries.close()
        self._ledger.state.begin_line()
        self._deliveries = self._begin_deliveries()
        self._metrics.count_waits(self._ledger.state.line)

    @property
    def unanswered_count(self) -> int:
        """Commands not yet answered."""
        return len(self._queue) + len(self._waiting)

    @property
    def sequence(self) -> int:
        """Up to where in the log the ledger is."""
        return self._writer.link.sequence

    def log_now(self) -> datetime:
        """Tell the log's time."""
        return self._writer.next_instant(self._clock())

    async def submit_batch(self, batch: CommandBatch) -> None:
        """Queue a batch, or turn it away when nothing more can be taken in."""
        if batch.kind is LEASE and self.full:
            await self._turn_away(batch, "the event log is nearly full")
        elif self.unanswered_count + len(batch.items) > ITEMS_MAX:
            await self._turn_away(batch, "too many commands are waiting")
        elif batch.items:
            self._queue.add_batch(batch)
            self._wake.set()
        else:
            await self._send_answer(batch, batch.joint_reply())

    async def submit_own(self, batch: CommandBatch) -> Reply:
        """Queue a batch of this process's own and wait for its answer."""
        batch.asked = self._loop.create_future()
        await self.submit_batch(batch)
        return await batch.asked

    async def answer_status(self, call: Call, asked: PoolStatus | FindSessions) -> None:
        """Answer from memory, once this process surely leads, and behind an append under way."""
        if self._appending or not self._leadership.recently_proved:
            self._put_off(partial(self.answer_status, call, asked))
            return
        answer = questions.answer_of(self._ledger, self._writer, asked, self.log_now())
        await self._publish_answer(call, answer)

    def finish_term(self) -> None:
        """Let `run` return once everything queued is answered."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Decide, append and answer until finished. Raises `DeposedError`."""
        while not self._finishing or self._queue.is_ready or self._waiting:
            await self._wait_until_due()
            await self._commit_round()
            await self._leadership.prove_leadership()
            unproved, self._unproved = self._unproved, []
            for answer in unproved:
                await answer()
        self._queue.checkpoints.ending = True
        await self._commit_round()

    async def _wait_until_due(self) -> None:
        """Wait for a command, for the end of patience, or for the time to sweep."""
        if self._queue.is_ready:
            return
        delay = SWEEP_EVERY_S
        now = self.log_now()
        due = self._queue.next_moment(now)
        if due is not None:
            delay = min(delay, max((due - now).total_seconds(), _TICK_S))
        if self._waiting:
            delay = min(delay, self._waiting_since + _PATIENCE_S - time.monotonic())
        if delay > 0:
            timer = self._loop.call_later(delay, self._wake.set)
            await self._wake.wait()
            timer.cancel()
        self._wake.clear()

    async def _commit_round(self) -> None:
        """Make one envelope of what is queued and due."""
        started = time.monotonic()
        now = self.log_now()
        round_ = await self._decide_round(now)
        patient = not self._waiting or started < self._waiting_since + _PATIENCE_S
        if not round_.events and patient and not self._writer.write_due:
            self._commit_state()
            if round_.decided and not self._waiting:
                self._waiting_since = started
            self._waiting += round_.decided
            return
        self._appending = True
        try:
            await self._writer.append_events(round_.encoded, now)
        except FenceError as error:
            self._ledger.state.rollback()
            self._requeue_round(round_)
            self._metrics.decided_again.inc()
            self._logger.warning("fenced", reason=str(error))
            await self._leadership.catch_up()
        except LogUnavailableError as error:
            self._ledger.state.rollback()
            self._logger.warning("log_unavailable", reason=str(error))
            await self._give_up(round_)
            await asyncio.sleep(_PAUSE_S)
        else:
            self._commit_state()
            self._queue.checkpoints.note_journalled(round_.events)
            self._credentials.note_journalled(round_.events)
            remarks.log_remarkable(self._logger, round_.events)
            self._measure_round(round_, time.monotonic() - started)
            await self._answer_round(round_)
        finally:
            self._appending = False

    def _commit_state(self) -> None:
        self._ledger.state.commit()
        self._metrics.count_waits(self._ledger.state.line)

    async def _decide_round(self, now: datetime) -> Round:
        """Decide what fits into one envelope, leaving the state begun."""
        self._queue.full = self.full
        while True:
            self._ledger.state.begin()
            try:
                return self._queue.decide_round(now)
            except UndecidableError as error:
                self._ledger.state.rollback()
                self._logger.exception("undecidable", kind=str(error))
                failed = Failed(code="internal", message="the pool could not decide this")
                await self._send_answer(error.batch, failed)

    def _requeue_round(self, round_: Round) -> None:
        """Put back what a fence made void, what waited for an append included."""
        self._queue.put_back(decided.queued for decided in [*self._waiting, *round_.decided])
        self._waiting = []

    async def _answer_round(self, round_: Round) -> None:
        """Give the answers that the append behind us allows."""
        now = self.log_now()
        allowed = [*self._waiting, *round_.decided]
        self._waiting = []
        for (batch, index), answer, _, at in allowed:
            if batch.dropped:
                continue
            batch.store_answer(index, self._as_sent(answer, (now - at).total_seconds()))
            if batch.is_answered:
                await self._send_answer(batch, batch.joint_reply())
        if round_.served:
            grants = ((one.gateway_id, self._as_sent(one.granted, 0.0)) for one in round_.served)
            self._deliveries.send_grants(grants)

    def _begin_deliveries(self) -> Deliveries:
        return Deliveries(self._client, self._ledger.state.line, self.submit_own, self._logger)

    def _as_sent(self, answer: Any, elapsed_s: float) -> Any:
        """Tell an answer as it is now: a grant's seconds count from here."""
        if type(answer) is not Granted:
            return answer
        revision = self._credentials.revisions.get(answer.session_id, 0)
        return domain.grant_as_sent(answer, elapsed_s, revision)

    async def _give_up(self, round_: Round) -> None:
        """Nothing was stored: refuse new leases; whoever sends again needs no answer."""
        why = "the event log cannot be reached or is full"
        undone = [*self._waiting, *round_.decided]
        self._waiting = []
        for queued, answer, journalled, _ in undone:
            batch, index = queued
            if batch.dropped:
                continue
            if batch.kind is not LEASE:
                batch.dropped = True
                await self._send_answer(batch, batch.kind.turned_away(batch.items, why))
            elif type(answer) is Granted and not journalled:
                # A repeat: its lease stands, and only an append may say so.
                self._queue.put_back([queued])
            else:
                batch.store_answer(index, unavailable_refusal(why))
                if batch.is_answered:
                    await self._send_answer(batch, batch.joint_reply())

    async def _turn_away(self, batch: CommandBatch, why: str) -> None:
        """Answer without a decision, once this process surely leads."""
        self._metrics.unjournalled.labels(why).inc()
        await self._send_proved(batch, batch.kind.turned_away(batch.items, why))

    async def _send_proved(self, batch: CommandBatch, answer: Reply | None) -> None:
        if self._leadership.recently_proved or batch.asked is not None:
            await self._send_answer(batch, answer)
        else:
            self._put_off(partial(self._send_proved, batch, answer))

    def _put_off(self, answer: Callable[[], Awaitable[None]]) -> None:
        """Answer behind the next proof; what is too much is not answered, and asked again."""
        if len(self._unproved) < _UNPROVED_MAX:
            self._unproved.append(answer)

    def _measure_round(self, round_: Round, seconds: float) -> None:
        self._metrics.commit_seconds.observe(seconds)
        if not (round_.events or round_.decided):
            return
        self._metrics.count_events(round_.events)
        self._metrics.commit_size.observe(len(round_.decided))

    async def _send_answer(self, batch: CommandBatch, answer: Reply | None) -> None:
        if answer is None:
            return
        if batch.asked is not None and not batch.asked.done():
            batch.asked.set_result(answer)
        if batch.call is not None:
            await self._publish_answer(batch.call, answer)

    async def _publish_answer(self, call: Call, answer: Reply) -> None:
        try:
            await send_reply(self._client, call, answer)
        except NatsError as error:
            # Whoever asked asks again; the decision stands.
            self._logger.warning("unanswered", reason=type(error).__name__)
