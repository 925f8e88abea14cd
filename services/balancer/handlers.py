"""The doors `rpc.balancer.*`, open only while this process leads.

Selections and status are answered straight from memory, but only while it is proved that this
process leads; what arrives when it cannot be proved is not answered, and sent again by whoever
asked. Administrative commands queue for the journal, and are answered once they are in it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from faststream.nats import NatsBroker
from nats.aio.client import Client

from contracts import subjects
from contracts.balancer import (
    AcceptConfiguration,
    BalancerAdmin,
    BalancerEvent,
    BalancerStatus,
    BalancerStatusReply,
    PutServer,
    RemoveServer,
    SelectAnswers,
    SelectServers,
    ServersChanged,
    SetStrategy,
)
from contracts.base import Failed, Instant, Ping, Reply
from runtime.eventlog import LogUnavailableError
from runtime.leadership import BrokenLogError, DeposedError
from runtime.nats.broker import Call, await_subscriptions, decode_refusal, send_reply, with_reply
from runtime.process.logs import Log
from services.balancer.domain import administered, reported, select, views
from services.balancer.metrics import Metrics
from services.balancer.settings import refused
from services.balancer.store import Journal

_ITEMS_MAX = 4096
_DRAIN_S = 2.0
_select = msgspec.json.Decoder(SelectServers)
_status = msgspec.json.Decoder(BalancerStatus)
_ping = msgspec.json.Decoder(Ping)
_admin = msgspec.json.Decoder(BalancerAdmin)

Answer = Callable[[bytes], Reply]
Handler = Callable[[Call], Awaitable[None]]


class Doors:
    """The four doors, over one connection."""

    def __init__(
        self, broker: NatsBroker, client: Client, journal: Journal, metrics: Metrics, logger: Log
    ) -> None:
        """Make the doors; `open` lets commands in."""
        self.health_reported = asyncio.Event()
        """Set when a selection told of a server's failure."""
        self._client = client
        self._journal = journal
        self._balancer = journal.balancer
        self._metrics = metrics
        self._logger = logger
        self._queue: asyncio.Queue[Call] = asyncio.Queue(1024)
        doors: list[tuple[str, Handler]] = [
            (subjects.BALANCER_PING, self._at_once(self.ping, Ping)),
            (subjects.BALANCER_SELECT, self._if_proved(self.select, SelectServers)),
            (subjects.BALANCER_STATUS, self._if_proved(self.status, BalancerStatus)),
            (subjects.BALANCER_ADMIN, self._enqueue),
        ]
        self._subscribers: list[Any] = []
        for subject, handler in doors:
            subscriber = broker.subscriber(
                subject, max_workers=1, no_reply=True, decoder=with_reply
            )
            subscriber(handler)
            self._subscribers.append(subscriber)

    async def open(self) -> None:
        """Let commands in, pings first, and tell everybody; on return NATS knows of every door."""
        for subscriber in self._subscribers:
            await subscriber.start()
        await self._journal.leadership.announce_term(subjects.BALANCER_LEADS)
        await await_subscriptions(self._client)

    async def close(self) -> None:
        """Let nobody in any more, and answer who is inside."""
        inside = [one.subscription for one in self._subscribers if one.subscription is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await asyncio.gather(*[one.drain() for one in inside], return_exceptions=True)
        for subscriber in self._subscribers:
            # Drained: FastStream would find a subscription that is closed already.
            subscriber.subscription = None
            await subscriber.stop()
        while not self._queue.empty():
            call = self._queue.get_nowait()
            await self._answer(call, Failed(code="not_leader", message="this leader steps down"))

    def select(self, body: bytes) -> Reply:
        """Name a server for every item."""
        command = _select.decode(body)
        if len(command.items) > _ITEMS_MAX:
            return Failed(code="bad_request", message=f"items: expected at most {_ITEMS_MAX}")
        now = self._journal.now()
        reported(self._balancer, command.gateway_id, command.open_exchanges, now)
        answers = []
        for item in command.items:
            answer = select(self._balancer, item, command.gateway_id, now)
            answers.append(answer)
            self._metrics.answered(answer, item.service_type)
            if item.failed is not None:
                self.health_reported.set()
        return SelectAnswers(items=answers)

    def status(self, body: bytes) -> Reply:
        """Show every server."""
        _status.decode(body)
        now = self._journal.now()
        return BalancerStatusReply(
            sequence=self._journal.writer.link.sequence,
            epoch=self._journal.writer.epoch,
            now=now,
            strategy=self._balancer.fleet.strategy,
            servers=views(self._balancer, now),
            held=self._balancer.held,
        )

    def ping(self, body: bytes) -> Reply:
        """Say who leads."""
        _ping.decode(body)
        return self._journal.leadership.as_pong()

    async def administer(self) -> None:
        """Journal and answer administrative commands, one after the other, for ever."""
        while True:
            call = await self._queue.get()
            await self._answer(call, await self._administered(call.body))

    async def _administered(self, body: bytes) -> Reply:
        try:
            command: BalancerAdmin = _admin.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(
                error, [PutServer, RemoveServer, SetStrategy, AcceptConfiguration]
            )
        wrong = refused(command.server) if isinstance(command, PutServer) else ""
        if wrong:
            return Failed(code="bad_request", message=wrong)
        if isinstance(command, AcceptConfiguration) and (no_such := self._not_held(command)):
            return no_such
        no: list[Failed] = []

        def decide(_: Instant) -> list[BalancerEvent]:
            no.clear()
            decided = administered(self._balancer.fleet, command, self._balancer.open_to)
            if isinstance(decided, Failed):
                no.append(decided)
                return []
            return [*decided]

        try:
            events = await self._journal.commit(decide, confirm=True)
        except LogUnavailableError as error:
            return Failed(code="ledger_unavailable", message=str(error))
        return no[0] if no else ServersChanged(changed=[_touched(event) for event in events])

    def _not_held(self, command: AcceptConfiguration) -> Failed | None:
        waits = self._balancer.held
        if waits is None:
            return Failed(code="not_found", message="no configuration is held")
        if command.digest != waits.digest:
            message = f"digest: expected {waits.digest}, which is held, got {command.digest!r}"
            return Failed(code="bad_request", message=message)
        return None

    async def _enqueue(self, call: Call) -> None:
        try:
            self._queue.put_nowait(call)
        except asyncio.QueueFull:
            await self._answer(call, Failed(code="internal", message="too many commands wait"))

    def _if_proved(self, answer: Answer, expected: type[msgspec.Struct]) -> Handler:
        at_once = self._at_once(answer, expected)

        async def handle(call: Call) -> None:
            try:
                leads = self._journal.leadership.recently_proved or await self._journal.proved()
            except (DeposedError, BrokenLogError):
                return  # the journal's own proof raises the same, and ends the term
            if leads:
                await at_once(call)

        return handle

    def _at_once(self, answer: Answer, expected: type[msgspec.Struct]) -> Handler:
        async def handle(call: Call) -> None:
            try:
                answered = answer(call.body)
            except msgspec.DecodeError as error:
                answered = decode_refusal(error, [expected])
            except Exception:
                # A handler that raises sends no reply, and the caller waits for its timeout.
                self._logger.exception("not_answered", command=expected.__name__)
                answered = Failed(code="internal", message="see the balancer's log")
            await self._answer(call, answered)

        return handle

    async def _answer(self, call: Call, answer: Reply) -> None:
        await send_reply(self._client, call, answer)


def _touched(event: BalancerEvent) -> str:
    """Name what an administrative event changed."""
    server = getattr(event, "server", None)
    if server is not None:
        return str(server.server_id)
    named = getattr(event, "server_id", "") or getattr(event, "strategy", "")
    return str(named or getattr(event, "digest", ""))
