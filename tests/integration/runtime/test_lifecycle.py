"""How tasks are ended: also those that swallow a cancellation."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry

from runtime.nats import natsserver
from runtime.process import health, lifecycle

pytestmark = pytest.mark.anyio


async def test_task_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await lifecycle.end_tasks(task, again_s=0.001)

    assert task.cancelled()
    assert swallowed == 3


async def test_task_that_tidies_up_is_given_the_time() -> None:
    tidied = asyncio.Event()

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            tidied.set()

    task = asyncio.create_task(tidy())
    await asyncio.sleep(0)
    await lifecycle.end_tasks(task)

    assert tidied.is_set()


async def test_first_error_of_a_task_ends_the_others_and_is_raised() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await lifecycle.until_stopped(asyncio.Event(), waits(), fails())
    assert ended.is_set()


async def test_stop_ends_what_runs() -> None:
    stop = asyncio.Event()
    stop.set()

    async with asyncio.timeout(5):
        await lifecycle.until_stopped(stop, asyncio.sleep(60))


async def test_health_port_answers_in_the_network_of_a_host_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await health._address_towards("127.0.0.1") == "127.0.0.1"

    async def another(_: str) -> str:
        return "127.0.0.2"

    monkeypatch.setattr(health, "_address_towards", another)
    port = natsserver.free_port()
    serving = asyncio.create_task(
        health.serve_health(port, lambda: "", CollectorRegistry(), network="nats")
    )
    async with asyncio.timeout(30):
        for host in ("127.0.0.1", "127.0.0.2"):
            while True:
                try:
                    reader, writer = await asyncio.open_connection(host, port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.write(b"GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 200")
                writer.close()
                break
    serving.cancel()
    await asyncio.wait({serving}, timeout=30)


async def test_health_port_ends_when_it_is_told_once() -> None:
    """One that swallowed it kept a gateway from ending for five seconds."""
    serving = asyncio.create_task(
        health.serve_health(natsserver.free_port(), lambda: "", CollectorRegistry())
    )
    await asyncio.sleep(0.05)
    serving.cancel()
    await asyncio.wait({serving}, timeout=30)

    assert serving.cancelled()


async def test_metrics_of_a_health_port_are_told_to_no_page_of_elsewhere() -> None:
    """Each path is asked under names of this machine and of others, and with two at once."""
    port = natsserver.free_port()
    serving = asyncio.create_task(health.serve_health(port, lambda: "", CollectorRegistry()))

    async def asked(path: str, host: str) -> int:
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"http://127.0.0.1:{port}{path}"
            return (await http.get(url, headers={"host": host})).status_code

    async with asyncio.timeout(30):
        while True:
            try:
                assert await asked("/livez", "evil.example") == 200
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1.evil.example",
            "localhost.",
        ):
            assert await asked("/metrics", host) == 421, host
            assert await asked("/readyz", host) == 200, host
        for host in (f"127.0.0.1:{port}", "[::1]:1", "localhost", "pool-1:9091"):
            assert await asked("/metrics", host) == 200, host
        for path in ("/metrics", "/livez", "/readyz"):
            for second in ("evil.example", "127.0.0.1"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                hosts = f"Host: 127.0.0.1\r\nHost: {second}\r\nConnection: close\r\n\r\n"
                writer.write(f"GET {path} HTTP/1.1\r\n{hosts}".encode())
                assert (await reader.read()).startswith(b"HTTP/1.1 400"), (path, second)
                writer.close()
    serving.cancel()
    await asyncio.wait({serving}, timeout=30)
