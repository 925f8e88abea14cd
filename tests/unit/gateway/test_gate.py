"""Calls are let in a few at a time, unless more come than can be served."""

import asyncio

import pytest

from services.gateway.domain.crowd import CALM_S, PATIENCE_S, Crowd
from services.gateway.relay.entry.gate import WIDTH, Gate, GatePlace
from tests.waiting import settle, until


def crowd_open() -> Crowd:
    """Make one that has been crowded for long enough, at second 1."""
    crowd = Crowd(WIDTH)
    crowd.note_count(WIDTH + 1, 1 - PATIENCE_S)
    crowd.note_count(WIDTH + 1, 1)
    assert crowd.gate_open
    return crowd


def test_a_crowd_opens_it_after_a_while_and_a_wave_does_not() -> None:
    crowd = Crowd(WIDTH)
    for wave in range(20):
        crowd.note_count(256, wave * 0.2)
        crowd.note_count(1, wave * 0.2 + 0.1)
        assert not crowd.gate_open

    crowd.note_count(256, 5)
    crowd.note_count(40, 5 + PATIENCE_S / 2)
    assert not crowd.gate_open
    crowd.note_count(40, 5 + PATIENCE_S)
    assert crowd.gate_open


def test_the_first_calm_closes_it_though_nobody_came_or_went_meanwhile() -> None:
    crowd = crowd_open()

    crowd.note_count(WIDTH, 2)
    crowd.note_count(WIDTH + 1, 2 + CALM_S / 2)

    assert crowd.gate_open

    crowd.note_count(WIDTH, 3)
    crowd.note_count(256, 3.2)
    assert not crowd.gate_open


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def entered(gate: Gate, came: list[int], number: int) -> GatePlace:
    place = await gate.enter()
    came.append(number)
    return place


@pytest.mark.anyio
async def test_a_wave_goes_in_a_few_at_a_time_in_its_order() -> None:
    gate = Gate()
    came: list[int] = []
    wave = [asyncio.ensure_future(entered(gate, came, number)) for number in range(3 * WIDTH)]
    await settle()

    assert came == [*range(WIDTH)]

    for gone in range(2 * WIDTH):
        gate.leave(await wave[gone])
        await settle()
        assert came == [*range(WIDTH + 1 + gone)]

    assert all(task.done() for task in wave)


@pytest.mark.anyio
async def test_who_leaves_the_queue_lets_nobody_in_in_its_place() -> None:
    gate = Gate()
    came: list[int] = []
    tasks = [asyncio.ensure_future(entered(gate, came, number)) for number in range(WIDTH + 3)]
    await settle()

    tasks[WIDTH].cancel()
    await settle()

    assert len(came) == WIDTH

    gate.leave(await tasks[0])
    tasks[WIDTH + 1].cancel()
    await settle()

    assert came == [*range(WIDTH), WIDTH + 2]
    assert all(task.done() for task in tasks)


@pytest.mark.anyio
async def test_it_opens_by_itself_while_those_inside_wait_for_a_silent_pool() -> None:
    gate = Gate()
    came: list[int] = []
    wave = [asyncio.ensure_future(entered(gate, came, number)) for number in range(3 * WIDTH)]

    await until(lambda: len(came) == 3 * WIDTH)
    await asyncio.gather(*wave)


@pytest.mark.anyio
async def test_who_hangs_inside_keeps_nobody_outside_for_long() -> None:
    gate = Gate()
    hanging = [await gate.enter() for _ in range(WIDTH)]
    await asyncio.sleep(2 * PATIENCE_S)

    for number in range(5):
        came: list[int] = []
        call = asyncio.ensure_future(entered(gate, came, number))
        await settle()
        assert came == [number]
        gate.leave(await call)

    again = [await gate.enter() for _ in range(WIDTH)]
    for place in hanging:
        gate.leave(place)
    late = asyncio.ensure_future(gate.enter())
    await settle()
    assert not late.done(), "a place that was taken away is given back a second time"
    gate.leave(again[0])
    gate.leave(await late)


@pytest.mark.anyio
async def test_one_behind_those_who_hang_goes_in_and_opens_it_for_nobody_else() -> None:
    gate = Gate()
    hanging = [await gate.enter() for _ in range(WIDTH)]

    place = await gate.enter()

    gate.leave(place)
    await asyncio.sleep(2 * CALM_S)
    filling = [await gate.enter() for _ in range(WIDTH)]
    late = asyncio.ensure_future(gate.enter())
    await settle()

    assert not late.done()
    for each in hanging:
        gate.leave(each)
    gate.leave(filling[0])
    gate.leave(await late)


@pytest.mark.anyio
async def test_who_comes_as_the_hanging_lose_their_places_stands_behind_those_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop was busy: newcomers run before the gate looks by itself."""
    now_s = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    gate = Gate()
    came: list[int] = []
    for _ in range(WIDTH):
        await gate.enter()
    now_s += PATIENCE_S * 0.75
    waiting = [asyncio.ensure_future(entered(gate, came, number)) for number in range(WIDTH + 1)]
    await settle()
    now_s += PATIENCE_S * 0.5
    newcomer = asyncio.ensure_future(entered(gate, came, WIDTH + 1))
    await settle()

    assert came == [*range(WIDTH)]

    for gone in range(2):
        gate.leave(await waiting[gone])
    await newcomer
    assert came == [*range(WIDTH + 2)]
