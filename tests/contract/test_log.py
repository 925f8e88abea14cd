"""What a writer and a reader of the log may rely on: over nats-server, and in the simulation."""

import asyncio
from collections.abc import Sequence

import pytest

from contracts.base import LeaderElected, SessionId, WriterId
from runtime.eventlog import EventLog, FenceError, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.nats.bus import Bus
from runtime.secrets import Sealer, SealError
from services.pool.store import CredentialStore
from tests.contract.ground import Ground
from tests.moments import NOON
from tests.waiting import until

POOL, BALANCER = "evt.pool.0", "evt.balancer"


async def log_of_three(ground: Ground) -> EventLog:
    """A log with two envelopes of the pool and one of the balancer between them."""
    log = ground.make_log(await ground.make_bus())
    await log.append_after(POOL, b"one", 0)
    await log.append_after(BALANCER, b"two", 0)
    await log.append_after(POOL, b"three", 1)
    return log


def as_triples(batch: Sequence[Stored]) -> list[tuple[int, str, bytes]]:
    """What was stored, but for when."""
    return [(stored.sequence, stored.subject, stored.body) for stored in batch]


def test_sequence_counts_the_stream_and_the_fence_its_subject(ground: Ground) -> None:
    async def law() -> None:
        log = await log_of_three(ground)

        sequence = await log.append_after(BALANCER, b"four", 2)

        assert sequence == 4
        assert as_triples([(await log.last_stored(POOL)) or Stored(0, NOON, "", b"")]) == [
            (3, POOL, b"three")
        ]
        assert await log.last_stored("evt.keys") is None

    ground.run(law)


@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_wrong_fence_stores_nothing(ground: Ground, after: int) -> None:
    async def law() -> None:
        log = await log_of_three(ground)

        with pytest.raises(FenceError):
            await log.append_after(POOL, b"never", after)

        state = await log.stream_state()
        assert (state.messages, state.last_sequence) == (3, 3)

    ground.run(law)


def test_of_two_at_once_the_fence_takes_one(ground: Ground) -> None:
    async def law() -> None:
        logs = [ground.make_log(await ground.make_bus()) for _ in range(5)]

        outcomes = await asyncio.gather(
            *(log.append_after(POOL, b"%d" % n, 0) for n, log in enumerate(logs)),
            return_exceptions=True,
        )

        assert [type(outcome) for outcome in outcomes].count(FenceError) == 4
        assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [1]

    ground.run(law)


def test_range_is_read_from_behind_one_envelope_to_another(ground: Ground) -> None:
    async def law() -> None:
        log = await log_of_three(ground)

        whole = [each async for batch in log.read_range(POOL, 0, 3) for each in batch]
        rest = [each async for batch in log.read_range(POOL, 1, 3) for each in batch]
        nothing = [batch async for batch in log.read_range(POOL, 3, 3)]

        assert as_triples(whole) == [(1, POOL, b"one"), (3, POOL, b"three")]
        assert as_triples(rest) == [(3, POOL, b"three")]
        assert nothing == []

    ground.run(law)


@pytest.mark.parametrize("subjects", [[POOL, BALANCER], ["evt.>"], ["evt.pool.*", BALANCER]])
def test_reader_sees_what_is_there_and_what_comes_in_order(
    ground: Ground, subjects: list[str]
) -> None:
    async def law() -> None:
        log = await log_of_three(ground)
        writer = ground.make_log(await ground.make_bus())
        seen: list[Stored] = []

        async def read() -> None:
            async for batch in log.follow_from(subjects, 1):
                seen.extend(batch)

        reading = asyncio.create_task(read())
        for number in range(150):
            await writer.append_after(POOL, b"%d" % number, 3 + number)
        await until(lambda: len(seen) == 152)
        reading.cancel()

        assert [stored.sequence for stored in seen] == list(range(2, 154))

    ground.run(law)


def test_crash_keeps_what_was_acknowledged_and_readers_go_on(ground: Ground) -> None:
    async def law() -> None:
        log = await log_of_three(ground)
        reader = ground.make_log(await ground.make_bus())
        seen: list[Stored] = []

        async def read() -> None:
            async for batch in reader.follow_from([POOL], 0):
                seen.extend(batch)

        reading = asyncio.create_task(read())
        await until(lambda: len(seen) == 2)
        bus = await ground.make_bus()
        await ground.crash_server()
        await until(lambda: bus.is_connected)
        last = await ground.make_log(bus).last_stored(POOL)

        assert last is not None
        assert (last.sequence, last.body) == (3, b"three")
        assert await ground.make_log(bus).append_after(POOL, b"four", 3) == 4
        await until(lambda: len(seen) == 3)
        reading.cancel()
        assert [stored.body for stored in seen] == [b"one", b"three", b"four"]
        del log

    ground.run(law)


def test_two_writers_chain_what_they_write(ground: Ground) -> None:
    """The product's own writer, twice: who was overtaken reads on, and its next envelope stands."""

    async def law() -> None:
        one, two = [
            SubjectWriter(ground.make_log(await ground.make_bus()), POOL, WriterId(name))
            for name in ("one", "two")
        ]
        event = LeaderElected(writer=WriterId("one"), epoch=1)
        await one.append_events([event], NOON)

        with pytest.raises(FenceError):
            await two.append_events([event], NOON)
        for stored in await two.stored_behind():
            assert two.note_stored(stored) is not None

        assert await two.append_events([event], NOON) == 2
        assert (two.link.sequence, two.link.number) == (2, 2)

    ground.run(law)


async def stores(ground: Ground, count: int) -> list[CredentialStore]:
    """Bucket after bucket: each of another process, under one master key."""
    buses: list[Bus] = [await ground.make_bus() for _ in range(count)]
    return [CredentialStore(bus, Sealer("master")) for bus in buses]


def test_bucket_keeps_the_newest_ciphertext_of_each_session(ground: Ground) -> None:
    async def law() -> None:
        one, two = await stores(ground, 2)
        for name, text in (("a", "old"), ("b", "other"), ("a", "new")):
            sealed = one.seal_credentials([(SessionId(name), text)])
            await one.put_ciphertexts(sealed)

        await two.catch_up()

        assert two.revisions == one.revisions == {"a": 3, "b": 2}
        opened = [(one.session_id, one.credential) async for one in two.open_all()]
        assert opened == [("b", "other"), ("a", "new")]

    ground.run(law)


def test_empty_bucket_is_read_and_another_key_does_not_open_it(ground: Ground) -> None:
    async def law() -> None:
        (one,) = await stores(ground, 1)
        await one.catch_up()
        await one.put_ciphertexts(one.seal_credentials([(SessionId("a"), "text")]))
        stranger = CredentialStore(await ground.make_bus(), Sealer("another"))

        with pytest.raises(SealError):
            await stranger.catch_up()

        assert one.revisions == {"a": 1}

    ground.run(law)
