"""`/v1/models`: all servers at once, what each said last, and what clients are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from runtime.nats import natsserver
from tests.integration.gateway.bench import Front, front, saying
from tests.integration.gateway.upstreams import Behaviour, body_of, head_of, upstream

pytestmark = pytest.mark.anyio
MODELS = ("GET", "/v1/models")


def lists(*names: str, seen: list[bytes] | None = None) -> Behaviour:
    """List these models, as the least of backends does."""
    entries = ",".join(f'{{"id":"{name}"}}' for name in names)
    return saying(200, f'{{"data":[{entries}]}}'.encode(), seen=seen)


async def cut(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take a request and hang up."""
    await body_of(reader, await head_of(reader))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["object"] == "list"
    return [model["id"] for model in answer.json()["data"]]


@asynccontextmanager
async def behind_fleet(
    client: Client, url: str, home: Path, *behaviours: Behaviour | None, **section: Any
) -> AsyncIterator[tuple[Front, dict[str, str]]]:
    """A gateway whose log has these servers (None: nobody listens), and where they are."""
    async with AsyncExitStack() as stack:
        made = {}
        for number, behaviour in enumerate(behaviours):
            address = f"http://127.0.0.1:{natsserver.free_port()}"
            if behaviour is not None:
                address = (await stack.enter_async_context(upstream(behaviour))).url
            made[f"server-{number}"] = address
        gate = await stack.enter_async_context(front(client, url, home, **section))
        gate.knows(**made)
        yield gate, made


