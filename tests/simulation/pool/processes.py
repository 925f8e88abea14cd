"""The processes of a run: pools and gateways, put together as their composition roots do it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from nats.aio.msg import Msg

from contracts import subjects
from contracts.base import Failed, GatewayId, WriterId
from contracts.envelope import Envelope
from contracts.events import UnknownEvent
from contracts.pool import LeaseAnswers, LeaseSessions
from runtime.clock import system_clock
from runtime.nats.broker import Call
from runtime.nats.connection import Outage
from services.gateway.relay.coalescer import Coalescer, PoolCoalescer
from services.gateway.relay.grants import Grants
from services.gateway.relay.usages import Outbox
from services.pool import app
from services.pool.settings import Settings
from tests.simulation.pool.bus import SimulatedBus, SimulatedSubscription
from tests.simulation.pool.hub import Hub
from tests.simulation.pool.log import SimulatedLog
from tests.simulation.pool.loop import Life, SimulatedLoop
from tests.simulation.pool.witness import Notes

KEYS = ("master", "identity")
PATIENCE_S = 10.0
"""`failover_wait`."""
_lease_decoder = msgspec.json.Decoder(LeaseAnswers | Failed)

Take = Callable[[Call], Awaitable[None]]


class SimulatedDoor:
    """A door of the pool without FastStream."""

    def __init__(self, bus: SimulatedBus, notes: Notes, subject: str, take: Take) -> None:
        self._bus = bus
        self._notes = notes
        self._subject = subject
        self._take = take
        self._subscription: SimulatedSubscription | None = None

    async def open(self) -> None:
        """Let calls in."""
        self._subscription = await self._bus.subscribe(self._subject, cb=self._on_message)

    async def drain(self) -> None:
        """Let no more in, having taken in what had arrived."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.drain()

    async def close(self) -> None:
        """Let no more in."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
            self._subscription = None

    async def _on_message(self, message: Msg) -> None:
        self._notes.on_taken(self._bus.life, message.reply)
        await self._take(Call(message.reply, message.data))


class Logger:
    """Writes into the trace what a process logs."""

    def __init__(self, notes: Notes, life: Life) -> None:
        self._notes = notes
        self._life = life

    def _write(self, level: str, event: str, said: dict[str, Any]) -> None:
        self._notes.on_logged(self._life, level, event, said)

    def info(self, event: str, **said: Any) -> None:
        self._write("info", event, said)

    def warning(self, event: str, **said: Any) -> None:
        self._write("warning", event, said)

    def error(self, event: str, **said: Any) -> None:
        self._write("error", event, said)

    def exception(self, event: str, **said: Any) -> None:
        self._write("exception", event, said)


class PoolProcess:
    """One place for a pool process; each start is another life."""

    def __init__(
        self,
        loop: SimulatedLoop,
        hub: Hub,
        notes: Notes,
        name: str,
        load: Callable[[], Settings],
        *,
        unknown_tags: frozenset[str] = frozenset(),
    ) -> None:
        """`unknown_tags`: it is of an older version, which does not know these events."""
        self.name = name
        self.unknown_tags = unknown_tags
        self.starts = 0
        self._loop = loop
        self._hub = hub
        self._notes = notes
        self._load = load
        self.life: Life | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs; it may have ended in good order."""
        return self.life is not None and not self.life.dead and not self.task.done()

    def start(self) -> None:
        """Begin a life, with nothing but what the log and the bucket hold."""
        self.starts += 1
        self.life = life = self._loop.begin_life(f"{self.name}-{self.starts}")
        self._notes.note(f"start {life}")
        self.bus = SimulatedBus(self._loop, self._hub, life, "pool")
        self._stop = asyncio.Event()
        self.task = self._loop.start_task(life, self._serve(life))

    async def _serve(self, life: Life) -> None:
        edges = app.PoolEdges(
            bus=self.bus,
            log=SimulatedLog(self.bus),
            make_door=lambda subject, take: SimulatedDoor(self.bus, self._notes, subject, take),
            now=system_clock,
            writer_id=WriterId(life.name),
        )
        logger: Any = Logger(self._notes, life)
        self.parts = parts = app.assemble_parts(edges, self._load, keys=KEYS, logger=logger)
        if self.unknown_tags:
            parts.ledger.apply = forgetful_fold(parts.ledger.apply, self.unknown_tags, life.name)  # type: ignore[method-assign]
        await app.serve_parts(parts, self._stop, 0)

    @property
    def leads(self) -> bool:
        """Whether it leads, for all it knows."""
        return self.alive and hasattr(self, "parts") and self.parts.leadership.leading

    def stop(self) -> None:
        """Ask it to end in good order."""
        if self.life is not None:
            self._loop.call_soon(self._stop.set, context=self.life.context)

    def crash(self, *, noticed: bool = True) -> None:
        """Kill it; not `noticed`: its machine is gone, and the hub thinks it is there."""
        if self.life is not None:
            self._notes.note(f"crash {self.life}")
            self._loop.crash(self.life)
            if noticed:
                self.bus.end()


