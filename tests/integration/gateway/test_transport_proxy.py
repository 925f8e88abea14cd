"""Servers through a real proxy: passed on, tunnelled, refused; and never where nobody said so."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from nats.aio.client import Client

from contracts.balancer import Server
from contracts.pool import UsageRecorded
from runtime.nats import natsserver
from services.balancer.probes import probe_client, probe_failure
from services.gateway.transport import NothingSentError, Transport
from tests.integration.gateway.bench import at, front, saying
from tests.integration.gateway.proxies import proxied
from tests.integration.gateway.upstreams import certificate, echo, request, upstream
from tests.tinyserver import listening
from tests.unit.balancer import builders

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]
HUSH = "hush%3A1"


async def body_through(transport: Transport, url: str, body: bytes = b"hello") -> bytes:
    response = await transport.handle_async_request(request(url, body))
    return await response.aread()


async def nothing_sent(transport: Transport, url: str) -> NothingSentError:
    sent = request(url)
    with pytest.raises(NothingSentError) as caught:
        await transport.handle_async_request(sent)
    assert "sent_at" not in sent.extensions
    return caught.value


async def test_server_of_http_is_passed_on_by_its_whole_address(transport: Transport) -> None:
    async with upstream(echo) as server, proxied("me:hush:1") as proxy:
        transport.go_through(f"http://me:{HUSH}@127.0.0.1:{proxy.port}")

        for _ in range(2):
            told = await body_through(transport, f"{server.url}?y=z")

        assert told.endswith(b"hello")
        assert b"proxy-auth" not in told.lower()
        assert proxy.asked == [f"POST {server.url}?y=z HTTP/1.1"] * 2
        assert server.connections == proxy.connections == 1, "kept alive"


async def test_name_that_the_proxy_alone_knows_is_for_it_to_look_up(transport: Transport) -> None:
    async with upstream(echo) as server, proxied() as proxy:
        proxy.leads["known.only.to.it.invalid"] = "127.0.0.1"
        transport.go_through(f"http://127.0.0.1:{proxy.port}")
        url = server.url.replace("127.0.0.1", "known.only.to.it.invalid")

        assert (await body_through(transport, url)).endswith(b"hello")


@pytest.mark.parametrize("secure_proxy", [False, True])
async def test_server_of_https_is_reached_through_a_tunnel(
    tmp_path: Path, *, secure_proxy: bool
) -> None:
    server_context, client_context = certificate(tmp_path)
    transport = Transport(ssl_context=client_context)
    context = server_context if secure_proxy else None
    async with upstream(echo, server_context) as server, proxied("me:hush:1", context) as proxy:
        scheme = "https" if secure_proxy else "http"
        transport.go_through(f"{scheme}://me:{HUSH}@127.0.0.1:{proxy.port}")
        body = b"x" * 300_000

        for _ in range(3):
            told = await body_through(transport, server.url, body)
            assert told.endswith(body)

        place = urlsplit(server.url).netloc
        assert proxy.asked == [f"CONNECT {place} HTTP/1.1"]
        assert b"authorization" not in told[:1000].lower()
        assert server.connections == 1
    await transport.aclose()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_does_not_know_us_has_sent_nothing_on_and_hears_no_secret_again(
    transport: Transport, scheme: str
) -> None:
    async with upstream(echo) as server, proxied("me:other") as proxy:
        transport.go_through(f"http://me:{HUSH}@127.0.0.1:{proxy.port}")

        error = await nothing_sent(transport, server.url.replace("http", scheme))

        assert error.failure == "connect"
        assert "answers 407" in error.detail
        assert "hush" not in error.detail
        assert server.connections == 0


async def test_tunnel_that_is_refused_has_sent_nothing(transport: Transport) -> None:
    async with proxied() as proxy:
        proxy.refuses = 403
        transport.go_through(f"http://127.0.0.1:{proxy.port}")

        assert "answers 403" in (await nothing_sent(transport, "https://example.invalid")).detail


async def test_proxy_that_is_not_there_has_sent_nothing(transport: Transport) -> None:
    transport.go_through(f"http://127.0.0.1:{natsserver.free_port()}")

    for url in ("http://127.0.0.1:9", "https://127.0.0.1:9"):
        assert (await nothing_sent(transport, url)).failure == "connect"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["169.254.169.254", "0xA9FEA9FE", "metadata.google.internal"])
async def test_address_that_is_no_servers_is_not_asked_of_the_proxy(
    transport: Transport, scheme: str, host: str
) -> None:
    async with proxied() as proxy:
        transport.go_through(f"http://127.0.0.1:{proxy.port}")

        assert (await nothing_sent(transport, f"{scheme}://{host}")).failure == "forbidden_address"
        assert proxy.asked == []


async def test_way_is_changed_for_the_next_call(transport: Transport) -> None:
    async with upstream(echo) as server, proxied() as proxy:
        await body_through(transport, server.url)
        transport.go_through(f"http://127.0.0.1:{proxy.port}")
        await body_through(transport, server.url)
        transport.go_through("")
        await body_through(transport, server.url)

        assert len(proxy.asked) == 1
        assert server.connections == 2


async def test_proxies_of_the_environment_are_not_used(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upstream(echo) as server, listening() as pinged, proxied() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
        await body_through(transport, server.url)
        async with probe_client() as client:
            assert await probe_failure(client, one_at(f"http://127.0.0.1:{pinged}"), 5) is None

        assert proxy.asked == []


def one_at(url: str) -> Server:
    return builders.server("one", url=url)


async def test_probes_go_the_way_of_calls() -> None:
    async with listening() as port, proxied("me:hush:1") as proxy, probe_client() as client:
        proxy.leads["known.only.to.it.invalid"] = "127.0.0.1"
        url = f"http://known.only.to.it.invalid:{port}"
        assert await probe_failure(client, one_at(url), 5) is not None
        client.way.go_through(f"http://me:{HUSH}@127.0.0.1:{proxy.port}")

        assert await probe_failure(client, one_at(url), 5) is None
        assert proxy.asked == [f"GET {url}/ping HTTP/1.1"]
        metadata = one_at("http://metadata.google.internal")
        assert "metadata" in str(await probe_failure(client, metadata, 5))
        assert len(proxy.asked) == 1


async def test_gateway_calls_servers_through_its_proxy_and_their_models_too(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    picture = b'{"created":1,"data":[{"url":"http://x/1.png"}]}'
    models = b'{"data":[{"id":"jimeng-4.0"}]}'
    async with (
        upstream(saying(200, picture)) as server,
        upstream(saying(200, models)) as other,
        proxied("me:hush:1") as proxy,
        front(
            nats_client, nats_url, tmp_path, proxy=f"http://me:{HUSH}@127.0.0.1:{proxy.port}"
        ) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        gate.knows(other=other.url)

        answers = [await gate.ask(), await gate.ask("GET", "/v1/models")]

        assert [one.status_code for one in answers] == [200, 200]
        assert len(proxy.asked) == 2
        used = await gate.journalled(UsageRecorded)
        assert "hush" not in repr(used)
        proxy.shown = b"nobody"
        refused = await gate.ask()
        assert refused.status_code >= 500
        assert "hush" not in refused.text
        before = len(proxy.asked)
        gate.configure()
        assert (await gate.ask()).status_code == 200
        assert len(proxy.asked) == before
