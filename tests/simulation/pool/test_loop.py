"""The simulation's own loop: order, time, pauses and crashes."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from tests.simulation.pool.loop import Life, SimulatedLoop

Law = Callable[[SimulatedLoop], Awaitable[None]]


def run_law(law: Law, seed: int = 1) -> SimulatedLoop:
    """Let a law come to its end."""
    loop = SimulatedLoop(Random(seed))

    async def main() -> None:
        await law(loop)

    try:
        loop.run_until(loop.create_task(main(), context=loop.world.context), 100_000)
    finally:
        loop.dispose()
    return loop


def test_time_jumps_to_the_next_timer() -> None:
    async def law(loop: SimulatedLoop) -> None:
        await asyncio.sleep(86_400)

        assert loop.time() == 86_400

    run_law(law)


async def count_to(three: list[str], name: str) -> None:
    for number in range(3):
        three.append(f"{name}{number}")
        await asyncio.sleep(0)


def order_of(seed: int) -> list[str]:
    """Two processes count at once."""
    said: list[str] = []

    async def law(loop: SimulatedLoop) -> None:
        lives = [loop.begin_life(name) for name in "ab"]
        await asyncio.wait([loop.start_task(life, count_to(said, life.name)) for life in lives])

    run_law(law, seed)
    return said


def test_seed_chooses_among_processes_and_each_keeps_its_order() -> None:
    orders = {tuple(order_of(seed)) for seed in range(20)}

    assert len(orders) > 3
    assert order_of(7) == order_of(7)
    for order in orders:
        assert [word for word in order if word[0] == "a"] == ["a0", "a1", "a2"]


def test_paused_process_does_nothing_until_it_goes_on_and_then_what_had_come_due() -> None:
    moments: list[float] = []

    async def tick(loop: SimulatedLoop) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            moments.append(loop.time())

    async def law(loop: SimulatedLoop) -> None:
        life = loop.begin_life("paused")
        task = loop.start_task(life, tick(loop))
        await asyncio.sleep(1.5)
        loop.pause(life)
        await asyncio.sleep(10)

        assert moments == [1]
        loop.resume(life)
        await asyncio.wait({task})
        assert moments == [1, 11.5, 12.5]

    run_law(law)


def test_crashed_process_has_no_last_word() -> None:
    said: list[str] = []

    async def speak() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            said.append("last word")

    async def law(loop: SimulatedLoop) -> None:
        life = loop.begin_life("crashed")
        loop.start_task(life, speak())
        await asyncio.sleep(1)
        loop.crash(life)
        await asyncio.sleep(10)

        assert said == []

    run_law(law)


def test_what_a_process_starts_is_its_own() -> None:
    lives: list[Life] = []

    async def law(loop: SimulatedLoop) -> None:
        life = loop.begin_life("parent")

        async def child() -> None:
            await asyncio.sleep(100)
            lives.append(life)

        async def parent() -> None:
            loop.create_task(child())
            await asyncio.sleep(0)

        await asyncio.wait({loop.start_task(life, parent())})
        loop.crash(life)
        await asyncio.sleep(200)

        assert lives == []

    run_law(law)


def test_error_that_nobody_catches_is_kept() -> None:
    async def law(loop: SimulatedLoop) -> None:
        loop.call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    loop = run_law(law)

    assert ["ZeroDivisionError" in fault for fault in loop.faults] == [True]


def test_loop_that_spins_is_told() -> None:
    async def law(_: SimulatedLoop) -> None:
        while True:  # noqa: ASYNC110 (spinning is what is tried)
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="something spins"):
        run_law(law)
