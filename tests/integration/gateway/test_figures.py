"""The operator's figures with the real pool, balancer and analytics behind the doors."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.base import GatewayId, KeyId, RequestId, ServerId, ServiceType
from contracts.pool import (
    Attempt,
    EndAnswers,
    EndLeases,
    Granted,
    LeaseAnswers,
    LeaseSessions,
    LeaseWanted,
    Outcome,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from runtime.secrets import session_identity
from services.balancer.settings import ServerSection
from services.gateway.clients.request import new_request_id
from tests.integration.gateway.doors import Desk, desk, house, upstream
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
TYPES = ["image", "video", "avatar", "music"]


@pytest.fixture
async def staffed(nats_client: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway's doors with everything behind them: two sessions, one server."""
    async with upstream() as url:
        servers = [
            ServerSection(
                server_id=ServerId("server-1"),
                url=url,
                region="asia-east",
                max_sessions=200,
                capabilities=[ServiceType(name) for name in TYPES],
            )
        ]
        async with (
            house(nats_url, tmp_path / "home", servers),
            desk(nats_client, patience_s=10) as made,
        ):
            await eventually(lambda: well(made))
            yield made


async def well(made: Desk) -> bool:
    report = (await made.http.get("/health")).json()
    return bool(report["status"] == "ok" and report["services"]["analytics"])


def today() -> str:
    return datetime.now(UTC).date().isoformat()


async def leased(client: Client, service_type: str) -> Granted:
    wanted = SessionRequested(
        request_id=new_request_id(),
        number=1,
        service_type=ServiceType(service_type),
        asked_at=datetime.now(UTC),
        gateway_id=GatewayId("gw"),
        key_id=KeyId("key"),
    )
    command = LeaseSessions(items=[LeaseWanted(requested=wanted)])
    reply = await client.request(subjects.pool_lease(), msgspec.json.encode(command), timeout=5)
    (granted,) = msgspec.json.decode(reply.data, type=LeaseAnswers).items
    assert isinstance(granted, Granted)
    return granted


async def used(client: Client, service_type: str, outcome: Outcome = Outcome.SETTLED) -> Granted:
    granted = await leased(client, service_type)
    verdict = Verdict.SUCCESS if outcome is Outcome.SETTLED else Verdict.OUTCOME_UNKNOWN
    usage = UsageRecorded(
        lease_id=granted.lease_id,
        request_id=RequestId(granted.lease_id.rpartition(".")[0]),
        session_id=granted.session_id,
        service_type=ServiceType(service_type),
        outcome=outcome,
        verdict=verdict,
        units=granted.units if outcome is Outcome.SETTLED else 0,
        status=200,
        attempts=[Attempt(server_id=ServerId("server-1"), verdict=verdict, sent=True)],
    )
    body = msgspec.json.encode(EndLeases(items=[usage]))
    reply = await client.request(subjects.pool_end(), body, timeout=5)
    assert msgspec.json.decode(reply.data, type=EndAnswers).items == ["journalled"]
    return granted


async def projected(made: Desk) -> None:
    """Wait until analytics has seen everything that is in the log."""
    last = (await made.doors.log.state()).last_sequence

    async def seen() -> bool:
        found = await made.ask("POST", "/api/sql", json={"query": "select 1"})
        return bool(found["sequence"] >= last)

    await eventually(seen)


async def test_whole_with_every_service_is_well(staffed: Desk) -> None:
    report = (await staffed.http.get("/health")).json()

    assert report["status"] == "ok"
    assert report["services"] == {"sessionManager": True, "loadBalancer": True, "analytics": True}
    assert report["sessions"] == {"active": 2, "minRequired": 2}
    assert report["servers"] == {"total": 1, "healthy": 1, "totalConnections": 0}

    balancer = await staffed.ask("GET", "/api/load-balancer")
    assert balancer["strategy"] == "capability_based"
    (server,) = balancer["servers"]
    assert server == {
        "id": "server-1",
        "url": server["url"],
        "region": "asia-east",
        "healthy": True,
        "connections": 0,
        "maxConnections": 200,
        "utilization": 0.0,
        "avgResponseTime": server["avgResponseTime"],
        "successRate": 1.0,
        "capabilities": TYPES,
        "priority": 1,
    }