async def test_models_of_all_servers_are_one_list(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    others = [lists("a", "b"), lists("b", "c"), cut, None, saying(404, b"{}")]
    async with behind_fleet(nats_client, nats_url, tmp_path, *others) as (gate, _):
        answer = await gate.ask(*MODELS)
        asked = gate.asked

    assert ids(answer) == ["a", "b", "c"]
    assert answer.json()["data"][0] == {
        "id": "a",
        "object": "model",
        "created": 0,
        "owned_by": "upstream",
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=10"
    assert asked == []


async def test_nothing_of_a_client_goes_to_a_server(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a", seen=seen)) as (gate, _):
        strange = {"X-Strange": "1", "If-None-Match": '"x"', "Range": "bytes=0-1", "Cookie": "c"}
        first = await gate.ask("GET", "/v1/models?limit=0&x=y", headers=strange)
        second = await gate.ask(*MODELS, key=gate.admin_key)

    assert ids(first) == ids(second) == ["a"]
    assert len(seen) == 1
    assert seen[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    lower = seen[0].lower()
    strangers = (b"strange", b"none-match", b"range", b"cookie", b"authorization", b"x-forwarded")
    assert not [word for word in strangers if word in lower]


async def test_clients_that_come_together_ask_each_server_once(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a", seen=seen)) as (gate, _):
        answers = await asyncio.gather(*(gate.ask(*MODELS) for _ in range(20)))

    assert [ids(answer) for answer in answers] == [["a"]] * 20
    assert len(seen) == 1


async def test_last_good_list_of_a_server_stays_while_it_is_silent(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    body = b'{"data":[{"id":"a"}]}'
    turns = [saying(200, body, "Connection: close"), cut]

    async def first_well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await turns.pop(0)(reader, writer)

    async with behind_fleet(
        nats_client, nats_url, tmp_path, first_well, lists("b"), models_max_age=0.001
    ) as (gate, _):
        await gate.ask(*MODELS)
        await asyncio.sleep(0.01)
        answer = await gate.ask(*MODELS)

    assert turns == []
    assert ids(answer) == ["a", "b"]


async def test_old_list_is_told_while_a_server_is_slow_to_say_a_new_one(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    again, asked = asyncio.Event(), asyncio.Event()
    turns = [saying(200, b'{"data":[{"id":"old"}]}', "Connection: close")]

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if turns:
            await turns.pop()(reader, writer)
        asked.set()
        await again.wait()
        await lists("new")(reader, writer)

    async with behind_fleet(nats_client, nats_url, tmp_path, slowly) as (gate, _):
        first = await gate.ask(*MODELS)
        kept = gate.gateway.models._kept
        assert kept is not None
        kept.until = 0.0
        second = await gate.ask(*MODELS)
        await asyncio.wait_for(asked.wait(), 20)
        again.set()
        asking = gate.gateway.models._asking
        assert asking is not None
        await asking
        third = await gate.ask(*MODELS)

    assert [ids(answer) for answer in (first, second, third)] == [["old"], ["old"], ["new"]]


async def test_change_of_the_servers_is_seen_at_once(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a"), lists("b")) as (
        gate,
        made,
    ):
        before = await gate.ask(*MODELS)
        gate.knows(other=made["server-1"])
        after = await gate.ask(*MODELS)

    assert (ids(before), ids(after)) == (["a", "b"], ["b"])


@pytest.mark.parametrize(
    ("behaviours", "status", "code", "again"),
    [
        ([], 503, "no_backend", None),
        ([None], 502, "upstream_error", "true"),
        ([saying(500, b"{}")], 502, "upstream_error", "true"),
        ([saying(401, b"{}"), cut], 502, "upstream_error", "true"),
        ([saying(200, b'{"code":0}')], 502, "upstream_error", "true"),
        ([saying(200, b'{"data":[]}', "Content-Encoding: gzip")], 502, "upstream_error", "true"),
        ([saying(200, b" " * 4_000_001)], 502, "upstream_error", "true"),
        ([saying(404, b"{}")], 404, "upstream_rejected", "false"),
        ([saying(404, b"{}"), saying(500, b"{}")], 502, "upstream_error", "true"),
        ([saying(429, b"{}", "Retry-After: 9")], 503, "pool_saturated", None),
    ],
)
async def test_where_no_server_has_ever_listed_models_the_reason_is_told(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    behaviours: list[Behaviour | None],
    status: int,
    code: str,
    again: str | None,
) -> None:
    async with behind_fleet(nats_client, nats_url, tmp_path, *behaviours) as (gate, _):
        answer = await gate.ask(*MODELS)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.headers.get("x-should-retry") == again
    if status == 503 and behaviours:
        assert answer.headers["retry-after"] == "9"


@pytest.mark.parametrize("path", ["a/b", "a%2Fb", "c%20d", "%E5%8D%B3"])
async def test_one_model_by_its_id(
    nats_client: Client, nats_url: str, tmp_path: Path, path: str
) -> None:
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a/b", "c d", "即")) as (
        gate,
        _,
    ):
        whole = await gate.ask(*MODELS)
        one = await gate.ask("GET", f"/v1/models/{path}")

    assert one.json() in whole.json()["data"]


async def test_model_that_nobody_lists_is_not_found(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a")) as (gate, _):
        answers = [await gate.ask("GET", f"/v1/models/{path}") for path in ("b", "", "a/")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert answers[0].json()["error"]["code"] == "not_found"
    assert "'b'" in answers[0].json()["error"]["message"]


async def test_head_is_answered_wherever_get_is(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a", seen=seen)) as (gate, _):
        for path in ("/v1/models", "/v1/models/a"):
            head, get = await gate.ask("HEAD", path), await gate.ask("GET", path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(get.content))
        missing = await gate.ask("HEAD", "/v1/models/b")

    assert (missing.status_code, missing.content) == (404, b"")
    assert all(one.startswith(b"GET") for one in seen)


async def test_other_methods_are_told_which_there_are(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a")) as (gate, _):
        answer = await gate.ask("DELETE", "/v1/models/a")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_key_is_needed(nats_client: Client, nats_url: str, tmp_path: Path) -> None:
    async with behind_fleet(nats_client, nats_url, tmp_path, lists("a")) as (gate, _):
        answer = await gate.ask(*MODELS, key="sk-nobody")

    assert answer.status_code == 401
