"""Where a name leads: never to an address that is no server's, and before anything is sent."""

import asyncio
import socket
from typing import Any

import pytest

from runtime.nats import natsserver
from services.balancer.probes import probe_client, probe_failure
from services.gateway.transport import NothingSentError, Transport
from tests.integration.gateway.upstreams import request
from tests.tinyserver import listening
from tests.unit.balancer.builders import server

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]
SNEAKY = "sneaky.example"


def lead(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have the resolver say that SNEAKY is at these addresses; literals are as ever."""
    loop = asyncio.get_running_loop()
    known = loop.getaddrinfo

    async def looked_up(host: str, port: int, **rest: Any) -> list[Any]:
        if host != SNEAKY:
            return await known(host, port, **rest)
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port),
            )
            for one in addresses
        ]

    monkeypatch.setattr(loop, "getaddrinfo", looked_up)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1%2", "link-local"),
        ("100.100.100.200", "metadata"),
        ("0.0.0.0", "no server's address"),
    ],
)
async def test_name_that_leads_to_no_servers_address_is_not_connected_to(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    lead(monkeypatch, address)
    made = request(f"http://{SNEAKY}:9001/")

    with pytest.raises(NothingSentError, match=f"{SNEAKY} leads nowhere else: .*{why}") as failure:
        await transport.handle_async_request(made)

    assert failure.value.failure == "forbidden_address"
    assert "sent_at" not in made.extensions


@pytest.mark.parametrize("host", ["0xA9FEA9FE", "2852039166", "[::ffff:a9fe:a9fe]", "169.254.0.1"])
async def test_spelling_that_only_the_resolver_understands_hides_nothing(
    transport: Transport, host: str
) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(NothingSentError, match="link-local") as failure:
            await transport.handle_async_request(request(f"{scheme}://{host}/"))
        assert failure.value.failure == "forbidden_address"


async def test_address_of_a_server_is_used_beside_one_that_is_none(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening() as port:
        lead(monkeypatch, "fe80::1%2", "::1", "127.0.0.1")
        response = await transport.handle_async_request(request(f"http://{SNEAKY}:{port}/"))

        assert await response.aread() == b"pong"


async def test_last_addresss_failure_is_told_when_none_takes_the_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead(monkeypatch, "::1", "127.0.0.1")
    url = f"http://{SNEAKY}:{natsserver.free_port()}/"

    with pytest.raises(NothingSentError) as failure:
        await transport.handle_async_request(request(url))
    assert failure.value.failure == "connect"


async def test_probe_of_a_name_that_leads_to_no_servers_address_fails_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead(monkeypatch, "169.254.169.254")
    async with probe_client() as client:
        failure = await probe_failure(client, server("one", url=f"http://{SNEAKY}"), 5)

    assert failure == (
        f"{SNEAKY} leads nowhere else: 169.254.169.254 is a link-local address, expected a server"
    )


async def test_probe_believes_the_address_it_reached_not_the_one_it_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "services.balancer.probes.address_objection", lambda address: f"{address} is no server's"
    )
    async with listening() as port, probe_client() as client:
        probed = server("one", url=f"http://127.0.0.1:{port}")

        assert await probe_failure(client, probed, 5) == "127.0.0.1 is no server's"
