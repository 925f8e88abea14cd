"""A call that is only tried: leases given back, servers asked for, and what a client would hear."""

from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.pool import TRY_PATH, LeaseCancelled, LeaseGranted, SessionRequested
from tests.integration.gateway.bench import NOBODY, Front, at, front

pytestmark = pytest.mark.anyio


async def rehearse(gate: Front, *service_types: str) -> list[dict[str, Any]]:
    body = {"service_types": list(service_types)}
    answer = await gate.ask(path="/api/doctor/try", key=gate.admin_key, json=body)
    assert answer.status_code == 200, answer.text
    calls: list[dict[str, Any]] = answer.json()["data"]
    return calls


async def test_call_that_would_succeed_names_its_session_and_its_server(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at("http://127.0.0.1:1")

        calls = await rehearse(gate, "image", "image", "image")
        every = await rehearse(gate)

        requests = await gate.journalled(SessionRequested)
        granted = await gate.journalled(LeaseGranted)
        cancelled = await gate.journalled(LeaseCancelled)

    assert [(call["service_type"], call["succeeds"]) for call in calls] == [("image", True)] * 3
    assert [call["service_type"] for call in every] == ["image", "video", "avatar"]
    assert {call["server_id"] for call in calls} == {"one"}
    assert [call["session_id"] for call in calls] == [one.session_id for one in granted[:3]]
    assert {one.path for one in requests} == {TRY_PATH}
    assert all(one.only_tried for one in granted)
    assert {one.lease_id for one in cancelled} == {one.lease_id for one in granted}
    assert [(asked.only_ask, asked.lease_id) for asked in gate.asked] == [(True, "")] * 4


async def test_lease_is_given_back_before_the_next_type_is_tried(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    """Else the next one would find its session at work, where there are as few as here."""
    async with front(nats_client, nats_url, tmp_path, sessions=1) as gate:
        gate.chosen = lambda _: at("http://127.0.0.1:1")

        calls = await rehearse(gate, *["image"] * 3)
        not_given_back = len(gate.gateway.outbox)

    assert [(call["succeeds"], call["why"]) for call in calls] == [(True, "")] * 3
    assert not_given_back == 0


async def test_call_is_told_as_its_client_would_be(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path, sessions=1, limit=1) as gate:
        gate.chosen = lambda _: NOBODY
        (nobody,) = await rehearse(gate, "image")
        gate.chosen = None
        gate.configure(failover_wait=0)
        (silent,) = await rehearse(gate, "image")
        (session,) = (await gate.ask("GET", "/api/sessions", gate.admin_key)).json()["data"]
        path = f"/api/sessions/{session['session_id']}"
        none = {"limits": {"image": 0}}
        await gate.ask("PATCH", path, gate.admin_key, json=none)
        (nothing,) = await rehearse(gate, "image")
        unknown = await gate.ask(
            path="/api/doctor/try", key=gate.admin_key, json={"service_types": ["film"]}
        )

    assert (nothing["code"], nothing["status"]) == ("pool_quota_exhausted", 429)
    assert nothing["resets_at"] in nothing["why"]
    assert (nobody["code"], nobody["status"]) == ("no_backend", 503)
    assert "the balancer does not answer" in silent["why"]
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "service_types")


async def test_session_whose_region_has_no_server_is_given_back_for_another(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    def choose(wanted: SelectServer) -> Selected | NoServer:
        if wanted.session_region == "us":
            return NoServer(reason="no server serves us", region="us")
        return at("http://127.0.0.1:1")

    async with front(nats_client, nats_url, tmp_path, sessions=0) as gate:
        gate.chosen = choose
        for region in ("us", "jp"):
            body = {"credential": f"of-{region}", "region": region}
            added = await gate.ask(path="/api/sessions", key=gate.admin_key, json=body)
            assert added.status_code == 200, added.text

        calls = [*await rehearse(gate, "image"), *await rehearse(gate, "image")]
        gate.chosen = lambda wanted: NoServer(reason="none", region=wanted.session_region)
        (nowhere,) = await rehearse(gate, "image")

        granted = await gate.journalled(LeaseGranted)
        cancelled = await gate.journalled(LeaseCancelled)

    assert [call["succeeds"] for call in calls] == [True, True]
    assert nowhere["code"] in {"no_backend", "pool_saturated"}
    assert len(granted) == len(cancelled) >= 4


async def test_nothing_is_asked_while_nothing_can_be_journalled(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.gateway.outbox.unwritable = True
        (blocked,) = await rehearse(gate, "image")
        gate.gateway.outbox.unwritable = False

    assert (blocked["code"], gate.asked) == ("ledger_unavailable", [])
