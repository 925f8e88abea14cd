"""The log by page and live, from a real stream through a real gateway's doors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from nats.aio.client import Client

from runtime.nats import natsserver
from services.gateway.routes import logtail, operator_app
from tests.integration.analytics.parts import publish
from tests.integration.gateway.doors import Desk, desk
from tests.moments import NOON
from tests.unit.analytics.builders import Story, policy, renewed, requested, session, used
from tests.waiting import until

pytestmark = pytest.mark.anyio


def story() -> Story:
    """Two events in one envelope, then two leases of two sessions, one of them renewed."""
    made = Story().tell(policy(), session("s1"), session("s2"))
    made.lease("r1", renewed("r1", NOON), used("r1"))
    made.tell(requested("r2", client_request_id="mine"))
    return made.lease("r2", used("r2", session_id="s2"), session_id="s2")


@pytest.fixture
async def front(nats_client: Client) -> AsyncIterator[Desk]:
    await publish(nats_client, story())
    async with desk(nats_client, patience_s=5) as made:
        yield made


async def page(front: Desk, **asked: Any) -> tuple[list[str], dict[str, Any]]:
    found = await front.ask("GET", "/api/events", params=asked)
    return [f"{one['event']} {one['type']}" for one in found["data"]], found


async def test_pages_follow_one_another_without_a_gap(front: Desk) -> None:
    whole, all_at_once = await page(front, limit=1000)
    pieces: list[str] = []
    after, more = "0", True
    while more:
        told, found = await page(front, after=after, limit=2)
        pieces += told
        after, more = found["next"], found["more"]

    assert whole[:4] == [
        "1.0 policy_changed",
        "1.1 session_added",
        "1.2 session_added",
        "2.0 session_requested",
    ]
    assert pieces == whole
    # The two keys of the desk were issued after the story.
    assert [one.partition(" ")[2] for one in whole[-2:]] == ["key_issued"] * 2
    assert (all_at_once["more"], all_at_once["last"]) == (False, len(story().stored) + 2)
    assert "key_hash" not in str(all_at_once["data"])
    assert all_at_once["data"][0]["time"] == "2026-01-01T12:00:00Z"
    assert (await page(front, after=after))[1]["data"] == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"type": "session_added"}, ["1.1", "1.2"]),
        ({"type": "lease_*,session_added", "session": "s1"}, ["1.1", "2.1", "3.0"]),
        ({"session": "s1"}, ["1.1", "2.1", "3.0", "4.0"]),
        ({"request": "r1"}, ["2.0", "2.1", "3.0", "4.0"]),
        ({"request": "mine"}, ["5.0", "6.0", "6.1", "7.0"]),
        ({"request": "r1", "after": "2.0"}, ["2.1", "3.0", "4.0"]),
        ({"request": "r1", "after": "2"}, ["3.0", "4.0"]),
        ({"session": "nobody"}, []),
    ],
)
async def test_filters_choose_by_type_session_and_request(
    front: Desk, asked: dict[str, str], told: list[str]
) -> None:
    found = await front.ask("GET", "/api/events", params=asked)

    assert [one["event"] for one in found["data"]] == told


@pytest.mark.parametrize("path", ["/api/events", "/api/events/stream"])
@pytest.mark.parametrize(
    ("asked", "param"), [({"after": "soon"}, "after"), ({"type": "teatime"}, "type")]
)
async def test_wrong_words_are_refused_by_name(
    front: Desk, path: str, asked: dict[str, str], param: str
) -> None:
    error = await front.refused("GET", path, 400, params=asked)

    assert error["param"] == param
    assert "expected" in error["message"]


@asynccontextmanager
async def served(front: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """The desk's doors on a real socket: a stream has no end to wait for."""
    port = natsserver.free_port()
    config = uvicorn.Config(operator_app(front.doors), port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(natsserver.wait_for_port, f"http://127.0.0.1:{port}", 20)
    headers = {"authorization": f"Bearer {front.admin}", "accept-encoding": "gzip"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30
    ) as client:
        yield client
    server.should_exit = True
    await serving


async def take_events(client: httpx.AsyncClient, count: int, **asked: Any) -> list[dict[str, Any]]:
    """Read so many events of a stream, then leave it."""
    found: list[dict[str, Any]] = []
    async with client.stream("GET", "/api/events/stream", **asked) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found.append(msgspec.json.decode(line.removeprefix("data: ")))
            if len(found) == count:
                break
    return found


async def test_a_stream_goes_on_where_it_broke_off_and_with_what_comes(
    front: Desk, nats_client: Client
) -> None:
    whole = story()
    async with served(front) as client:
        three = await take_events(client, 3, params={"after": "0"})
        two = await take_events(client, 2, headers={"Last-Event-ID": three[-1]["event"]})
        live = asyncio.create_task(
            take_events(client, 1, params={"after": "7", "type": "lease_granted", "session": "s1"})
        )
        await publish(nats_client, whole.lease("r3", used("r3")), after=7)
        (granted,) = await live
        await until(lambda: not front.doors.streams)

    assert [one["event"] for one in three + two] == ["1.0", "1.1", "1.2", "2.0", "2.1"]
    assert (granted["type"], granted["request_id"]) == ("lease_granted", "r3")


async def test_streams_are_bounded_in_number(front: Desk) -> None:
    front.doors.streams.update(object() for _ in range(32))

    error = await front.refused("GET", "/api/events/stream", 429)

    assert "32 streams are open" in error["message"]


async def test_pages_lead_back_through_the_past_without_a_gap(front: Desk) -> None:
    whole, _ = await page(front, limit=1000)
    pieces: list[str] = []
    past, more = "last", True
    while more:
        told, found = await page(front, past=past, limit=2)
        pieces += told
        past, more = found["next"], found["more"]

    assert pieces == whole[::-1]
    assert (await page(front, past="2.1", limit=1))[0] == ["2.0 session_requested"]
    assert (await page(front, past="1.0"))[0] == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"session": "s1"}, ["4.0", "3.0", "2.1", "1.1"]),
        ({"request": "mine"}, ["7.0", "6.1", "6.0", "5.0"]),
        ({"key": "k1"}, ["7.0", "6.1", "6.0", "5.0", "4.0", "3.0", "2.1", "2.0"]),
        ({"server": "server-1"}, ["7.0", "4.0"]),
        ({"server": "server-9"}, []),
    ],
)
async def test_filters_choose_backwards_what_they_choose_forwards(
    front: Desk, asked: dict[str, str], told: list[str]
) -> None:
    back = await front.ask("GET", "/api/events", params={**asked, "past": "last"})
    forwards = await front.ask("GET", "/api/events", params=asked)

    assert [one["event"] for one in back["data"]] == told
    assert [one["event"] for one in forwards["data"]] == told[::-1]


