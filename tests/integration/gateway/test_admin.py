"""Sessions, leases and servers administered, with the real pool and balancer behind the doors."""

from pathlib import Path
from typing import Any

import pytest

from contracts.balancer import Server
from contracts.base import NUMBER_MAX, ServerId
from contracts.pool import AddSession, AddSessions, Outcome
from runtime.nats.connection import Outage
from runtime.secrets import session_identity
from services.balancer.settings import server_objection
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.credentials import Credentials
from services.gateway.routes.admin import leases, queue
from services.gateway.routes.admin.sessions import adding
from services.gateway.routes.parameters import cursor_text
from tests.integration.gateway import calls
from tests.integration.gateway.calls import leased, use_lease
from tests.integration.gateway.doors import Desk, good_server
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


def told(**made: list[str]) -> dict[str, Any]:
    names = ("data", "changed", "added", "revived", "labelled", "joined", "restated", "refused")
    nothing: dict[str, Any] = {name: [] for name in names}
    return nothing | made


async def test_good_sessions_are_added_and_the_others_named(staffed: Desk) -> None:
    wanted = [
        {"credential": "good"},
        {"credential": "topsecret bad"},
        "topsecret",
        {"credential": "topsecret", "limits": {"nothing": 1}},
        {"credential": "good-too", "region": "us"},
    ]

    made = await staffed.ask("POST", "/api/sessions", 200, json=wanted)

    assert len(made["added"]) == 2
    assert [one["line"] for one in made["refused"]] == [2, 3, 4]
    assert "limits: expected service types" in made["refused"][2]["reason"]
    assert "topsecret" not in str(made)
    error = await staffed.refused("POST", "/api/sessions", 400, json=wanted[1:4])
    assert error["message"].startswith("[0].credential: expected")
    assert error["param"] == "[0].credential"
    assert "[2].limits: " in error["message"]
    assert [one["line"] for one in error["refused"]] == [1, 2, 3]
    assert error["refused"][2]["reason"].startswith("limits: expected service types")


async def test_one_session_said_in_two_ways_is_refused_by_its_entry(staffed: Desk) -> None:
    one = {"credential": "said-in-two-ways", "account": "first"}
    wanted = [one, {**one, "account": "second"}, one]

    made = await staffed.ask("POST", "/api/sessions", 200, json=wanted)
    shown = await staffed.ask("GET", f"/api/sessions/{made['data'][0]}")

    reason = "credential: it is the session of entry 1 again, said otherwise"
    assert made["refused"] == [{"line": 2, "reason": reason}]
    assert (len(made["added"]), shown["account"]) == (1, "first")


async def test_one_that_is_there_is_changed_by_joining_an_account(staffed: Desk) -> None:
    await staffed.ask("POST", "/api/sessions", 200, json={"credential": "it-joins"})
    wanted = {"credential": "it-joins", "account": "shared", "used": {"image": 1}}

    again = await staffed.ask("POST", "/api/sessions", 200, json=wanted)

    ids = again["data"]
    assert again == told(data=ids, changed=ids, joined=ids, restated=ids)


async def test_shape_of_a_hooks_answer_is_refused_with_those_that_are_taken(staffed: Desk) -> None:
    wanted = {"credentials": [{"credential": "topsecret"}]}

    error = await staffed.refused("POST", "/api/sessions", 400, json=wanted)

    assert error["param"] == "credentials"
    assert error["message"].startswith("credentials: expected a session such as ")
    assert error["message"].endswith(", or a list of sessions")


