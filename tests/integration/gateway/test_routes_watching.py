"""Who may read metrics and the schema, by which name and from which page; long paths."""

import pytest
from litestar.datastructures.url import URL
from nats.aio.client import Client

from tests.integration.gateway.doors import Desk, desk

pytestmark = pytest.mark.anyio
WATCHED = ["/metrics", "/schema", "/schema/openapi.json"]
EVIL = {"host": "evil.example"}


def bearing(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def metrics_key(made: Desk) -> str:
    body = {"name": "prometheus", "scope": "metrics"}
    issued = await made.ask("POST", "/api/keys", 201, json=body)
    assert issued["scope"] == "metrics"
    text: str = issued["key"]
    return text


@pytest.mark.parametrize("path", WATCHED)
async def test_watching_from_afar_wants_an_operators_or_a_metrics_key(
    nats_client: Client, path: str
) -> None:
    async with desk(nats_client, address="203.0.113.9") as made:
        keys = [await metrics_key(made), made.admin, made.client_key, "sk-wrong"]
        answers = [await made.http.get(path, headers=bearing(key)) for key in keys]
        without = await made.http.get(path)

    assert [one.status_code for one in answers] == [200, 200, 403, 401]
    assert without.status_code == 401


@pytest.mark.parametrize("path", WATCHED)
async def test_whom_metrics_allow_names_needs_no_key_when_it_asks_directly(
    nats_client: Client, path: str
) -> None:
    async with desk(nats_client, address="203.0.113.9", metrics_allow=["203.0.113.0/24"]) as made:
        near = await made.http.get(path)
        proxied = await made.http.get(path, headers={"x-forwarded-for": "203.0.113.9"})
        for name in ("X-Forwarded-Proto", "CF-Connecting-IP", "Sec-Fetch-Site"):
            behind = await made.http.get(path, headers={name: "said"})
            assert behind.status_code == 401, name
    async with desk(nats_client, metrics_allow=[]) as made:
        here = await made.http.get(path)

    assert [one.status_code for one in (near, proxied, here)] == [200, 401, 401]


async def test_metrics_key_opens_nothing_else(alone: Desk) -> None:
    key = await metrics_key(alone)

    for path in ("/api/keys", "/api/load-balancer"):
        assert (await alone.http.get(path, headers=bearing(key))).status_code == 403
    bounded = {"name": "p", "scope": "metrics", "concurrency": 1}
    assert "bounds" in (await alone.refused("POST", "/api/keys", 400, json=bounded))["message"]


async def test_host_that_is_none_of_ours_is_misdirected_where_no_key_is_sent(alone: Desk) -> None:
    for path in (*WATCHED, "/metrics/", "/nothing"):
        answer = await alone.http.get(path, headers=EVIL)
        assert answer.status_code == 421, path
        assert answer.json()["error"]["code"] == "host_not_allowed"
    for path in ("/livez", "/readyz", "/ping", "/health", "/ping/", "/health/", "/livez/"):
        assert (await alone.http.get(path, headers=EVIL)).status_code == 200, path
    with_key = {**EVIL, **bearing(alone.admin)}
    assert (await alone.http.get("/metrics", headers=with_key)).status_code == 200


async def test_host_that_is_listed_is_ours(nats_client: Client) -> None:
    async with desk(nats_client, hosts=["Evil.example"]) as made:
        assert (await made.http.get("/metrics", headers=EVIL)).status_code == 200


async def test_pages_of_listed_origins_may_administer(nats_client: Client) -> None:
    origin = {"origin": "https://ops.example.org"}
    async with desk(nats_client, cors_origins=["https://ops.example.org"]) as made:
        asked = await made.http.options("/api/keys", headers=origin)
        told = await made.http.get("/api/keys", headers={**origin, **bearing(made.admin)})
        other = await made.http.options("/api/keys", headers={"origin": "https://evil.example"})

    for answer in (asked, told):
        assert answer.headers["access-control-allow-origin"] == "https://ops.example.org"
    assert "access-control-allow-origin" not in other.headers


async def test_nothing_is_kept_of_long_paths(alone: Desk) -> None:
    before, lines = URL._new.cache_info().currsize, len(alone.logged)
    routes = alone.http._transport.app.asgi_router.handle_routing  # type: ignore[attr-defined]
    known = routes.cache_info().currsize
    for number in range(20):
        answer = await alone.http.get(f"/{number:02}" + "x" * 60_000)
        assert answer.status_code == 404
        assert len(answer.content) < 1000

    assert routes.cache_info().currsize == known
    assert URL._new.cache_info().currsize == before
    assert all(len(line["path"]) <= 256 for line in alone.logged[lines:])
    assert len(alone.logged) == lines + 20