async def test_figures_now_and_in_history_agree_to_the_unit(staffed: Desk) -> None:
    client = staffed.doors.client
    granted = [await used(client, name) for name in ("image", "image", "image", "video", "music")]
    open_lease = await leased(client, "avatar")
    await projected(staffed)

    views: dict[str, Any] = {}
    for session in {one.session_id for one in [*granted, open_lease]}:
        views[session] = await staffed.ask("GET", f"/api/session/usage?sessionId={session}")
    for view in views.values():
        assert list(view["usage"]) == [f"{name}_count" for name in TYPES]
        assert view["limits"] == {"image": 10, "video": 2, "avatar": 1, "music": 3}
        for name, limit in view["limits"].items():
            held = view["reserved"][name]
            assert view["remaining"][name] == limit - view["usage"][f"{name}_count"] - held
    assert views[open_lease.session_id]["reserved"]["avatar"] == 1
    units = {name: sum(view["usage"][f"{name}_count"] for view in views.values()) for name in TYPES}
    assert units == {"image": 3, "video": 1, "avatar": 0, "music": 1}

    sessions = len({one.session_id for one in granted})
    day = await told(staffed, f"/api/session/stats?date={today()}")
    assert day == {
        "date": today(),
        "active_sessions": sessions,
        "total_images": 3,
        "total_videos": 1,
        "total_avatars": 0,
        "total_musics": 1,
        "avg_requests_per_session": round(5 / sessions, 2),
    }
    daily = await told(staffed, f"/api/stats/daily?start={today()}&end={today()}")
    assert daily == {
        "data": [
            {
                "date": today(),
                "active_sessions": sessions,
                "images": 3,
                "videos": 1,
                "avatars": 0,
                "musics": 1,
            }
        ],
        "totalDays": 1,
    }
    assert (await staffed.ask("GET", "/api/stats/summary"))["sequence"] > 0
    summary = await told(staffed, "/api/stats/summary")
    assert summary == {
        "period": "last_7_days",
        "total_sessions": sessions,
        "total_images": 3,
        "total_videos": 1,
        "total_avatars": 0,
        "total_musics": 1,
        "avg_requests_per_session": round(5 / sessions, 2),
        "total_requests": 5,
    }
    await _each_session(staffed, views)


async def told(staffed: Desk, path: str) -> dict[str, Any]:
    """Figures of history, without what they say of their freshness."""
    found: dict[str, Any] = await staffed.ask("GET", path)
    last = (await staffed.doors.log.state()).last_sequence
    assert found.pop("sequence") <= last
    assert found.pop("lag") >= 0
    return found


async def _each_session(staffed: Desk, views: dict[str, Any]) -> None:
    for session, view in views.items():
        stats = await told(staffed, f"/api/session/stats?sessionId={session}&days=2")
        breakdown = {name: view["usage"][f"{name}_count"] for name in TYPES}
        total = sum(breakdown.values())
        days = [{"date": today(), **view["usage"]}] if total else []
        assert stats == {
            "sessionId": session,
            "totalRequests": total,
            "dailyStats": days,
            "serviceBreakdown": breakdown,
            "avgDailyUsage": round(total / 2, 2),
        }


async def test_day_without_usage_is_zero_and_unknown_sessions_are_404(staffed: Desk) -> None:
    day = await staffed.ask("GET", "/api/session/stats?date=2020-01-01")
    assert day["active_sessions"] == day["total_images"] == day["avg_requests_per_session"] == 0
    assert await told(staffed, "/api/stats/daily?start=2020-01-01&end=2020-02-01") == {
        "data": [],
        "totalDays": 0,
    }
    for method, path, body in (
        ("GET", "/api/session/usage?sessionId=ses_none", None),
        ("GET", "/api/session/stats?sessionId=ses_none", None),
        ("GET", "/api/sessions/ses_none", None),
        ("PATCH", "/api/sessions/ses_none", {"status": "draining"}),
        ("DELETE", "/api/sessions/ses_none", None),
        ("PATCH", "/api/servers/none", {"weight": 2}),
        ("DELETE", "/api/servers/none", None),
    ):
        given = {} if body is None else {"json": body}
        assert (await staffed.refused(method, path, 404, **given))["code"] == "not_found", path
    listed = (await staffed.ask("GET", "/api/sessions"))["data"]
    idle = await staffed.ask("GET", f"/api/session/stats?sessionId={listed[0]['session_id']}")
    assert (idle["totalRequests"], idle["dailyStats"]) == (0, [])


