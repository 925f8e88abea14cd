"""Behind a domain that is shared: what stands before every path is taken off, and goes nowhere."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.pool import SessionRequested
from tests.integration.gateway.bench import IMAGES, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio


async def test_base_path_is_taken_off_before_anything_looks_and_is_never_sent(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    said = saying(200, b'{"data":[{"url":"u"}]}', "Content-Type: application/json", seen=seen)
    async with (
        upstream(said) as server,
        front(nats_client, nats_url, tmp_path, base_path="/tide/gate") as gate,
    ):
        gate.chosen = lambda _: at(server.url)

        below = await gate.ask(path=f"/tide/gate{IMAGES}?x=1")
        beside = await gate.ask(path=IMAGES)
        other = await gate.ask(path=f"/tide/gates{IMAGES}")
        ping = await gate.http.get("/tide/gate/ping")
        models = await gate.ask("GET", "/tide/gate/v1/models/a%2Fb")
        listed = await gate.ask("GET", "/tide/gate/api/keys", gate.admin_key)
        twice = await gate.ask(path=f"/tide/gate//tide/gate{IMAGES}")

        requests = await gate.journalled(SessionRequested)

    assert (below.status_code, beside.status_code, other.status_code) == (200, 200, 200)
    assert [head.split(b" ")[1] for head in seen][:2] == [f"{IMAGES}?x=1".encode(), IMAGES.encode()]
    assert {one.path for one in requests} == {IMAGES, f"/tide/gates{IMAGES}"}
    assert (ping.text, listed.status_code, twice.status_code) == ("pong", 200, 400)
    # The list of models was asked for, and not a path that nobody has.
    assert models.json()["error"]["message"] == "no server is known"


async def test_dashboard_below_a_base_path_stays_below_it(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    """Its files are named beside it; its cookie goes to no other gateway of the domain."""
    async with front(nats_client, nats_url, tmp_path, base_path="/tide/gate") as gate:
        bare = await gate.http.get("/tide/gate")
        page = await gate.http.get("/tide/gate/")
        script = await gate.http.get("/tide/gate/ui/app.js")
        below = await gate.ask("POST", "/tide/gate/api/sign-in/links", gate.admin_key)
        beside = await gate.ask("POST", "/api/sign-in/links", gate.admin_key)
        link = {"link": below.json()["link"]}
        signed_in = await gate.http.post(
            "/tide/gate/api/sign-in", json=link, headers={"X-Tidegate": "1"}
        )
        cookie = signed_in.headers["set-cookie"]
        who = await gate.http.get(
            "/tide/gate/api/sign-in", headers={"cookie": cookie.partition(";")[0]}
        )

    assert (bare.status_code, bare.headers["location"]) == (308, "/tide/gate/")
    assert (page.status_code, script.status_code) == (200, 200)
    assert below.json()["url"].startswith(f"{gate.http.base_url}/tide/gate/#in=")
    assert beside.json()["url"].startswith(f"{gate.http.base_url}/#in=")
    assert f"_{gate.http.base_url.port}.tide.gate=" in cookie
    assert "; Path=/tide/gate; " in cookie
    assert who.status_code == 200


async def test_base_path_is_taken_up_while_it_runs(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        before = await gate.http.get("/gate/ping")
        gate.configure(base_path="/gate")
        after = await gate.http.get("/gate/ping")

    assert (before.status_code, after.status_code) == (404, 200)
