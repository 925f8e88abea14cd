"""The client's address and scheme behind a front, and what of them is stored and sent on."""

import asyncio
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from nats.aio.client import Client

from contracts.pool import SessionRequested
from runtime.nats import natsserver
from tests import ROOT
from tests.integration.gateway.bench import IMAGES, Front, at, front, saying
from tests.integration.gateway.upstreams import certificate, upstream

pytestmark = pytest.mark.anyio
PAGE = ROOT / "docs" / "how-to" / "tls-front.md"
DONE = b'{"created":1,"data":[{"url":"u"}]}'
FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "User-Agent": "us/1 (me)"}
CLIENT = "127.0.0.2"
"""Where clients come from; proxies come from 127.0.0.1."""


async def ask_from(gate: Front, base: str, trusting: ssl.SSLContext | None = None) -> None:
    """Ask from an address of the client's own."""
    way = httpx.AsyncHTTPTransport(local_address=CLIENT, verify=trusting or True)
    headers = {"Authorization": f"Bearer {gate.key}", **FORGED}
    async with httpx.AsyncClient(transport=way, timeout=50) as http:
        answer = await http.post(f"{base}{IMAGES}", headers=headers, json={"prompt": "a gate"})
    assert answer.json() == {"created": 1, "data": [{"url": "u"}]}


def forwarded(head: bytes) -> dict[str, str]:
    lines = head.decode().lower().split("\r\n")[1:-2]
    return dict(line.split(": ", 1) for line in lines if line.startswith("x-forwarded"))


@asynccontextmanager
async def nginx(gateway: str, home: Path) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """The how-to page's own server block, in front of a gateway."""
    found = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    port = natsserver.free_port()
    _, trusting = certificate(home)
    block = found[1]
    for old, new in (
        ("127.0.0.1:8080", gateway.removeprefix("http://")),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/gate.example.org.pem", str(home / "server.pem")),
        ("/etc/ssl/gate.example.org.key", str(home / "server.pem")),
    ):
        assert old in block
        block = block.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {home}/{kind};\n" for kind in kinds)
    config = home / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {home}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{block}}}\n"
    )
    arguments = ("-p", str(home), "-c", str(config), "-e", "stderr")
    tried = await asyncio.create_subprocess_exec("nginx", *arguments, "-t")
    assert await tried.wait() == 0
    process = await asyncio.create_subprocess_exec("nginx", *arguments)
    try:
        async with asyncio.timeout(50):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.02)
            writer.close()
            await writer.wait_closed()
        yield f"https://127.0.0.1:{port}", trusting
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
async def test_client_behind_the_documented_front_is_known_by_its_own_address(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    trusted = ["127.0.0.1"]
    async with (
        upstream(saying(200, DONE, seen=heads)) as server,
        front(
            nats_client, nats_url, tmp_path, trusted_proxies=trusted, client_address="full"
        ) as gate,
        nginx(str(gate.http.base_url), tmp_path) as (base, trusting),
    ):
        gate.chosen = lambda _: at(server.url)
        await ask_from(gate, base, trusting)
        (wanted,) = await gate.journalled(SessionRequested)

    assert forwarded(heads[0]) == {
        "x-forwarded-for": CLIENT,
        "x-forwarded-proto": "https",
        "x-forwarded-host": "127.0.0.1",
    }
    assert (wanted.client_address, wanted.user_agent) == (CLIENT, "us/1 (me)")


async def test_stranger_that_claims_to_be_a_proxy_is_not_believed(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    async with (
        upstream(saying(200, DONE, seen=heads)) as server,
        front(nats_client, nats_url, tmp_path, trusted_proxies=["127.0.0.1"]) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        await ask_from(gate, str(gate.http.base_url))
        (wanted,) = await gate.journalled(SessionRequested)

    assert forwarded(heads[0])["x-forwarded-for"] == CLIENT
    assert forwarded(heads[0])["x-forwarded-proto"] == "http"
    assert (wanted.client_address, wanted.user_agent) == ("127.0.0.0", "us/1")


async def test_trust_is_given_and_taken_while_running(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    async with (
        upstream(saying(200, DONE, seen=heads)) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        base = str(gate.http.base_url)
        for trusted in (["127.0.0.0/8"], []):
            await ask_from(gate, base)
            gate.configure(trusted_proxies=trusted)
        await ask_from(gate, base)

    claimed = FORGED["X-Forwarded-For"]
    assert [forwarded(head)["x-forwarded-for"] for head in heads] == [CLIENT, claimed, CLIENT]