async def test_session_is_added_under_seal_changed_and_retired(staffed: Desk) -> None:
    credential = "a-credential-that-nobody-sees"
    wanted = {
        "credential": credential,
        "region": "us",
        "limits": {"image": 4},
        "timezone": "Asia/Shanghai",
    }
    made = await staffed.ask("POST", "/api/sessions", 201, json=wanted)
    session = str(session_identity("identity", "us", credential))
    assert made == {"data": [session], "changed": [session]}
    again = await staffed.ask("POST", "/api/sessions", 201, json=[wanted, wanted])
    assert again == {"data": [session], "changed": []}

    usage = await staffed.ask("GET", f"/api/session/usage?sessionId={session}")
    assert usage["limits"]["image"] == 4
    assert (await staffed.ask("GET", "/api/sessions"))["total"] == 3
    path = f"/api/sessions/{session}"
    drained = await staffed.ask("PATCH", path, json={"status": "draining", "limits": {"image": 5}})
    assert (drained["status"], drained["limits"]["image"]) == ("draining", 5)
    active = await staffed.ask("PATCH", path, json={"status": "active"})
    assert active["status"] == "active"
    cooled = await staffed.ask("PATCH", path, json={"cool_s": 600, "reason": "rest"})
    assert cooled["cooling_s"] > 500
    cleared = await staffed.ask("PATCH", path, json={"cool_s": 0})
    assert (cleared["cooling_s"], cleared["status"]) == (0, "active")
    retired = await staffed.ask("DELETE", path)
    assert retired == {"data": [session], "changed": [session]}
    revived = await staffed.ask("POST", "/api/sessions", 201, json=wanted)
    assert revived["changed"] == [session]

    assert credential not in str(staffed.logged)
    found = staffed.doors.log.follow(["evt.>"], 0)
    async for batch in found:
        assert not any(credential.encode() in stored.body for stored in batch)
        if batch[-1].pending == 0:
            break


async def test_unknown_lease_is_found_and_settled_once(staffed: Desk, tmp_path: Path) -> None:
    granted = await used(staffed.doors.client, "image", Outcome.UNKNOWN)
    usage = f"/api/session/usage?sessionId={granted.session_id}"
    assert (await staffed.ask("GET", usage))["usage"]["image_count"] == 1
    (lease,) = (await staffed.ask("GET", "/api/leases?state=unknown"))["data"]
    assert lease["lease_id"] == granted.lease_id
    path = f"/api/leases/{granted.lease_id}/reconcile"
    settlement = {"units": 0, "reason": "the backend's bill does not have it"}

    too_much = await staffed.refused("POST", path, 400, json={**settlement, "units": 7})
    assert too_much["param"] == "units"
    early = await staffed.refused("POST", path, 400, json=settlement)
    assert "deadline" in early["message"]
    (tmp_path / "home" / "offset").write_text("1000")

    async def settle() -> Any:
        headers = {"authorization": staffed.admin}
        answer = await staffed.http.post(path, json=settlement, headers=headers)
        return answer.is_success and answer.json()

    settled = await eventually(settle)

    assert (settled["id"], settled["units"]) == (granted.lease_id, 0)
    assert (await staffed.ask("GET", usage))["usage"]["image_count"] == 0
    assert (await staffed.ask("GET", "/api/leases?state=unknown"))["data"] == []


async def test_lease_that_is_open_is_listed(staffed: Desk) -> None:
    granted = await leased(staffed.doors.client, "video")

    (lease,) = (await staffed.ask("GET", "/api/leases"))["data"]

    assert (lease["lease_id"], lease["state"]) == (granted.lease_id, "open")


