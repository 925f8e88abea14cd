"""The bus of the simulation: one connection of one process to the hub, with all that may befall it.

What a process sends, and what it is sent, travels in order and takes a while. A connection may be
*held* (whatever is on its way arrives later, as when packets are lost) or *cut* (whatever is on its
way is lost, and what is published meanwhile goes over the next connection, as nats-py does it).
Single messages may be lost, late or repeated: see `Noise`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from tests.simulation.pool.hub import NO_RESPONDERS, Hub, Message
from tests.simulation.pool.loop import Life, SimulatedLoop

_RECONNECT_S = 0.2
_PENDING_MAX = 1000

Act = Callable[..., object]


class SimulatedSubscription:
    """Interest in one subject; a callback takes one message after the other."""

    def __init__(
        self, bus: "SimulatedBus", subject: str, cb: Callable[[Msg], Awaitable[None]] | None
    ) -> None:
        self.subject = subject
        self.bus = bus
        self.closed = False
        self._cb = cb
        self._arrived: deque[Msg] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._worker: asyncio.Task[None] | None = None

    def take(self, message: Message) -> None:
        """A message arrives; what comes after the end is dropped."""
        if self.closed:
            return
        self._arrived.append(self.bus.as_msg(message))
        if self._cb is not None:
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._call_back())
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next_msg(self, timeout: float | None = 1.0) -> Msg:  # noqa: ASYNC109 (nats-py's)
        """Wait for the next message."""
        try:
            async with asyncio.timeout(timeout):
                while not self._arrived:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
                return self._arrived.popleft()
        except TimeoutError:
            raise NatsTimeoutError from None

    async def unsubscribe(self, limit: int = 0) -> None:
        """Want no more; what had arrived is dropped."""
        del limit
        self.closed = True
        self._arrived.clear()
        self.bus.forget(self)

    async def drain(self) -> None:
        """Want no more; return once what had arrived is handled."""
        self.bus.forget(self)
        await self.bus.flush()
        if self._worker is not None:
            await asyncio.wait({self._worker})
        self.closed = True

    async def _call_back(self) -> None:
        assert self._cb is not None
        while self._arrived:
            await self._cb(self._arrived.popleft())


class SimulatedBus:
    """One connection; it comes back by itself, however long it takes."""

    def __init__(self, loop: SimulatedLoop, hub: Hub, life: Life, user: str) -> None:
        self.life = life
        self.hub = hub
        self.is_connected = True
        self.on_loss: Callable[[], object] = lambda: None
        self.on_return: Callable[[], object] = lambda: None
        self.inbox = f"_INBOX_{user}.{life.number}"
        self.subscriptions: dict[SimulatedSubscription, None] = {}
        self.unreachable = False
        """The hub cannot be reached: a connection that is lost is not made again."""
        self._loop = loop
        self._held = False
        self._connection = 0
        self._inboxes = 0
        self._up_at = self._down_at = 0.0
        self._held_up: list[tuple[Act, tuple[Any, ...]]] = []
        self._held_down: list[tuple[Act, tuple[Any, ...]]] = []
        self._pending: list[tuple[Act, tuple[Any, ...]]] = []
        self._requests: dict[str, asyncio.Future[Message]] = {}
        hub.buses[self.inbox] = self

    # ------------------------------------------------- what nats-py's client offers

    def new_inbox(self) -> str:
        """Make a subject that nobody else has."""
        self._inboxes += 1
        return f"{self.inbox}.{self._inboxes}"

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        """Send to everybody who listens."""
        self.hub.witness.on_published(self.life, subject, payload)
        self.send_up(self.hub.route, Message(subject, payload, reply))

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 (nats-py's)
        *,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Send, and wait for the first answer."""
        del headers
        inbox = self.new_inbox()
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._requests[inbox] = answer
        timer = self._loop.call_later(timeout, _time_out, answer)
        self.send_up(self.hub.route, Message(subject, payload, inbox))
        try:
            message = await answer
        finally:
            timer.cancel()
            del self._requests[inbox]
        if message.status == NO_RESPONDERS:
            raise NoRespondersError
        return self.as_msg(message)

    async def subscribe(
        self, subject: str, *, cb: Callable[[Msg], Awaitable[None]] | None = None
    ) -> SimulatedSubscription:
        """Listen; the hub hears of it on its way."""
        subscription = SimulatedSubscription(self, subject, cb)
        self.subscriptions[subscription] = None
        self.send_up(self.hub.subscribe, subscription)
        return subscription

    async def flush(self, timeout: float = 10) -> None:  # noqa: ASYNC109 (nats-py's)
        """Return once the hub has seen what was sent before."""
        await self.ask_hub(lambda answer: answer(None), timeout)

    # ------------------------------------------------------------------ the way

    async def ask_hub(self, act: Act, within_s: float, *args: Any, late_s: float = 0.0) -> Any:
        """Have the hub do something, which is given a function to answer by.

        `late_s`: so much later than anything else that is sent. Raises nats-py's `TimeoutError`.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        timer = self._loop.call_later(within_s, _time_out, answer)

        def respond(result: Any) -> None:
            self.hub.noise.carry(self._loop, self.send_down, _set_result, answer, result)

        if late_s:
            # Of the world: it is under way whatever becomes of its sender.
            way = self._loop.world.context
            self._loop.call_later(late_s, self.send_up, act, respond, *args, context=way)
        else:
            self.send_up(act, respond, *args)
        try:
            return await answer
        finally:
            timer.cancel()

    def send_up(self, act: Act, *args: Any) -> None:
        """Have something done at the hub."""
        if not self.is_connected:
            if len(self._pending) < _PENDING_MAX:
                self._pending.append((act, args))
        elif self._held:
            self._held_up.append((act, args))
        else:
            self._up_at = max(self._up_at, self._loop.time() + self.hub.noise.latency_s())
            context = self.hub.life.context
            self._loop.call_at(
                self._up_at, self._arrive, self._connection, act, args, context=context
            )

    def send_down(self, act: Act, *args: Any) -> None:
        """Have something done at this process."""
        if self._held:
            self._held_down.append((act, args))
        else:
            self._down_at = max(self._down_at, self._loop.time() + self.hub.noise.latency_s())
            context = self.life.context
            self._loop.call_at(
                self._down_at, self._arrive, self._connection, act, args, context=context
            )

    def deliver(self, message: Message) -> None:
        """An answer to a request arrives; whoever does not wait any more hears nothing."""
        answer = self._requests.get(message.subject)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def as_msg(self, message: Message) -> Msg:
        """A message as nats-py shows it."""
        headers = dict(message.headers)
        if message.status:
            headers["Status"] = message.status
        return Msg(
            _client=self,  # type: ignore[arg-type]
            subject=message.subject,
            reply=message.reply,
            data=message.body,
            headers=headers or None,
        )

    def forget(self, subscription: SimulatedSubscription) -> None:
        """Tell the hub that nobody listens any more."""
        if self.subscriptions.pop(subscription, 0) is None:
            self.send_up(self.hub.unsubscribe, subscription)

    def _arrive(self, connection: int, act: Act, args: tuple[Any, ...]) -> None:
        if connection == self._connection:
            act(*args)

    # ----------------------------------------------------------------- misfortune

    def hold(self) -> None:
        """Let nothing arrive for now, in either direction."""
        self._held = True

    def release(self) -> None:
        """Let arrive what was held, in its order."""
        self._held = False
        up, self._held_up = self._held_up, []
        down, self._held_down = self._held_down, []
        for act, args in up:
            self.send_up(act, *args)
        for act, args in down:
            self.send_down(act, *args)

    def cut(self) -> None:
        """Lose what is on its way in either direction, and connect anew when there is a way."""
        if not self.is_connected:
            return
        self.is_connected = False
        self._connection += 1
        self._held_up, self._held_down = [], []
        self.hub.drop_bus(self)
        self._loop.call_soon(self.on_loss, context=self.life.context)
        self._loop.call_later(_RECONNECT_S, self._reconnect, context=self.life.context)

    def end(self) -> None:
        """Its process is dead: what was sent arrives, and then the hub sees the end of it."""
        self._held_up.clear()
        self.send_up(self.hub.drop_bus, self)

    def _reconnect(self) -> None:
        if self.unreachable or not self.hub.up:
            self._loop.call_later(_RECONNECT_S, self._reconnect)
            return
        self.is_connected = True
        self._up_at = self._down_at = self._loop.time()
        for subscription in self.subscriptions:
            self.send_up(self.hub.subscribe, subscription)
        pending, self._pending = self._pending, []
        for act, args in pending:
            self.send_up(act, *args)
        self.on_return()


def _time_out(answer: "asyncio.Future[Any]") -> None:
    if not answer.done():
        answer.set_exception(NatsTimeoutError())


def _set_result(answer: "asyncio.Future[Any]", result: Any) -> None:
    if not answer.done():
        answer.set_result(result)
