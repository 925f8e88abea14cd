"""All questions of one loop turn travel as one NATS request, and each asker gets its answer.

A batch that nobody answers is sent again as it is (every command is idempotent) until
`patience_s` is over: a failover is latency, not an error. So is a connection that is made again
at once; one that stays lost is told without waiting for a failover that cannot be seen. When a
new leader says that it is there, everything under way is sent again at once: the old one may have
died with it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from nats.aio.client import Client

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import Command, Failed
from contracts.pool import Granted, LeaseWanted, Refused
from tidegate.runtime.connection import DisconnectedError, Outage, UnansweredError, ask

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_BATCH_MAX = 128
_ASK_TIMEOUT_S = 1.0
_AGAIN_S = 0.05


class RefusedBatchError(Exception):
    """The owner could not handle the batch; `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        """Keep the owner's word."""
        super().__init__(failed.message)
        self.failed = failed


class Batch(Generic[Item, Answer]):
    """What travels together; it may be under way more than once."""

    __slots__ = ("askers", "sent")

    def __init__(self, askers: Sequence[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        """Nothing is sent yet."""
        self.askers = askers
        self.sent = False
        """Whether a sending that was not answered may have been taken."""

    @property
    def awaited(self) -> bool:
        """Whether anybody still waits for an answer."""
        return not all(future.done() for _, future in self.askers)


class Coalescer(Generic[Item, Answer]):
    """Asks one subject on behalf of many; answers come in the order of the items."""

    def __init__(
        self,
        client: Client,
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
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._flights: dict[asyncio.Task[None], Batch[Item, Answer]] = {}
        self.batches = 0
        self.items = 0

    async def ask(self, item: Item) -> Answer:
        """Ask for one item.

        Raises `UnansweredError` when nobody answered in time (`DisconnectedError` when NATS is
        gone), `RefusedBatchError` when the owner could not handle the batch.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._depart)
        self._waiting.append((item, future))
        return await future

    def _depart(self) -> None:
        """Send off everything that this turn of the loop has brought."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _BATCH_MAX):
            batch = Batch(waiting[start : start + _BATCH_MAX])
            self.batches += 1
            self.items += len(batch.askers)
            self._send_off(batch)

    async def leader_heard(self, _said: object) -> None:
        """Send everything under way once more, without waiting for the time of its answer."""
        for batch in set(self._flights.values()):
            if batch.awaited:
                batch.sent = True
                self._send_off(batch)

    def _send_off(self, batch: "Batch[Item, Answer]") -> None:
        task = asyncio.create_task(self._fly(batch))
        self._flights[task] = batch
        task.add_done_callback(self._flights.pop)

    async def _fly(self, batch: "Batch[Item, Answer]") -> None:
        try:
            answers = await self._answered(batch)
        except (UnansweredError, RefusedBatchError) as error:
            for _, future in batch.askers:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch.askers, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _answered(self, batch: "Batch[Item, Answer]") -> list[Answer]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s()
        while True:
            # Made anew for each sending: what it says of this gateway must be of this moment.
            command = self._command([item for item, _ in batch.askers])
            try:
                reply = await ask(
                    self._client, self._subject, command, self._answers, _ASK_TIMEOUT_S
                )
            except UnansweredError as error:
                if isinstance(error, DisconnectedError):
                    error.sent_before = batch.sent
                else:
                    batch.sent = True
                if not batch.awaited or self._outage.lasts or loop.time() >= deadline:
                    raise
                await asyncio.sleep(_AGAIN_S)
                continue
            if isinstance(reply, Failed):
                raise RefusedBatchError(reply)
            items: list[Answer] = reply.items
            if len(items) != len(batch.askers):
                raise RefusedBatchError(
                    Failed(code="bad_reply", message=f"{self._subject}: not one answer an item")
                )
            return items


PoolCoalescer = Coalescer[LeaseWanted, Granted | Refused]
BalancerCoalescer = Coalescer[SelectServer, Selected | NoServer]
