"""The doors `rpc.balancer.*`, open only while this process leads.

Selections and status are answered straight from memory, but only while it is proved that this
process leads, and has read what came while NATS was away; what arrives else is not answered, and
sent again by whoever asked. Administrative commands queue for the journal, and are answered once
they are in it; whoever wants servers measured waits until they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, get_args

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
    PinStrategy,
    ProbeServers,
    PutServer,
    SelectAnswers,
    SelectServer,
    SelectServers,
    ServersChanged,
    SetStrategy,
)
from contracts.base import Failed, Instant, Ping, Reply, ServerId
from runtime.eventlog import LogUnavailableError
from runtime.leadership import BrokenLogError, DeposedError
from runtime.nats.broker import Call, await_subscriptions, decode_refusal, send_reply, with_reply
from runtime.process.logs import Log
from runtime.settings import service_type_objection
from runtime.texts import as_quoted
from services.balancer.custom.host import CustomStrategies
from services.balancer.custom.questions import batch_questions
from services.balancer.domain import (
    NOBODY_PICKED,
    administration_events,
    hear_gateway,
    select_server,
    server_views,
    strategy_trouble,
)
from services.balancer.metrics import Metrics
from services.balancer.settings import server_objection
from services.balancer.store import BalancerJournal

_ITEMS_MAX = 4096
_DRAIN_S = 2.0
_MEASURINGS_MAX = 8
_select = msgspec.json.Decoder(SelectServers)
_status = msgspec.json.Decoder(BalancerStatus)
_ping = msgspec.json.Decoder(Ping)
_probe = msgspec.json.Decoder(ProbeServers)
_admin = msgspec.json.Decoder(BalancerAdmin)

Answer = Callable[[bytes], Awaitable[Reply]]
Handler = Callable[[Call], Awaitable[None]]
Measure = Callable[[ProbeServers], Awaitable[Reply]]


class BalancerDoors:
    """The five doors, over one connection."""

    def __init__(
        self,
        broker: NatsBroker,
        client: Client,
        journal: BalancerJournal,
        metrics: Metrics,
        measure: Measure,
        custom: CustomStrategies,
        logger: Log,
    ) -> None:
        """Make the doors; `open_doors` lets commands in. `measure` answers `ProbeServers`."""
        self._client = client
        self._journal = journal
        self._balancer = journal.balancer
        self._metrics = metrics
        self._logger = logger
        self._queue: asyncio.Queue[Call] = asyncio.Queue(1024)
        self._measure = measure
        self._custom = custom
        self._measurings: asyncio.Queue[Call] = asyncio.Queue(_MEASURINGS_MAX)
        doors: list[tuple[str, Handler]] = [
            (subjects.BALANCER_PING, self._handler_at_once(self.answer_ping, Ping)),
            (subjects.BALANCER_SELECT, self._handler_if_proved(self.answer_select, SelectServers)),
            (subjects.BALANCER_STATUS, self._handler_if_proved(self.answer_status, BalancerStatus)),
            (subjects.BALANCER_ADMIN, partial(self._enqueue_call, self._queue)),
            (subjects.BALANCER_PROBE, partial(self._enqueue_call, self._measurings)),
        ]
        self._subscribers: list[Any] = []
        for subject, handler in doors:
            subscriber = broker.subscriber(
                subject, max_workers=1, no_reply=True, decoder=with_reply
            )
            subscriber(handler)
            self._subscribers.append(subscriber)

    async def open_doors(self) -> None:
        """Let commands in, pings first, and tell everybody; on return NATS knows of every door."""
        for subscriber in self._subscribers:
            await subscriber.start()
        await self._journal.leadership.announce_term(subjects.BALANCER_LEADS)
        await await_subscriptions(self._client)

    async def close(self) -> None:
        """Let nobody in any more, and answer who is inside."""
        inside = [
            subscriber.subscription
            for subscriber in self._subscribers
            if subscriber.subscription is not None
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                drains = [subscription.drain() for subscription in inside]
                await asyncio.gather(*drains, return_exceptions=True)
        for subscriber in self._subscribers:
            # Drained: FastStream would find a subscription that is closed already.
            subscriber.subscription = None
            await subscriber.stop()
        for queue in (self._queue, self._measurings):
            while not queue.empty():
                left = Failed(code="not_leader", message="this leader steps down")
                await self._send_answer(queue.get_nowait(), left)

    async def answer_select(self, body: bytes) -> Reply:
        """Name a server for every item."""
        command = _select.decode(body)
        if len(command.items) > _ITEMS_MAX:
            return Failed(code="bad_request", message=f"items: expected at most {_ITEMS_MAX}")
        now = self._journal.log_now()
        hear_gateway(self._balancer, command, now)
        picks = await self._own_picks(command.items, now) if self._balancer.asks_own else {}
        answers = []
        for place, item in enumerate(command.items):
            picked = picks.get(place, NOBODY_PICKED)
            answer = select_server(self._balancer, item, command.gateway_id, now, picked)
            answers.append(answer)
            self._metrics.count_selection(answer, item.service_type)
            if item.failed is not None:
                self._journal.health_changed.set()
        return SelectAnswers(items=answers)

    async def _own_picks(self, items: Sequence[SelectServer], now: Instant) -> dict[int, ServerId]:
        """Ask the operator's own strategies; the servers they named, by place in the batch."""
        picks: dict[int, ServerId] = {}
        for name, (places, question) in batch_questions(self._balancer, items, now).items():
            picked = await self._custom.ask_picks(name, question)
            picks.update(zip(places, picked, strict=False))
        return picks

    async def answer_status(self, body: bytes) -> Reply:
        """Show every server."""
        _status.decode(body)
        now = self._journal.log_now()
        return BalancerStatusReply(
            sequence=self._journal.writer.link.sequence,
            epoch=self._journal.writer.epoch,
            now=now,
            strategy=self._balancer.fleet.strategy,
            servers=server_views(self._balancer, now),
            held=self._balancer.held_configuration,
            pinned=self._balancer.fleet.pinned,
            pinned_at=self._balancer.fleet.pinned_at,
            strategy_trouble=strategy_trouble(self._balancer, now),
            strategies=self._balancer.fleet.own_strategies(),
            rules=self._balancer.fleet.rules,
        )

    async def answer_ping(self, body: bytes) -> Reply:
        """Say who leads."""
        _ping.decode(body)
        return self._journal.leadership.as_pong()

    async def run_administration(self) -> None:
        """Journal and answer administrative commands, one after the other, for ever."""
        while True:
            call = await self._queue.get()
            await self._send_answer(call, await self._answer_admin(call.body))

    async def run_measurings(self) -> None:
        """Measure servers for whoever asks, one after the other, for ever."""
        while True:
            call = await self._measurings.get()
            try:
                answer = await self._measure(_probe.decode(call.body))
            except msgspec.DecodeError as error:
                answer = decode_refusal(error, [ProbeServers])
            await self._send_answer(call, answer)

    async def _answer_admin(self, body: bytes) -> Reply:
        """Journal what a command changes, and say what it was, or why it is refused."""
        try:
            command: BalancerAdmin = _admin.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(error, [*get_args(BalancerAdmin)])
        objection = _command_objection(command, self._balancer.service_types)
        if objection is None and isinstance(command, SetStrategy | PinStrategy):
            objection = self._custom.file_objection(command.strategy)
        if objection:
            return Failed(code="bad_request", message=objection)
        if isinstance(command, AcceptConfiguration) and (failure := self._hold_failure(command)):
            return failure
        failures: list[Failed] = []

        def decide_command(_: Instant) -> list[BalancerEvent]:
            failures.clear()
            decided = administration_events(self._balancer.fleet, command, self._balancer.open_to)
            if isinstance(decided, Failed):
                failures.append(decided)
                return []
            return [*decided]

        try:
            events = await self._journal.commit(decide_command, confirm=True)
        except LogUnavailableError as error:
            return Failed(code="ledger_unavailable", message=str(error))
        if failures:
            return failures[0]
        return ServersChanged(changed=[_event_target(event) for event in events])

    def _hold_failure(self, command: AcceptConfiguration) -> Failed | None:
        waits = self._balancer.held_configuration
        if waits is None:
            return Failed(code="not_found", message="no configuration is held")
        if command.digest != waits.digest:
            got = as_quoted(command.digest)
            message = f"digest: expected {waits.digest}, which is held, got {got}"
            return Failed(code="bad_request", message=message)
        return None

    async def _enqueue_call(self, queue: asyncio.Queue[Call], call: Call) -> None:
        try:
            queue.put_nowait(call)
        except asyncio.QueueFull:
            await self._send_answer(call, Failed(code="internal", message="too many commands wait"))

    def _handler_if_proved(self, answer: Answer, expected: type[msgspec.Struct]) -> Handler:
        at_once = self._handler_at_once(answer, expected)

        async def handle_call(call: Call) -> None:
            try:
                may_answer = await self._journal.may_answer()
            except (DeposedError, BrokenLogError):
                return  # the journal's own proof raises the same, and ends the term
            if may_answer:
                await at_once(call)

        return handle_call

    def _handler_at_once(self, answer: Answer, expected: type[msgspec.Struct]) -> Handler:
        async def handle_call(call: Call) -> None:
            try:
                answered = await answer(call.body)
            except msgspec.DecodeError as error:
                answered = decode_refusal(error, [expected])
            except Exception:
                # A handler that raises sends no reply, and the caller waits for its timeout.
                self._logger.exception("not_answered", command=expected.__name__)
                answered = Failed(code="internal", message="see the balancer's log")
            await self._send_answer(call, answered)

        return handle_call

    async def _send_answer(self, call: Call, answer: Reply) -> None:
        await send_reply(self._client, call, answer)


def _command_objection(command: BalancerAdmin, known: Collection[str] | None) -> str | None:
    """Say what no server, and no service type, can be as the command has it; None: all can."""
    match command:
        case PutServer():
            name, types = "capabilities", command.server.capabilities
            if objection := server_objection(command.server):
                return objection
        case SetStrategy() if command.strategy and command.service_type:
            name, types = "service_type", [command.service_type]
        case _:
            return None
    if known is None or (objection := service_type_objection(types, known)) is None:
        return None
    return f"{name}: {objection}"


def _event_target(event: BalancerEvent) -> str:
    """Name what an administrative event changed."""
    server = getattr(event, "server", None)
    if server is not None:
        return str(server.server_id)
    named = getattr(event, "server_id", "") or getattr(event, "strategy", "")
    return str(named or getattr(event, "digest", ""))
