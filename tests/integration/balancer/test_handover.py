"""Who leads next knows what the leader before knew, and what came while nobody led."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.balancer import BalancerStatusReply, ServerEjected, ServerView
from contracts.pool import Verdict
from contracts.subjects import STANDING_STREAM, STANDING_SUBJECT
from runtime.eventlog import EventLog
from services.balancer import handover
from tests.integration.balancer.bench import Bench
from tests.tinyserver import listening
from tests.unit.balancer.builders import usage_at
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
FAILED = Verdict.OUTCOME_UNKNOWN


@pytest.fixture
async def bench(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    monkeypatch.setattr(handover, "_HAND_ON_EVERY_S", 0.1)
    return Bench(nats_client, nats_url, tmp_path)


def attempts_of(status: BalancerStatusReply) -> list[int]:
    return [view.attempts for view in status.servers]


def known(view: ServerView) -> tuple[object, ...]:
    """What outcomes alone have shown of a server."""
    return view.success_rate, view.attempts, view.avg_response_ms, view.state, view.service_types


async def handed_on(bench: Bench) -> None:
    """Wait until what the log has by now lies in the bucket."""
    bucket = EventLog(bench.client, STANDING_STREAM)
    end = (await bench.log.stream_state()).last_sequence

    async def is_there() -> bool:
        stored = await bucket.last_stored(STANDING_SUBJECT)
        return stored is not None and f'"sequence":{end},'.encode() in stored.body

    await eventually(is_there)


async def test_a_new_leader_knows_rates_and_failures_in_a_row(bench: Bench) -> None:
    async with listening() as one, listening() as two:
        bench.named(one, two)
        async with bench.balancer():
            await bench.well(2)
            good = [usage_at("server-1", session=f"s{number}") for number in range(6)]
            bad = [usage_at("server-1", FAILED, session=f"s{number}") for number in range(3)]
            await bench.pool_journals(*good, *bad, usage_at("server-2"))
            before = await bench.shows(lambda status: attempts_of(status) == [9, 1])
            await handed_on(bench)
        async with bench.balancer():
            await bench.well(2)

            after = await bench.status()

            assert [known(view) for view in after.servers] == [known(v) for v in before.servers]
            assert after.servers[0].words == "3 failures in a row"
            assert after.epoch == before.epoch + 1


async def test_what_came_while_nobody_led_counts_once(bench: Bench) -> None:
    async with listening() as one, listening() as two:
        bench.named(one, two)
        async with bench.balancer():
            await bench.well(2)
            await bench.pool_journals(
                *[usage_at("server-1", FAILED, session=f"s{number}") for number in range(3)]
            )
            await bench.shows(lambda status: attempts_of(status) == [3, 0])
            await handed_on(bench)
        await bench.pool_journals(
            *[usage_at("server-1", FAILED, session=f"t{number}") for number in range(2)]
        )
        async with bench.balancer():
            await bench.shows(lambda status: attempts_of(status) == [5, 0])

            await bench.shows(lambda status: status.servers[0].state == "ejected")
            ejected = [event for event in await bench.journal() if isinstance(event, ServerEjected)]

            assert [(event.server_id, event.failures) for event in ejected] == [("server-1", 5)]


async def test_an_ejection_is_of_after_what_is_remembered(bench: Bench) -> None:
    async with listening() as one, listening() as two:
        bench.named(one, two)
        async with bench.balancer():
            await bench.well(2)
            await bench.pool_journals(
                *[usage_at("server-1", FAILED, session=f"s{number}") for number in range(4)]
            )
            await bench.shows(lambda status: attempts_of(status) == [4, 0])
            await handed_on(bench)
            # The bucket still says four in a row; the log says more.
            bucket = EventLog(bench.client, STANDING_STREAM)
            stored = await bucket.last_stored(STANDING_SUBJECT)
            assert stored is not None
            await bench.pool_journals(usage_at("server-1", FAILED, session="s9"))
            await bench.shows(lambda status: status.servers[0].state == "ejected")
        newest = await bucket.last_stored(STANDING_SUBJECT)
        assert newest is not None
        await bucket.append_after(STANDING_SUBJECT, stored.body, newest.sequence)
        async with bench.balancer():
            await bench.shows(lambda status: status.servers[0].state == "ejected")
            await bench.pool_journals(usage_at("server-2"))

            await bench.shows(lambda status: attempts_of(status)[1] == 1)

            ejected = [event for event in await bench.journal() if isinstance(event, ServerEjected)]
            assert len(ejected) == 1


async def test_without_the_bucket_it_leads_all_the_same(bench: Bench) -> None:
    await bench.client.request(f"$JS.API.STREAM.DELETE.{STANDING_STREAM}", b"")
    async with listening() as port, bench.balancer():
        bench.named(port)
        await bench.well(1)
        await bench.pool_journals(usage_at("server-1"))

        await bench.shows(lambda status: attempts_of(status) == [1])


async def test_what_cannot_be_read_is_as_nothing(bench: Bench) -> None:
    bucket = EventLog(bench.client, STANDING_STREAM)
    await bucket.append_after(STANDING_SUBJECT, b"{", 0)
    async with listening() as port, bench.balancer():
        bench.named(port)
        await bench.well(1)
        await bench.pool_journals(usage_at("server-1"))

        await handed_on(bench)
