"""Who of a key is let in when its clients leave all the time, and who waits."""

import asyncio

import pytest

from contracts.base import KeyId
from contracts.gateway import KeyBounds
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.domain import leavers
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.entry.admission import Admission
from services.gateway.relay.entry.queue import CallQueue
from tests.waiting import settle, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def key_named(name: str) -> Key:
    return Key(
        key_id=KeyId(name),
        name=name,
        scope=KeyScope.CLIENT,
        bounds=KeyBounds(),
        hash="h",
        revoked=False,
    )


KEY, OTHER = key_named("one"), key_named("other")


@pytest.fixture
def admission(monkeypatch: pytest.MonkeyPatch) -> Admission:
    """Let a key have two calls to abandon yet, and let time give none back."""
    monkeypatch.setattr(leavers, "PER_SECOND", 1e-9)
    made = Admission(lambda: 60)
    for _ in range(int(leavers.ABANDONED_AT_ONCE) - 2):
        made.count_abandoned(KEY.key_id)
    return made


async def test_each_makes_room_for_the_next_by_being_sent(admission: Admission) -> None:
    came: list[int] = []

    async def enter(number: int) -> None:
        await admission.enter(KEY)
        came.append(number)

    entering = [asyncio.ensure_future(enter(number)) for number in range(5)]
    await settle()

    assert came == [0, 1]

    await admission.enter(OTHER)
    for sent in range(3):
        admission.leave(KEY.key_id)
        await settle()
        assert came == list(range(3 + sent))
    await asyncio.gather(*entering)


async def test_who_leaves_while_it_waits_takes_nothing_from_those_behind(
    admission: Admission,
) -> None:
    for _ in range(2):
        await admission.enter(KEY)
    leaving = [asyncio.ensure_future(admission.enter(KEY)) for _ in range(1000)]
    staying = asyncio.ensure_future(admission.enter(KEY))
    await settle()
    for task in leaving:
        task.cancel()
    await settle()
    (queue,) = admission._queues.values()

    assert (len(queue), len(queue._waiters)) == (1, 1)

    admission.leave(KEY.key_id)
    await staying


async def test_who_leaves_as_it_is_called_in_hands_its_place_on(admission: Admission) -> None:
    for _ in range(2):
        await admission.enter(KEY)
    leaving = asyncio.ensure_future(admission.enter(KEY))
    staying = asyncio.ensure_future(admission.enter(KEY))
    await settle()

    admission.leave(KEY.key_id)
    leaving.cancel()

    await staying

    assert leaving.cancelled()


async def test_a_lease_that_was_used_lets_one_more_in(admission: Admission) -> None:
    for _ in range(2):
        await admission.enter(KEY)
    waiting = asyncio.ensure_future(admission.enter(KEY))
    await settle()

    assert not waiting.done()

    admission.count_used(KEY.key_id)
    await waiting


async def test_time_lets_the_next_one_in_and_the_queue_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leavers, "PER_SECOND", 100.0)
    admission = Admission(lambda: 60)
    for _ in range(2 * int(leavers.ABANDONED_AT_ONCE)):
        admission.count_abandoned(KEY.key_id)

    await asyncio.gather(*[admission.enter(KEY) for _ in range(5)])
    await until(lambda: not admission._queues)


async def test_nobody_waits_longer_than_a_call_may_last(admission: Admission) -> None:
    admission._call_max_s = lambda: 0.01
    for _ in range(2):
        await admission.enter(KEY)

    with pytest.raises(GatewayError, match=r"waited 0\.01 s") as turned_away:
        await admission.enter(KEY)

    assert turned_away.value.http_status == 429
    admission.leave(KEY.key_id)
    await admission.enter(KEY)


async def test_calls_are_called_in_as_they_came_and_one_that_left_is_passed_over() -> None:
    queue = CallQueue[None](lambda _: None)
    waiters = [queue.join() for _ in range(3)]
    waiters[0].cancel()

    assert queue.call_next(None)
    assert [waiter.done() for waiter in waiters] == [True, True, False]
    assert queue.call_next(None)
    assert not queue.call_next(None)
    assert len(queue) == 0
