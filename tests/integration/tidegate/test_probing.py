"""Real servers asked what they are: within bounds, and each of the four recognised."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from demo.dialects import BACKENDS
from demo.server import DemoOptions, DemoServer
from runtime.clock import system_clock
from tests.integration.gateway.bench import saying
from tests.integration.gateway.upstreams import Behaviour, body_of, head_of, upstream
from tidegate.probing.asking import Probed, probe_servers

pytestmark = pytest.mark.anyio
PAGE = "<title>即梦 API 管理控制台</title>".encode()


@asynccontextmanager
async def demos(*dialects: str) -> AsyncIterator[list[str]]:
    async with AsyncExitStack() as stack:
        urls = []
        for dialect in dialects:
            server = DemoServer(DemoOptions(port=0, dialect=dialect), system_clock)
            await server.start()
            stack.push_async_callback(server.stop)
            urls.append(server.url)
        yield urls


async def probed(behaviour: Behaviour, timeout_s: float = 5.0) -> Probed:
    async with upstream(behaviour) as server:
        (found,) = await probe_servers([server.url], timeout_s)
    return found


async def test_each_of_the_four_is_recognised_and_its_models_counted() -> None:
    async with demos(*BACKENDS, "") as urls:
        found = await probe_servers([*urls, "ftp://127.0.0.1"])

    assert [one.dialect for one in found] == [*BACKENDS, "plain", "plain"]
    assert [one.models for one in found[:5]] == [5] * 5
    assert "scheme" in found[-1].why


async def test_server_that_does_not_answer_is_told() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await asyncio.Event().wait()

    async def cut(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await body_of(reader, await head_of(reader))

    found = await probed(silent, 0.05)

    assert (found.why, found.models) == ("no answer within 0.05 s", None)
    assert (await probed(cut)).why
    (nobody,) = await probe_servers(["http://127.0.0.1:1"])
    assert nobody.why == "no connection: connection refused"


async def test_page_is_read_only_so_far() -> None:
    long = PAGE + b" " * 1_000_000

    assert (await probed(saying(200, long))).dialect == "jimeng-free-all"
    assert (await probed(saying(200, b" " * 100_000 + PAGE))).dialect == "plain"


async def test_page_that_moved_or_is_compressed_tells_nothing() -> None:
    moved = saying(302, b"", "Location: http://169.254.169.254/")
    squeezed = saying(200, gzip.compress(PAGE), "Content-Encoding: gzip")

    for behaviour in (moved, squeezed):
        found = await probed(behaviour)
        assert (found.dialect, found.why, found.models) == ("plain", "", None)


async def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)

    assert (await probed(saying(200, PAGE))).dialect == "jimeng-free-all"
