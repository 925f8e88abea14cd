"""All questions of one loop turn travel as one NATS request, and each asker gets its answer.

```
ask ──► waiting ──this turn of the loop ends──► under way ──► answered | refused | unanswered
                                                 │     ▲
                                                 └─────┘ sent again, while earlier sendings wait
```

What happens to a batch under way: one of its *sendings* is answered (each asker gets its item, or
all hear what the owner says against it), a second passes in silence, a sending fails at once, a
new leader says that it is there, its patience ends, the last of its askers leaves.

A batch that nobody answers is sent again (every command is idempotent) until `patience_s` is
over: a failover is latency, not an error. When a new leader says that it is there, what is under
way is sent again at once: the old one may have died with it. Whichever sending is answered first
will do, however late: whoever threw late answers away would ask a slow owner ever more, in vain.
A connection that is made again at once is latency, too; one that stays lost is told without
waiting for a failover that cannot be seen.

What is ugly: a batch may have as many sendings open as its patience has seconds, and its last one
waits a whole second, also where its patience has less left. Who leaves cannot take its item out of
a batch that is under way: the answer finds a cancelled future, and is dropped, so whoever asked
has to take back what it may have been granted. And a failure must say whether anything was sent
*before* it (`sent_before`): only the batch knows, and the course of a request rests on it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import Command, Failed
from contracts.pool import Free, Granted, LeaseWanted, Refused
from runtime.nats.bus import Bus
from runtime.nats.connection import (
    DisconnectedError,
    Outage,
    SilenceError,
    UnansweredError,
    ask_command,
)

Item = TypeVar("Item")
ItemAnswer = TypeVar("ItemAnswer")

_BATCH_MAX = 128
_ASK_TIMEOUT_S = 1.0
_AGAIN_S = 0.05


class RefusedBatchError(Exception):
    """The owner could not handle the batch; `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        """Keep the owner's word."""
        super().__init__(failed.message)
        self.failed = failed


class _Question(Generic[Item, ItemAnswer]):
    """One item that is asked about, and who waits for its answer."""

    __slots__ = ("answer", "item")

    def __init__(self, item: Item, answer: asyncio.Future[ItemAnswer]) -> None:
        self.item = item
        self.answer = answer


class Coalescer(Generic[Item, ItemAnswer]):
    """Asks one subject on behalf of many; answers come in the order of the items."""

    def __init__(
        self,
        client: Bus,
        subject: str,
        command: Callable[[list[Item]], Command],
        answers: "msgspec.json.Decoder[Any]",
        patience_s: Callable[[], float],
        outage: Outage,
    ) -> None:
        """`command` wraps a batch; `answers` decodes its reply: `items`, or `Failed`."""
        self._client = client
        self._subject = subject
        self._command = command
        self._answers = answers
        self._patience_s = patience_s
        self._outage = outage
        self._waiting: list[_Question[Item, ItemAnswer]] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._heard = asyncio.get_running_loop().create_future()
        """Done when the next leader is heard of; then there is another."""
        self.batches = 0
        self.items = 0

    async def ask(self, item: Item) -> ItemAnswer:
        """Ask for one item.

        Raises `UnansweredError` when nobody answered in time (`DisconnectedError` when NATS is
        gone), `RefusedBatchError` when the owner could not handle the batch.
        """
        loop = asyncio.get_running_loop()
        question: _Question[Item, ItemAnswer] = _Question(item, loop.create_future())
        if not self._waiting:
            # Whoever else is ready in this turn of the loop runs before it, and comes along.
            loop.call_soon(self._send_waiting)
        self._waiting.append(question)
        return await question.answer

    async def leader_heard(self, _said: object) -> None:
        """Have everything under way sent once more, without waiting for the time of its answer."""
        heard, self._heard = self._heard, asyncio.get_running_loop().create_future()
        heard.set_result(None)

    def _send_waiting(self) -> None:
        """Send off everything that this turn of the loop has brought."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _BATCH_MAX):
            batch = waiting[start : start + _BATCH_MAX]
            self.batches += 1
            self.items += len(batch)
            task = asyncio.create_task(self._ask_batch(batch))
            self._flights.add(task)
            task.add_done_callback(self._flights.discard)

    async def _ask_batch(self, batch: Sequence[_Question[Item, ItemAnswer]]) -> None:
        """Give each asker its answer, or all of them what went wrong; who has left gets none."""
        assert 0 < len(batch) <= _BATCH_MAX
        try:
            answers = await self._answers_to(batch)
        except (UnansweredError, RefusedBatchError) as error:
            for question in batch:
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        for question, answer in zip(batch, answers, strict=True):
            if not question.answer.done():
                question.answer.set_result(answer)

    async def _answers_to(self, batch: Sequence[_Question[Item, ItemAnswer]]) -> list[ItemAnswer]:
        """Send a batch until it is answered, also once more as soon as a leader is heard of."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s()
        asking: set[asyncio.Future[Any]] = set()
        sent = False
        try:
            while True:
                # Made anew for each sending: what it says of this gateway must be of this moment.
                command = self._command([question.item for question in batch])
                left_s = max(deadline - loop.time(), _ASK_TIMEOUT_S)
                asking.add(asyncio.create_task(self._ask_once(command, left_s)))
                heard = self._heard
                done, _ = await asyncio.wait(
                    {*asking, heard}, timeout=_ASK_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
                )
                asking -= done
                error: UnansweredError = SilenceError(self._subject)
                for answered in (task.result() for task in done if task is not heard):
                    if not isinstance(answered, UnansweredError):
                        return self._answers_in(answered, len(batch))
                    error = answered
                if isinstance(error, DisconnectedError):
                    # This sending left nothing behind, but an earlier one may have.
                    error.sent_before = sent
                else:
                    sent = True
                nobody_waits = all(question.answer.done() for question in batch)
                if nobody_waits or self._outage.is_lasting or loop.time() >= deadline:
                    raise error
                if done and heard not in done:
                    # It failed at once: whatever made it fail is there for a moment more.
                    await asyncio.sleep(_AGAIN_S)
        finally:
            for task in asking:
                task.cancel()

    async def _ask_once(self, command: Command, timeout_s: float) -> Any:
        """Send the batch once; no answer is a value, for an earlier sending may yet have one."""
        try:
            return await ask_command(self._client, self._subject, command, self._answers, timeout_s)
        except UnansweredError as error:
            return error

    def _answers_in(self, reply: Any, count: int) -> list[ItemAnswer]:
        if isinstance(reply, Failed):
            raise RefusedBatchError(reply)
        items: list[ItemAnswer] = reply.items
        if len(items) != count:
            raise RefusedBatchError(
                Failed(code="bad_reply", message=f"{self._subject}: not one answer an item")
            )
        return items


PoolCoalescer = Coalescer[LeaseWanted, Granted | Refused | Free]
BalancerCoalescer = Coalescer[SelectServer, Selected | NoServer]