def forgetful_fold(
    apply: Callable[[int, Envelope], None], unknown: frozenset[str], writer: str
) -> Callable[[int, Envelope], None]:
    """Fold as a version does that does not know some events of others'."""

    def apply_known(sequence: int, envelope: Envelope) -> None:
        if envelope.writer == writer:
            return apply(sequence, envelope)
        events = [
            UnknownEvent(tag=tag, raw=msgspec.json.encode(event))
            if (tag := str(type(event).__struct_config__.tag)) in unknown
            else event
            for event in envelope.events
        ]
        return apply(sequence, msgspec.structs.replace(envelope, events=events))

    return apply_known


class GatewayProcess:
    """One place for a gateway: its coalescer, its outbox, and the grants it waits for."""

    def __init__(self, loop: SimulatedLoop, hub: Hub, notes: Notes, name: str) -> None:
        self.name = name
        self.starts = 0
        self.life: Life | None = None
        self._loop = loop
        self._hub = hub
        self._notes = notes

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.life is not None and not self.life.dead

    def start(self) -> None:
        """Begin a life, with nothing at all."""
        self.starts += 1
        self.life = life = self._loop.begin_life(f"{self.name}-{self.starts}")
        self._notes.note(f"start {life}")
        self.bus = SimulatedBus(self._loop, self._hub, life, "gateway")
        self.gateway_id = GatewayId(life.name)
        outage = Outage()
        self.bus.on_loss, self.bus.on_return = outage.note_loss, outage.note_return
        self.outbox = Outbox(self.bus, self.gateway_id, Logger(self._notes, life))  # type: ignore[arg-type]
        self.pool: PoolCoalescer = Coalescer(
            self.bus,
            subjects.pool_lease(),
            lambda items: LeaseSessions(items=items),
            _lease_decoder,
            lambda: PATIENCE_S,
            outage,
        )
        self.grants = Grants(self.bus)
        self._loop.start_task(life, self._serve())

    async def _serve(self) -> None:
        await self.bus.subscribe(subjects.pool_leads(), cb=self.pool.leader_heard)
        granted = subjects.gateway_granted(self.gateway_id)
        await self.bus.subscribe(granted, cb=self.grants.take_delivery)
        await self.outbox.run()

    def stop_waiting(self) -> None:
        """Begin to end in good order: nobody waits any more."""
        if self.life is not None:
            self._notes.note(f"stop {self.life}")
            self._loop.call_soon(self.grants.close, context=self.life.context)

    def crash(self, *, noticed: bool = True) -> None:
        """Kill it, and with it every call and every usage it had."""
        if self.life is not None:
            self._notes.note(f"crash {self.life}")
            self._loop.crash(self.life)
            if noticed:
                self.bus.end()
