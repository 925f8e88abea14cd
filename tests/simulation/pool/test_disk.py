"""A crash of the simulated server keeps exactly what was synced."""

import asyncio
from random import Random

import pytest

from runtime.eventlog import OutcomeUnknownError
from tests.simulation.pool.bus import SimulatedBus
from tests.simulation.pool.hub import Hub
from tests.simulation.pool.log import SimulatedLog
from tests.simulation.pool.loop import SimulatedLoop
from tests.simulation.pool.witness import Notes

SUBJECT = "evt.pool.0"


async def append_many(log: SimulatedLog, acknowledged: list[int]) -> None:
    """Append one behind the other, and keep what is acknowledged."""
    while True:
        after = acknowledged[-1] if acknowledged else 0
        acknowledged.append(await log.append_after(SUBJECT, b"%d" % after, after))


@pytest.mark.parametrize("seed", range(30))
def test_crash_keeps_what_was_synced_and_at_most_what_was_being_synced(seed: int) -> None:
    """Whatever was acknowledged is there; one more may be, for which no answer came."""
    chance = Random(seed)
    loop = SimulatedLoop(chance)
    hub = Hub(loop, chance, Notes(loop))
    acknowledged: list[int] = []

    async def law() -> None:
        life = loop.begin_life("writer")
        log = SimulatedLog(SimulatedBus(loop, hub, life, "test"))
        task = loop.start_task(life, append_many(log, acknowledged))
        await asyncio.sleep(0.05 + 0.1 * chance.random())
        hub.crash()
        with pytest.raises(OutcomeUnknownError):
            await task

    loop.run_until(loop.create_task(law(), context=loop.world.context), 100_000)
    loop.dispose()

    stored = [each.sequence for each in hub.disk.stored]
    assert len(acknowledged) > 5
    assert stored[: len(acknowledged)] == acknowledged
    assert len(stored) - len(acknowledged) in {0, 1}
