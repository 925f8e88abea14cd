"""Calls of admins without a lease: what they are told, and when another server is tried."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from nats.aio.client import Client

from contracts.balancer import NoServer, Selected, SelectServer
from runtime.nats import natsserver
from tests.integration.gateway.bench import NOBODY, Front, at, front, saying
from tests.integration.gateway.upstreams import Behaviour, body_of, head_of, upstream

pytestmark = pytest.mark.anyio
TOKEN = ("POST", "/token/points")
FINE = saying(200, b"7")


async def cut(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take a request and hang up."""
    await body_of(reader, await head_of(reader))


NOBODY_LISTENS: Behaviour | None = None


@asynccontextmanager
async def behind(
    client: Client, url: str, home: Path, *behaviours: Behaviour | None
) -> AsyncIterator[Front]:
    """A gateway whose balancer names these servers, one after another (None: nobody listens)."""
    async with AsyncExitStack() as stack:
        made = {}
        for number, behaviour in enumerate(behaviours):
            address = f"http://127.0.0.1:{natsserver.free_port()}"
            if behaviour is not None:
                address = (await stack.enter_async_context(upstream(behaviour))).url
            made[f"server-{number}"] = address

        def chosen(wanted: SelectServer) -> Selected | NoServer:
            left = [name for name in made if name not in wanted.avoid]
            return at(made[left[0]], left[0]) if left else NOBODY

        gate = await stack.enter_async_context(front(client, url, home))
        gate.chosen = chosen
        yield gate


class Case(NamedTuple):
    """Who answers in turn, and what the client hears after how many questions."""

    call: tuple[str, str]
    behaviours: list[Behaviour | None]
    status: int
    asked: int
    code: str | None = None
    again: str | None = None


@pytest.mark.parametrize(
    "case",
    [
        Case(TOKEN, [NOBODY_LISTENS, saying(200, b"7")], 200, 2),
        Case(TOKEN, [saying(403, b"no"), FINE], 403, 1),
        Case(TOKEN, [NOBODY_LISTENS], 502, 2, "upstream_error", "true"),
        Case(TOKEN, [], 503, 1, "no_backend"),
        Case(TOKEN, [cut, FINE], 502, 1, "upstream_outcome_unknown", "false"),
    ],
)
async def test_call_without_a_lease_is_tried_as_often_as_is_safe(
    nats_client: Client, nats_url: str, tmp_path: Path, case: Case
) -> None:
    async with behind(nats_client, nats_url, tmp_path, *case.behaviours) as gate:
        answer = await gate.ask(*case.call, key=gate.admin_key)

    assert answer.status_code == case.status, answer.text
    assert answer.headers.get("x-should-retry") == case.again
    assert len(gate.asked) == case.asked
    if case.code is not None:
        told = answer.json()["error"]
        assert told["code"] == case.code
        unreached = NOBODY_LISTENS in case.behaviours
        assert ("could be reached" in told["message"]) == unreached


async def test_answer_of_a_token_call_passes_as_it_came(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with behind(nats_client, nats_url, tmp_path, saying(403, b"no", "ETag: yes")) as gate:
        answer = await gate.ask(*TOKEN, key=gate.admin_key)

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (403, b"no", "yes")


async def test_answer_that_is_too_long_is_no_answer(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    long = saying(200, b" " * 4_000_001)
    async with behind(nats_client, nats_url, tmp_path, long) as gate:
        answer = await gate.ask(*TOKEN, key=gate.admin_key)

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_outcome_unknown"


async def test_call_about_a_session_asks_for_a_server_that_serves_its_region(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with behind(nats_client, nats_url, tmp_path, FINE) as gate:
        wanted = {"credential": "an-account", "region": "us"}
        added = await gate.ask(path="/api/sessions", key=gate.admin_key, json=wanted)
        (session,) = added.json()["data"]
        method, path = TOKEN
        await gate.ask(method, f"{path}?session={session}", key=gate.admin_key, json={})
        await gate.ask(method, path, key=gate.admin_key, json={})

    assert [item.session_region for item in gate.asked] == ["us", ""]
