"""What processes may rely on between them: over nats-server, and on the simulation's bus alike."""

import asyncio

import pytest
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from runtime.nats.broker import Call, await_subscriptions, send_reply
from runtime.nats.bus import Bus
from tests.contract.ground import Ground
from tests.waiting import until

SUBJECT = "rpc.test.0.ask"


async def echo_on(bus: Bus, word: bytes, subject: str = SUBJECT) -> None:
    """Answer every question with this word and what was asked."""

    async def answer(message: Msg) -> None:
        await bus.publish(message.reply, word + message.data)

    await bus.subscribe(subject, cb=answer)
    await await_subscriptions(bus)


def test_question_is_answered_by_whoever_listens(ground: Ground) -> None:
    async def law() -> None:
        asker, answerer = await ground.make_bus(), await ground.make_bus()
        await echo_on(answerer, b"heard ")

        answers = await asyncio.gather(
            *(asker.request(SUBJECT, b"%d" % number, timeout=5) for number in range(20))
        )

        assert [answer.data for answer in answers] == [b"heard %d" % n for n in range(20)]

    ground.run(law)


def test_first_of_two_answers_is_the_answer(ground: Ground) -> None:
    async def law() -> None:
        asker, first, second = [await ground.make_bus() for _ in range(3)]
        await echo_on(first, b"one")
        await echo_on(second, b"two")

        answer = await asker.request(SUBJECT, timeout=5)
        again = await asker.request(SUBJECT, timeout=5)

        assert {answer.data, again.data} <= {b"one", b"two"}

    ground.run(law)


def test_question_that_nobody_hears_fails_at_once(ground: Ground) -> None:
    async def law() -> None:
        asker = await ground.make_bus()

        with pytest.raises(NoRespondersError):
            await asker.request(SUBJECT, timeout=60)

    ground.run(law)


def test_question_that_nobody_answers_runs_out_of_time(ground: Ground) -> None:
    async def law() -> None:
        asker, listener = await ground.make_bus(), await ground.make_bus()
        await listener.subscribe(SUBJECT)
        await await_subscriptions(listener)

        with pytest.raises(NatsTimeoutError):
            await asker.request(SUBJECT, timeout=0.2)

    ground.run(law)


def test_inbox_is_told_that_nobody_listens(ground: Ground) -> None:
    async def law() -> None:
        asker = await ground.make_bus()
        inbox = asker.new_inbox()
        answers = await asker.subscribe(inbox)
        await asker.publish(SUBJECT, b"ping", inbox)

        answer = await answers.next_msg(5)

        assert (answer.headers or {}).get("Status") == "503"

    ground.run(law)


def test_what_is_published_reaches_everybody_who_listens_once(ground: Ground) -> None:
    async def law() -> None:
        teller, one, two, other = [await ground.make_bus() for _ in range(4)]
        listening = [
            await one.subscribe("ctl.test.0"),
            await one.subscribe("ctl.>"),
            await two.subscribe("ctl.*.0"),
            await other.subscribe("ctl.test.1"),
        ]
        for bus in (one, two, other):
            await await_subscriptions(bus)

        await teller.publish("ctl.test.0", b"word")

        assert [(await each.next_msg(5)).data for each in listening[:3]] == [b"word"] * 3
        for each in listening:
            with pytest.raises(NatsTimeoutError):
                await each.next_msg(0.2)

    ground.run(law)


def test_messages_are_handled_in_order_one_after_the_other(ground: Ground) -> None:
    async def law() -> None:
        teller, listener = await ground.make_bus(), await ground.make_bus()
        seen: list[str] = []

        async def take(message: Msg) -> None:
            seen.append(f"begin {message.data.decode()}")
            await asyncio.sleep(0.001)
            seen.append(f"end {message.data.decode()}")

        await listener.subscribe(SUBJECT, cb=take)
        await await_subscriptions(listener)
        for number in range(10):
            await teller.publish(SUBJECT, b"%d" % number)
        await until(lambda: len(seen) == 20)

        assert seen == [f"{word} {number}" for number in range(10) for word in ("begin", "end")]

    ground.run(law)


def test_who_listens_no_more_is_not_there_to_be_asked(ground: Ground) -> None:
    async def law() -> None:
        asker, listener = await ground.make_bus(), await ground.make_bus()
        subscription = await listener.subscribe(SUBJECT)
        await await_subscriptions(listener)
        await subscription.unsubscribe()
        await await_subscriptions(listener)

        with pytest.raises(NoRespondersError):
            await asker.request(SUBJECT, timeout=60)

    ground.run(law)


def test_connection_that_is_lost_comes_back_with_what_listened_on_it(ground: Ground) -> None:
    async def law() -> None:
        asker, answerer = await ground.make_bus(), await ground.make_bus()
        await echo_on(answerer, b"still ")

        await ground.crash_server()
        await until(lambda: asker.is_connected and answerer.is_connected)
        await await_subscriptions(answerer)

        assert (await asker.request(SUBJECT, b"there", timeout=5)).data == b"still there"

    ground.run(law)


def test_door_takes_one_call_after_the_other_once_it_is_open(ground: Ground) -> None:
    async def law() -> None:
        asker, answerer = await ground.make_bus(), await ground.make_bus()
        seen: list[bytes] = []

        async def take(call: Call) -> None:
            seen.append(call.body)
            await asyncio.sleep(0.001)
            await send_reply(answerer, call, b"%d" % len(seen))

        door = await ground.make_door(SUBJECT, take)
        with pytest.raises(NoRespondersError):
            await asker.request(SUBJECT, timeout=60)
        await door.open()
        await asyncio.sleep(0.1)  # a door has no connection to flush
        answers = await asyncio.gather(
            *(asker.request(SUBJECT, b"%d" % number, timeout=5) for number in range(5))
        )

        assert seen == [b"0", b"1", b"2", b"3", b"4"]
        assert [answer.data for answer in answers] == [b"1", b"2", b"3", b"4", b"5"]

    ground.run(law)


def test_drained_door_has_taken_what_had_arrived_and_opens_again(ground: Ground) -> None:
    async def law() -> None:
        asker = await ground.make_bus()
        seen: list[bytes] = []

        async def take(call: Call) -> None:
            await asyncio.sleep(0.01)
            seen.append(call.body)

        door = await ground.make_door(SUBJECT, take)
        await door.open()
        await asyncio.sleep(0.1)
        for number in range(5):
            await asker.publish(SUBJECT, b"%d" % number)
        await await_subscriptions(asker)
        await asyncio.sleep(0.02)
        await door.drain()

        assert seen == [b"0", b"1", b"2", b"3", b"4"]
        with pytest.raises(NoRespondersError):
            await asker.request(SUBJECT, timeout=60)
        await door.close()
        await door.open()
        await asyncio.sleep(0.1)
        await asker.publish(SUBJECT, b"again")
        await until(lambda: seen[-1] == b"again")

    ground.run(law)
