"""The operator's figures with the real pool, balancer and analytics behind the doors."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.base import NUMBER_MAX, SessionId
from tests.integration.gateway.calls import TYPES, leased, projected, use_lease
from tests.integration.gateway.doors import Desk

pytestmark = pytest.mark.anyio


def today() -> str:
    return datetime.now(UTC).date().isoformat()


async def test_greatest_limit_is_borne_by_everything_that_tells_it(staffed: Desk) -> None:
    client = staffed.doors.client
    most = dict.fromkeys(("image", "video"), NUMBER_MAX)
    wanted = [{"credential": f"greatest-{number}", "limits": most} for number in range(3)]
    great = (await staffed.ask("POST", "/api/sessions", 200, json=wanted))["added"]
    changed = await staffed.ask("PATCH", f"/api/sessions/{great[2]}", json={"limits": most})

    granted = [await use_lease(client, name) for name in ("image", "image", "video")]
    await projected(staffed)

    assert {one.session_id for one in granted} <= set(great), "the least used of all"
    assert changed["limits"]["image"] == NUMBER_MAX
    listed = await staffed.ask("GET", "/api/sessions")
    assert listed["remaining"]["image"] == 3 * NUMBER_MAX + 2 * 10 - 2
    left = [one["remaining"]["image"] for one in listed["data"] if one["session_id"] in great]
    assert sum(left) == 3 * NUMBER_MAX - 2
    usage = await staffed.ask("GET", f"/api/session/usage?sessionId={granted[2].session_id}")
    assert (usage["limits"]["video"], usage["remaining"]["video"]) == (NUMBER_MAX, NUMBER_MAX - 1)
    health = await staffed.http.get("/health")
    assert health.json()["status"] == "ok", health.text
    for path in ("/api/stats/summary", "/api/session/stats?sessionId=" + great[0]):
        await staffed.ask("GET", path)
    told = await staffed.ask("GET", f"/api/reports/daily?date={today()}&format=json")
    (table,) = [one for one in told["sections"] if one["title"] == "Use of the quota"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    (images,) = [row for row in rows if row["service"] == "image"]
    # What no double holds exactly analytics tells as text.
    assert int(images["units_there_were"]) == 3 * NUMBER_MAX + 2 * 10
    for form in ("md", "html"):
        path = f"/api/reports/weekly?format={form}"
        page = await staffed.http.get(path, headers={"authorization": staffed.admin})
        assert page.status_code == 200, page.text
    columns = "json_extract(metadata, '$.limits.image')"
    for statement in (f"select {columns} from sessions", "select * from v_session_utilization"):
        await staffed.ask("POST", "/api/sql", json={"query": statement})
    metrics = await staffed.http.get("/metrics", headers={"authorization": staffed.admin})
    assert metrics.status_code == 200
    assert not await anomalies(staffed)


async def anomalies(staffed: Desk) -> list[Any]:
    found = await staffed.ask("POST", "/api/sql", json={"query": "from anomalies"})
    rows: list[Any] = found["rows"]
    return rows


async def test_figures_now_and_in_history_agree_to_the_unit(staffed: Desk) -> None:
    """Five units are used and one is held; the pool's views and the reports say the same."""
    client = staffed.doors.client
    granted = [
        await use_lease(client, name) for name in ("image", "image", "image", "video", "music")
    ]
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
    day = await history_figures(staffed, f"/api/session/stats?date={today()}")
    assert day == {
        "date": today(),
        "active_sessions": sessions,
        "total_images": 3,
        "total_videos": 1,
        "total_avatars": 0,
        "total_musics": 1,
        "avg_requests_per_session": round(6 / sessions, 2),
    }
    daily = await history_figures(staffed, f"/api/stats/daily?start={today()}&end={today()}")
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
    summary = await history_figures(staffed, "/api/stats/summary")
    assert summary == {
        "period": "last_7_days",
        "total_sessions": sessions,
        "total_images": 3,
        "total_videos": 1,
        "total_avatars": 0,
        "total_musics": 1,
        "avg_requests_per_session": round(6 / sessions, 2),
        "total_requests": 6,
    }
    calls = Counter(one.session_id for one in [*granted, open_lease])
    await _each_session(staffed, views, calls)


async def history_figures(staffed: Desk, path: str) -> dict[str, Any]:
    """Figures of history, without what they say of their freshness."""
    found: dict[str, Any] = await staffed.ask("GET", path)
    last = (await staffed.doors.log.stream_state()).last_sequence
    assert found.pop("sequence") <= last
    assert found.pop("lag") >= 0
    return found


async def _each_session(staffed: Desk, views: dict[str, Any], calls: Counter[SessionId]) -> None:
    for session, view in views.items():
        stats = await history_figures(staffed, f"/api/session/stats?sessionId={session}&days=2")
        breakdown = {name: view["usage"][f"{name}_count"] for name in TYPES}
        total = sum(breakdown.values())
        days = [{"date": today(), **view["usage"]}] if total else []
        assert stats == {
            "sessionId": session,
            "totalRequests": calls[SessionId(session)],
            "dailyStats": days,
            "serviceBreakdown": breakdown,
            "avgDailyUsage": round(total / 2, 2),
        }


async def test_day_without_usage_is_zero_and_unknown_sessions_are_404(staffed: Desk) -> None:
    day = await staffed.ask("GET", "/api/session/stats?date=2020-01-01")

    assert day["active_sessions"] == day["total_images"] == day["avg_requests_per_session"] == 0
    assert await history_figures(staffed, "/api/stats/daily?start=2020-01-01&end=2020-02-01") == {
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
        ("PATCH", "/api/servers/none", None),
        ("PATCH", "/api/servers/none", {"wait": 2}),
        ("DELETE", "/api/servers/none", None),
    ):
        given = {} if body is None else {"json": body}
        assert (await staffed.refused(method, path, 404, **given))["code"] == "not_found", path
    listed = (await staffed.ask("GET", "/api/sessions"))["data"]
    idle = await staffed.ask("GET", f"/api/session/stats?sessionId={listed[0]['session_id']}")
    assert (idle["totalRequests"], idle["dailyStats"]) == (0, [])


async def test_sql_reads_and_does_nothing_else(staffed: Desk) -> None:
    await use_lease(staffed.doors.client, "image")
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
    greedy = {"query": "select repeat('x', 4000000000)"}
    error = await staffed.refused("POST", "/api/sql", 400, json=greedy)
    assert "less than 1.5 GB ([analytics] sql_memory)" in error["message"]