async def test_adding_that_is_broken_off_says_how_far_it_came_and_goes_on(
    staffed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool is asked two at a time, and is away for the second two: all again adds the rest."""
    monkeypatch.setattr(adding, "_BATCH_MAX", 2)
    asked = 0

    async def leave_once(*_: object) -> dict[str, str]:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise GatewayError("ledger_unavailable", "nobody answers", retry_after_s=1)
        return {}

    monkeypatch.setattr(adding, "_current_status", leave_once)
    wanted = [{"credential": f"one-of-five-{number}"} for number in range(5)]

    error = await staffed.refused("POST", "/api/sessions", 503, json=wanted)
    again = await staffed.ask("POST", "/api/sessions", 200, json=wanted)

    assert error["message"] == (
        "nobody answers; 2 of 5 sessions were decided before: adding all of them again goes on"
        " from there"
    )
    assert (len(again["data"]), len(again["added"])) == (5, 3)


async def test_session_is_added_under_seal_changed_and_retired(staffed: Desk) -> None:
    """One session goes through all its API can do; then the whole log is read for its secret."""
    credential = "a-credential-that-nobody-sees"
    wanted = {
        "credential": credential,
        "region": "us",
        "limits": {"image": 4},
        "timezone": "Asia/Shanghai",
    }
    made = await staffed.ask("POST", "/api/sessions", 200, json=wanted)
    session = str(session_identity("identity", "us", credential))

    assert made == told(data=[session], changed=[session], added=[session])
    again = await staffed.ask("POST", "/api/sessions", 200, json=[wanted, wanted])
    assert again == told(data=[session])

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
    called = await staffed.ask("PATCH", path, json={"label": "account 7"})
    assert (called["label"], called["reason"]) == ("account 7", "rest")
    cleared = await staffed.ask("PATCH", path, json={"cool_s": 0})
    assert (cleared["cooling_s"], cleared["status"]) == (0, "active")
    retired = await staffed.ask("DELETE", path)
    assert retired == {"data": [session], "changed": [session]}
    revived = await staffed.ask("POST", "/api/sessions", 200, json=wanted)
    assert revived == told(data=[session], changed=[session], revived=[session])

    assert credential not in str(staffed.logged)
    found = staffed.doors.log.follow_from(["evt.>"], 0)
    async for batch in found:
        assert not any(credential.encode() in stored.body for stored in batch)
        if batch[-1].pending == 0:
            break


@pytest.mark.parametrize(
    "given",
    [
        {"credential": "us-account"},
        {"credential": "Us-account", "region": "us"},
        {"credential": "account", "region": "us"},
    ],
)
async def test_session_of_an_earlier_version_is_taken_for_the_account(
    staffed: Desk, given: dict[str, str]
) -> None:
    older = session_identity("identity", "", "US-account")
    item = AddSession(
        session_id=older, sealed=staffed.doors.sealer.seal_credential(older, "US-account")
    )
    await staffed.doors.pool_admin(AddSessions(items=[item], by="an earlier version"))

    again = await staffed.ask("POST", "/api/sessions", 200, json=given)
    await staffed.ask("DELETE", f"/api/sessions/{older}")
    revived = await staffed.ask("POST", "/api/sessions", 200, json=[given, {"credential": "new"}])

    assert again == told(data=[str(older)])
    new = str(session_identity("identity", "", "new"))
    assert revived == told(
        data=[str(older), new], changed=[str(older), new], added=[new], revived=[str(older)]
    )
    credentials = Credentials(staffed.doors.client, staffed.doors.sealer, lambda: 1.0, Outage())
    assert await credentials.authorization_of(older, "") == b"Bearer US-account"


async def test_of_two_sessions_of_an_account_the_one_in_use_is_taken(staffed: Desk) -> None:
    made = await staffed.ask("POST", "/api/sessions", 200, json={"credential": "us-account"})
    older = session_identity("identity", "", "us-account")
    item = AddSession(
        session_id=older, sealed=staffed.doors.sealer.seal_credential(older, "us-account")
    )
    await staffed.doors.pool_admin(AddSessions(items=[item], by="an earlier version"))
    await staffed.ask("DELETE", f"/api/sessions/{made['data'][0]}")

    again = await staffed.ask("POST", "/api/sessions", 200, json={"credential": "us-account"})

    assert again == told(data=[str(older)])


async def test_unknown_lease_is_found_and_settled_once(staffed: Desk, tmp_path: Path) -> None:
    granted = await use_lease(staffed.doors.client, "image", Outcome.UNKNOWN)
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


async def test_leases_are_listed_page_by_page(
    staffed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of three, which the pool answers two at a time."""
    monkeypatch.setattr(leases, "_SHOWN_AT_ONCE", 2)
    granted = [(await leased(staffed.doors.client, "image")).lease_id for _ in range(4)]

    first = await staffed.ask("GET", "/api/leases?limit=3")
    rest = await staffed.ask("GET", f"/api/leases?limit=3&cursor={first['next']}")
    other = f"/api/leases?state=unknown&cursor={first['next']}"
    error = await staffed.refused("GET", other, 400)

    assert [one["lease_id"] for one in first["data"] + rest["data"]] == granted
    assert (len(first["data"]), rest["next"]) == (3, "")
    assert error["param"] == "cursor"


async def test_who_waits_is_listed_page_by_page(
    staffed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of three, which the pool answers two at a time."""
    monkeypatch.setattr(queue, "_SHOWN_AT_ONCE", 2)
    waiting = await calls.queue_leases(staffed.doors.client, "image", 10)

    first = await staffed.ask("GET", "/api/queue?limit=3")
    rest = await staffed.ask("GET", f"/api/queue?limit=10&cursor={first['next']}")
    error = await staffed.refused("GET", f"/api/queue?type=image&cursor={first['next']}", 400)

    assert len(waiting) > 4
    assert {one["lease_id"] for one in first["data"] + rest["data"]} == set(waiting)
    assert (len(first["data"]), rest["next"], rest["total"]) == (3, "", len(waiting))
    assert error["param"] == "cursor"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_waits_of_what_there_is_not_are_refused_by_name(staffed: Desk, method: str) -> None:
    wrong_type = await staffed.refused(method, "/api/queue?type=immage", 400)
    wrong_key = await staffed.refused(method, "/api/queue?key=key_0", 400)

    assert wrong_type["param"] == "type"
    assert "'immage'" in wrong_type["message"]
    assert wrong_key["param"] == "key"


async def test_a_lease_that_nobody_waits_for_cannot_be_dropped(staffed: Desk) -> None:
    error = await staffed.refused("DELETE", "/api/queue?lease=r1.1", 404)

    assert "nobody waits for the lease 'r1.1'" in error["message"]


async def test_a_cursor_before_the_first_is_no_cursor(staffed: Desk) -> None:
    made_up = cursor_text("queue  ", -5)

    error = await staffed.refused("GET", f"/api/queue?cursor={made_up}", 400)

    assert error["param"] == "cursor"


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "/api/servers", {"id": "x", "url": "http://x", "priority": 2**62}, "priority"),
        ("PATCH", "/api/servers/server-1", {"priority": -(10**31)}, "priority"),
        ("PATCH", "/api/servers/server-1", {"max_sessions": 2**53}, "max_sessions"),
        ("PATCH", "/api/servers/server-1", {"level": 0}, "level"),
        ("POST", "/api/keys", {"name": "x", "concurrency": 2**63}, "concurrency"),
        ("POST", "/api/leases/r.1/reconcile", {"units": 2**53, "reason": "x"}, "units"),
    ],
)
async def test_number_out_of_bounds_is_refused_by_name(
    staffed: Desk, method: str, path: str, body: dict[str, Any], named: str
) -> None:
    error = await staffed.refused(method, path, 400, json=body)

    assert named in error["param"]


@pytest.mark.parametrize("priority", [-NUMBER_MAX, NUMBER_MAX])
async def test_numbers_that_a_file_may_have_of_a_server_may_be_given_here_too(
    staffed: Desk, priority: int
) -> None:
    numbers = {"priority": priority, "weight": NUMBER_MAX, "max_sessions": NUMBER_MAX}
    server = Server(server_id=ServerId("server-1"), url="http://x", **numbers)

    assert server_objection(server) is None

    changed = await staffed.ask("PATCH", "/api/servers/server-1", json=numbers)

    assert {name: changed["server"][name] for name in numbers} == numbers
    await eventually(lambda: has_taken(staffed, priority))


async def has_taken(made: Desk, priority: int) -> bool:
    """Whether analytics has taken all of it."""
    query = "select priority, weight, sessions_max from servers where server_id = 'server-1'"
    answer = await made.http.post(
        "/api/sql", json={"query": query}, headers={"authorization": f"Bearer {made.admin}"}
    )
    return bool(answer.json().get("rows") == [[priority, NUMBER_MAX, NUMBER_MAX]])


async def test_limit_of_a_session_out_of_bounds_is_refused_by_name(staffed: Desk) -> None:
    (session, *_) = (await staffed.ask("GET", "/api/sessions"))["data"]
    path = f"/api/sessions/{session['session_id']}"

    error = await staffed.refused("PATCH", path, 400, json={"limits": {"image": 2**53}})

    assert "limits" in error["param"]


async def test_server_is_added_changed_and_removed_live(staffed: Desk) -> None:
    async with good_server() as url:
        wanted = {"id": "extra", "url": url, "capabilities": ["image"], "weight": 2}
        added = await staffed.ask("POST", "/api/servers", 201, json=wanted)

        assert added["server"]["server_id"] == "extra"

        async def healthy() -> bool:
            servers = (await staffed.ask("GET", "/api/load-balancer"))["servers"]
            return {one["id"] for one in servers if one["healthy"]} == {"extra", "server-1"}

        await eventually(healthy)
        change = {"max_sessions": 7, "level": 2}
        changed = await staffed.ask("PATCH", "/api/servers/extra", json=change)
        assert changed["server"]["max_sessions"] == 7
        assert changed["server"]["level"] == 2
        assert changed["server"]["url"] == url
        again = await staffed.refused("POST", "/api/servers", 400, json=wanted)
        assert again["param"] == "id"
        serving = await staffed.ask("PATCH", "/api/servers/extra", json={"serves": ["us", "hk"]})
        assert serving["server"]["serves"] == ["us", "hk"]
        wrong = {"serves": ["usa"]}
        refused = await staffed.refused("PATCH", "/api/servers/extra", 400, json=wrong)
        assert "serves: expected regions of us, hk, jp, sg, got 'usa'" in refused["message"]
        await staffed.ask("DELETE", "/api/servers/extra")
        left = (await staffed.ask("GET", "/api/servers"))["data"]
        assert [one["server"]["server_id"] for one in left] == ["server-1"]


async def test_strategy_is_changed_live_and_the_log_says_who_and_why(staffed: Desk) -> None:
    path = "/api/balancer/strategy"
    wanted = {"strategy": "round_robin", "reason": "one is slow"}

    for _ in range(2):
        assert (await staffed.ask("PUT", path, json=wanted))["strategy"] == "round_robin"

    assert (await staffed.ask("GET", "/api/load-balancer"))["strategy"] == "round_robin"
    shown = await staffed.ask("GET", path)
    assert (shown["strategy"], shown["pinned"], shown["rules"]) == ("round_robin", "", [])
    page = await staffed.ask("GET", "/api/events?type=strategy_changed")
    told = [one for one in page["data"] if one["reason"] == "one is slow"]
    (admin,) = [key.key_id for key in staffed.doors.key_log.ring.all_keys() if key.is_admin]
    assert [(one["strategy"], one["source"]) for one in told] == [("round_robin", f"by:{admin}")]


@pytest.mark.parametrize("name", ["random", "fastest"])
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


async def test_account_is_asked_after_only_where_a_server_can_be(staffed: Desk) -> None:
    (session, *_) = (await staffed.ask("GET", "/api/sessions"))["data"]
    path = f"/api/sessions/{session['session_id']}"

    refused = await staffed.refused("POST", f"{path}/receive", 400)
    unnamed = await staffed.refused("POST", f"{path}/test?server=nobody", 404)

    assert (refused["code"], "jimeng" in refused["message"]) == ("invalid_request", True)
    assert (unnamed["code"], unnamed["param"]) == ("not_found", "server")
    for verb in ("test", "receive"):
        unknown = await staffed.refused("POST", f"/api/sessions/nobody/{verb}", 404)
        assert "nobody" in unknown["message"]