async def test_the_past_is_asked_for_without_a_beginning(front: Desk) -> None:
    error = await front.refused("GET", "/api/events?past=last&after=3", 400)

    assert error["param"] == "past"


async def test_every_event_is_sent_or_counted_and_the_stream_goes_on(
    front: Desk, nats_client: Client
) -> None:
    """Of 3,000 events at once as many are sent as may be in a second; the others are counted."""
    many = story()
    for number in range(100):
        many.tell(*(session(f"x{number:02d}-{index:02d}") for index in range(30)))
    sent: list[str] = []
    skipped = 0
    async with served(front) as client:
        params = {"after": "9", "type": "session_added"}
        async with client.stream("GET", "/api/events/stream", params=params) as answer:
            await publish(nats_client, many, after=7)
            await publish(nats_client, many.tell(session("next")), after=107)
            async for line in answer.aiter_lines():
                if not line.startswith("data: "):
                    continue
                event = msgspec.json.decode(line.removeprefix("data: "))
                skipped += event.get("skipped", 0)
                sent += [event["session_id"]] if "session_id" in event else []
                if len(sent) + skipped == 3001:
                    break

    assert sent[:200] == [f"x{index // 30:02d}-{index % 30:02d}" for index in range(200)]
    assert sent == sorted(sent, key=lambda name: name.replace("next", "z"))
    assert skipped > 0


async def test_however_many_follow_the_log_is_read_once(front: Desk, nats_client: Client) -> None:
    whole = story()

    async def readers() -> int:
        reply = await nats_client.request("$JS.API.STREAM.INFO.EVT", b"{}")
        return int(msgspec.json.decode(reply.data)["state"]["consumer_count"])

    before = await readers()
    async with served(front) as client:
        params = {"type": "lease_granted"}
        live = [asyncio.create_task(take_events(client, 1, params=params)) for _ in range(6)]
        await until(lambda: len(front.doors.streams) == 6)
        await until(lambda: front.doors.tail.is_reading)
        await asyncio.sleep(0.5)
        during = await readers()
        await publish(nats_client, whole.lease("r3", used("r3")), after=7)
        found = await asyncio.gather(*live)
        await until(lambda: not front.doors.tail.is_reading)

    assert during == before + 1
    assert [events[0]["request_id"] for events in found] == ["r3"] * 6


async def test_a_follower_who_cannot_keep_up_loses_nothing(
    nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for two envelopes: whoever takes them slowly reads the others by himself."""
    monkeypatch.setattr(logtail, "_QUEUED_MAX", 2)
    whole = story()
    await publish(nats_client, whole)
    async with desk(nats_client) as front:
        seen: list[int] = []
        async with aclosing(front.doors.tail.follow_behind(0)) as envelopes:
            async for stored in envelopes:
                seen.append(stored.sequence)
                if len(seen) == 2:
                    for name in ("r3", "r4", "r5"):
                        whole.lease(name, used(name))
                    await publish(nats_client, whole, after=7)
                    await asyncio.sleep(0.5)
                if stored.sequence == 15:
                    break

    assert seen == list(range(1, 16))