async def test_server_is_added_changed_and_removed_live(staffed: Desk) -> None:
    async with upstream() as url:
        wanted = {"id": "extra", "url": url, "capabilities": ["image"], "weight": 2}
        added = await staffed.ask("POST", "/api/servers", 201, json=wanted)
        assert added["server"]["server_id"] == "extra"

        async def healthy() -> bool:
            servers = (await staffed.ask("GET", "/api/load-balancer"))["servers"]
            return {one["id"] for one in servers if one["healthy"]} == {"extra", "server-1"}

        await eventually(healthy)
        changed = await staffed.ask("PATCH", "/api/servers/extra", json={"max_sessions": 7})
        assert changed["server"]["max_sessions"] == 7
        assert changed["server"]["url"] == url
        again = await staffed.refused("POST", "/api/servers", 400, json=wanted)
        assert again["param"] == "id"
        await staffed.ask("DELETE", "/api/servers/extra")
        left = (await staffed.ask("GET", "/api/servers"))["data"]
        assert [one["server"]["server_id"] for one in left] == ["server-1"]


async def test_strategy_is_changed_live_and_the_log_says_who_and_why(staffed: Desk) -> None:
    path = "/api/balancer/strategy"
    wanted = {"strategy": "round_robin", "reason": "one is slow"}

    for _ in range(2):
        assert (await staffed.ask("PUT", path, json=wanted))["strategy"] == "round_robin"

    assert (await staffed.ask("GET", "/api/load-balancer"))["strategy"] == "round_robin"
    page = await staffed.ask("GET", "/api/events?type=strategy_changed")
    told = [one for one in page["data"] if one["reason"] == "one is slow"]
    (admin,) = [key.key_id for key in staffed.doors.key_log.ring.all() if key.admin]
    assert [(one["strategy"], one["source"]) for one in told] == [("round_robin", f"by:{admin}")]


@pytest.mark.parametrize("name", ["random", "adaptive"])
async def test_strategy_that_there_is_not_is_refused_with_those_there_are(
    staffed: Desk, name: str
) -> None:
    error = await staffed.refused("PUT", "/api/balancer/strategy", 400, json={"strategy": name})

    assert error["param"] == "strategy"
    known = "round_robin, weighted_round_robin, least_connections, capability_based"
    assert known in error["message"]


async def test_server_that_may_not_be_one_is_refused_by_name(staffed: Desk) -> None:
    metadata = {"id": "evil", "url": "http://169.254.169.254/"}
    error = await staffed.refused("POST", "/api/servers", 400, json=metadata)
    assert error["param"] == "url"

    unknown = {"id": "x", "url": "http://127.0.0.1:1", "capabilities": ["poetry"]}
    error = await staffed.refused("POST", "/api/servers", 400, json=unknown)
    assert error["param"] == "capabilities"


async def test_server_that_is_down_degrades_the_whole(staffed: Desk) -> None:
    down = {"id": "down", "url": "http://127.0.0.1:1"}
    await staffed.ask("POST", "/api/servers", 201, json=down)

    report = (await staffed.http.get("/health")).json()

    assert report["status"] == "degraded"
    assert report["servers"]["total"] == 2
    assert report["services"]["loadBalancer"]


async def test_sql_reads_and_does_nothing_else(staffed: Desk) -> None:
    await used(staffed.doors.client, "image")
    await projected(staffed)

    query = "select service_type, sum(usage_count)::int as used from session_usage group by all"
    table = await staffed.ask("POST", "/api/sql", json={"query": query})
    assert table["columns"] == ["service_type", "used"]
    assert table["rows"] == [["image", 1]]
    assert not table["truncated"]
    cut = await staffed.ask(
        "POST", "/api/sql", json={"query": "select * from range(9)", "rows_max": 2}
    )
    assert (len(cut["rows"]), cut["truncated"]) == (2, True)
    for bad in ("drop view sessions", "select 1; select 2", "selec"):
        error = await staffed.refused("POST", "/api/sql", 400, json={"query": bad})
        assert error["code"] == "invalid_request"


async def test_pool_below_its_minimum_is_degraded(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream() as url,
        house(
            nats_url,
            tmp_path / "home",
            [ServerSection(server_id=ServerId("one"), url=url)],
            min_size=0,
        ),
        desk(nats_client, patience_s=10) as made,
    ):

        async def served() -> bool:
            return bool((await made.http.get("/health")).json()["servers"]["healthy"] == 1)

        await eventually(served)
        assert not await well(made)

        await made.ask("POST", "/api/sessions", 201, json={"credential": "one"})

        await eventually(lambda: well(made))
