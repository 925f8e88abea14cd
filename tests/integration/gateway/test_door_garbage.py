"""Whatever becomes of a request, nothing of it is left to the garbage collector."""

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from tests.integration.gateway.bench import IMAGES, Front, at, front, saying
from tests.integration.gateway.test_relay_failures import nowhere
from tests.integration.gateway.upstreams import Behaviour, body_of, head_of, upstream

pytestmark = pytest.mark.anyio
GOOD = b'{"created":1,"data":[{"url":"http://x/1.png"}]}'
JSON = "Content-Type: application/json"


@contextmanager
def collected(found: Counter[str]) -> Iterator[None]:
    """Count what of ours only the collector takes away."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
        gc.collect()
        found.update(filter(None, map(name_of, gc.garbage)))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def name_of(left: Any) -> str:
    """Name what is ours: our objects, and what holds our frames."""
    frame = left.tb_frame if isinstance(left, TracebackType) else left
    if isinstance(frame, FrameType):
        code = frame.f_code
        return code.co_qualname if "/services/" in code.co_filename else ""
    module = type(left).__module__
    return type(left).__qualname__ if module.startswith("services.") else ""


async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await body_of(reader, await head_of(reader))
    writer.transport.abort()


async def cuts_its_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await body_of(reader, await head_of(reader))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\nx")
    await writer.drain()
    await asyncio.sleep(0.05)


Ask = Callable[[Front], Awaitable[object]]


async def broken_off(gate: Front) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await gate.ask()


async def ask_in_vain(gate: Front) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await gate.ask(timeout=0.3)


async def malformed(gate: Front) -> None:
    reader, writer = await asyncio.open_connection(gate.http.base_url.host, gate.http.base_url.port)
    head = f"POST {IMAGES} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {gate.key}\r\n"
    writer.write(head.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def unknown_parameter(gate: Front) -> None:
    assert (await gate.ask("GET", "/api/keys?x=1", gate.admin_key)).status_code == 400


async def works(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await body_of(reader, await head_of(reader))
    await reader.read()


FINE = saying(200, GOOD, JSON)
REFUSES = saying(400, b'{"error":{"message":"no"}}', JSON)


@pytest.mark.parametrize(
    ("ask", "behaviour"),
    [
        pytest.param(lambda gate: gate.ask(), FINE, id="success"),
        pytest.param(lambda gate: gate.ask(key="sk-nobody"), FINE, id="no key"),
        pytest.param(lambda gate: gate.ask(json=[]), FINE, id="no object"),
        pytest.param(lambda gate: gate.ask(json={"model": 5}), FINE, id="wrong type"),
        pytest.param(lambda gate: gate.ask("GET"), FINE, id="method"),
        pytest.param(lambda gate: gate.ask(path=f"{IMAGES}?k=sk-x"), FINE, id="key in address"),
        pytest.param(lambda gate: gate.ask(path="/v1/images/../x"), FINE, id="path"),
        pytest.param(lambda gate: gate.ask("GET", "/v1/models/x"), FINE, id="model"),
        pytest.param(lambda gate: gate.ask(path="/token/check"), FINE, id="no admin"),
        pytest.param(lambda gate: gate.ask("GET", "/api/nothing"), FINE, id="operators"),
        pytest.param(lambda gate: gate.ask("GET", "/api/keys"), FINE, id="no operator"),
        pytest.param(unknown_parameter, FINE, id="operators' parameter"),
        pytest.param(malformed, FINE, id="malformed"),
        pytest.param(lambda gate: gate.ask(), REFUSES, id="refused by the server"),
        pytest.param(lambda gate: gate.ask(), cuts, id="cut"),
        pytest.param(lambda gate: gate.ask(), None, id="unreachable"),
        pytest.param(broken_off, cuts_its_answer, id="cut within the answer"),
        pytest.param(ask_in_vain, works, id="client gone"),
    ],
)
async def test_nothing_of_a_request_is_left_to_the_collector(
    nats_client: Client, nats_url: str, tmp_path: Path, ask: Ask, behaviour: Behaviour | None
) -> None:
    found: Counter[str] = Counter()
    async with (
        upstream(behaviour or FINE) as server,
        front(nats_client, nats_url, tmp_path, sessions=20, limit=100) as gate,
    ):
        url = server.url if behaviour else nowhere()
        gate.chosen = lambda _: at(url)
        gate.knows(one=server.url)
        await ask(gate)
        with collected(found):
            for _ in range(3):
                await ask(gate)

            assert await gate.gateway.outbox.wait_until_empty(20)

            await asyncio.sleep(0.1)

    assert not found, dict(found)
