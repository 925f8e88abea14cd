"""What befalls a run: drawn from its seed beforehand, carried out by the world.

Everything is undone by the end of the plan: who crashed is started, who was held is let go.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from contracts.subjects import pool_ping
from tests.simulation.pool.bus import SimulatedBus
from tests.simulation.pool.hub import Hub
from tests.simulation.pool.loop import Life, SimulatedLoop
from tests.simulation.pool.processes import GatewayProcess, PoolProcess
from tests.simulation.pool.witness import Notes

Process = PoolProcess | GatewayProcess
Fault = Callable[[], Awaitable[None]]
_STEPS_S = (-86_400.0, -3600.0, -5.0, 5.0, 60.0, 3600.0, 86_400.0)
_SMALL_STEPS_S = (-3.0, -0.5, 0.5, 3.0)


class Misfortune:
    """Every fault there is, over the processes of one run."""

    def __init__(
        self,
        loop: SimulatedLoop,
        hub: Hub,
        notes: Notes,
        chance: Random,
        pools: list[PoolProcess],
        gateways: list[GatewayProcess],
        *,
        lasting: bool,
    ) -> None:
        """`lasting`: also what no quiet mends, such as a clock that is a day ahead."""
        self._loop = loop
        self._hub = hub
        self._notes = notes
        self._chance = chance
        self._pools = pools
        self._gateways = gateways
        self._lasting = lasting
        self.restart_gateway: Callable[[GatewayProcess], object] = GatewayProcess.start
        self._faults: list[tuple[Fault, int]] = [
            (self._crash_pool, 6),
            (self._pause_leader, 6),
            (self._hold_leader, 5),
            (self._stop_pool, 2),
            (self._pause_someone, 3),
            (self._hold_someone, 3),
            (self._cut_someone, 4),
            (self._crash_gateway, 2),
            (self._stop_gateway, 1),
            (self._crash_hub, 2),
            (self._pause_hub, 2),
            (self._slow_disk, 2),
            (self._fill_disk, 1),
            (self._step_clock, 3),
            (self._make_noise, 8),
            (self._mute_pings, 3),
        ]

    async def befall(self, seconds: float) -> None:
        """Let one fault come after the other, and some at once, for so long; then undo them all."""
        loop, chance = self._loop, self._chance
        kinds, weights = zip(*self._faults, strict=True)
        ends = loop.time() + seconds
        running: list[asyncio.Task[None]] = []
        while loop.time() < ends:
            await asyncio.sleep(chance.expovariate(1.6))
            fault = chance.choices(kinds, weights)[0]
            running.append(loop.create_task(_carry_out(fault)))
        await asyncio.gather(*running)
        self._hub.noise.hush()

    # ----------------------------------------------------------------- what it may be

    def _span_s(self) -> float:
        """Draw how long it lasts: a moment, or long enough for another to be elected."""
        return self._chance.choice([0.05, 0.3, 1.0, 1.5, 2.5]) * (0.5 + self._chance.random())

    def _leader(self) -> PoolProcess:
        """The process that leads, or any."""
        leading = [pool for pool in self._pools if pool.leads]
        return self._chance.choice(leading or self._pools)

    def _someone(self) -> Process:
        return self._chance.choice([*self._pools, *self._gateways])

    async def _crash_pool(self) -> None:
        pool = self._leader() if self._chance.random() < 0.7 else self._chance.choice(self._pools)
        if pool.alive:
            pool.crash(noticed=self._chance.random() < 0.7)
            await asyncio.sleep(self._span_s())
        if not pool.alive:
            pool.start()

    async def _stop_pool(self) -> None:
        pool = self._leader()
        if not pool.alive:
            return
        task, life = pool.task, pool.life
        self._notes.note(f"stop {life}")
        pool.stop()
        await asyncio.wait({task}, timeout=self._span_s())
        # It may have been crashed and started meanwhile: then it is another life.
        if pool.life is life:
            if pool.alive:
                pool.crash()
            else:
                pool.bus.end()
            pool.start()

    async def _crash_gateway(self) -> None:
        gateway = self._chance.choice(self._gateways)
        if gateway.alive:
            gateway.crash(noticed=self._chance.random() < 0.7)
            await asyncio.sleep(self._span_s())
            self.restart_gateway(gateway)

    async def _stop_gateway(self) -> None:
        """Ask a gateway to end: who waits there is answered, and soon it is gone."""
        gateway = self._chance.choice(self._gateways)
        life = gateway.life
        if gateway.alive:
            gateway.stop_waiting()
            await asyncio.sleep(self._span_s())
            if gateway.life is life and gateway.alive:
                gateway.crash()
                self.restart_gateway(gateway)

    async def _pause_leader(self) -> None:
        await self._pause(self._leader().life)

    async def _pause_someone(self) -> None:
        await self._pause(self._someone().life)

    async def _pause_hub(self) -> None:
        await self._pause(self._hub.life)

    async def _pause(self, life: Life | None) -> None:
        assert life is not None
        self._notes.note(f"pause {life}")
        self._loop.pause(life)
        await asyncio.sleep(self._span_s())
        self._notes.note(f"resume {life}")
        self._loop.resume(life)

    async def _hold_leader(self) -> None:
        await self._hold(self._leader().bus)

    async def _hold_someone(self) -> None:
        await self._hold(self._someone().bus)

    async def _hold(self, bus: SimulatedBus) -> None:
        self._notes.note(f"hold {bus.life}")
        bus.hold()
        await asyncio.sleep(self._span_s())
        self._notes.note(f"release {bus.life}")
        bus.release()

    async def _cut_someone(self) -> None:
        bus = self._someone().bus
        self._notes.note(f"cut {bus.life}")
        bus.unreachable = True
        bus.cut()
        if self._chance.random() < 0.6:
            await asyncio.sleep(self._span_s())
        bus.unreachable = False

    async def _crash_hub(self) -> None:
        if self._hub.up:
            self._notes.note("crash nats")
            self._hub.crash()
            await asyncio.sleep(self._span_s())
            self._notes.note("start nats")
            self._hub.start()

    async def _slow_disk(self) -> None:
        self._hub.disk.slowness = self._chance.choice([30.0, 300.0, 1000.0])
        self._notes.note(f"slow {self._hub.disk.slowness}")
        await asyncio.sleep(self._span_s())
        self._hub.disk.slowness = 1.0

    async def _fill_disk(self) -> None:
        self._notes.note("full")
        self._hub.disk.full = True
        await asyncio.sleep(self._span_s())
        self._hub.disk.full = False

    async def _step_clock(self) -> None:
        """Set a clock; a wrong one is mended only where that is enough for all to be well."""
        life = self._someone().life
        assert life is not None
        step_s = self._chance.choice(_STEPS_S if self._lasting else _SMALL_STEPS_S)
        self._notes.note(f"clock {life} {step_s}")
        life.clock_offset += step_s

    async def _make_noise(self) -> None:
        noise, chance = self._hub.noise, self._chance
        noise.lost, noise.late, noise.repeated = (
            chance.choice([0.0, 0.02, 0.1, 0.3]) for _ in range(3)
        )
        self._notes.note(f"noise {noise.lost} {noise.late} {noise.repeated}")
        await asyncio.sleep(self._span_s())
        noise.hush()

    async def _mute_pings(self) -> None:
        """Let standbys hear nothing of a leader that is there: then there are two."""
        subject = pool_ping()
        self._notes.note("mute pings")
        self._hub.muted.add(subject)
        await asyncio.sleep(1.2 + self._chance.random())
        self._hub.muted.discard(subject)


async def _carry_out(fault: Fault) -> None:
    await fault()
