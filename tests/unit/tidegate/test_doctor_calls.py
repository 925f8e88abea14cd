"""What the doctor says of calls, and of sessions held against servers."""

from typing import Any

from contracts.balancer import BalancerStatusReply, Health, Server, ServerView
from contracts.base import (
    QuotaDay,
    ServerId,
    ServiceType,
    SessionId,
)
from contracts.pool import PoolStatusReply, SessionStatus, SessionView
from runtime.process.findings import State
from services.gateway.domain.attention import session_findings
from tests.unit.pool.builders import NOON
from tidegate.doctor.calls import rehearsal_findings
from tidegate.doctor.fitting import fitting_findings, uneven_findings

IMAGE = ServiceType("image")


def rehearsed(**fields: Any) -> dict[str, Any]:
    """An answer of the gateway: the call would fail for want of a server, unless said otherwise."""
    common = {"service_type": "image", "succeeds": False, "why": "no server", "code": "no_backend"}
    return {**common, "resets_at": None, "lease_ms": 2.4, "server_id": "one", **fields}


def session_seen(name: str, region: str = "", **fields: Any) -> SessionView:
    values: dict[str, Any] = {"status": SessionStatus.ACTIVE, **fields}
    return SessionView(
        session_id=SessionId(name),
        region=region,
        quota_day=QuotaDay("2025-03-01"),
        resets_in_s=1.0,
        used={},
        reserved={},
        remaining={},
        limits={},
        created_at=NOON,
        **values,
    )


def pool_with(*sessions: SessionView, **fields: Any) -> PoolStatusReply:
    values: dict[str, Any] = {"remaining": {IMAGE: 1}, "sessions_active": 30, **fields}
    return PoolStatusReply(
        sequence=1,
        epoch=1,
        now=NOON,
        sessions_total=30,
        min_size=50,
        max_size=500,
        open_leases=0,
        sessions=list(sessions),
        **values,
    )


def server_of(name: str, **fields: Any) -> Server:
    return Server(server_id=ServerId(name), url="http://127.0.0.1:1", **fields)


def test_each_way_that_a_call_may_go_has_its_finding() -> None:
    able = [{"capabilities": ["image"]}, {}]
    calls = [
        rehearsed(succeeds=True),
        rehearsed(code="pool_quota_exhausted", resets_at="2025-03-02T00:00:00Z"),
        rehearsed(code="pool_quota_exhausted"),
        rehearsed(code="pool_saturated"),
        rehearsed(),
    ]

    found = list(rehearsal_findings(calls, able))

    assert [(one.state, one.code) for one in found] == [
        (State.FINE, ""),
        (State.FINE, ""),
        (State.WRONG, "call_fails"),
        (State.NOTE, "call_waits"),
        (State.WRONG, "call_fails"),
    ]
    assert found[1].message == "image: nothing left until 2025-03-02T00:00:00Z"


def test_type_that_no_server_names_is_no_fault() -> None:
    (found,) = rehearsal_findings([rehearsed(service_type="avatar")], [{"capabilities": ["image"]}])

    assert (found.state, found.code) == (State.NOTE, "service_unserved")


def test_sessions_without_a_server_and_servers_without_a_session_are_told() -> None:
    reply = pool_with(
        session_seen("a", "us"),
        session_seen("b", "hk"),
        session_seen("gone", "sg", status=SessionStatus.RETIRED),
    )
    servers = [
        server_of("one", serves=["us"]),
        server_of("two", serves=["jp"]),
        server_of("three", dialect="jimeng-free"),
    ]

    found = list(fitting_findings(reply, servers))

    assert [(one.state, one.code, one.message) for one in found] == [
        (State.WRONG, "sessions_unserved", "no server serves the 1 session of region hk"),
        (State.NOTE, "server_without_sessions", "two takes no session that there is (hk, us)"),
        (State.NOTE, "server_without_sessions", "three takes no session that there is (hk, us)"),
    ]
    assert list(fitting_findings(pool_with(session_seen("a")), servers)) == []


def test_doubtful_sessions_are_named_up_to_five() -> None:
    doubted = [session_seen(f"s{number}", doubts=1) for number in range(7)]

    (found,) = fitting_findings(pool_with(*doubted), [server_of("one")])

    assert found.code == "sessions_doubtful"
    assert found.message.startswith("s0, s1, s2, s3, s4 and 2 more")


def test_wait_is_hopeless_where_nobody_can_give_what_is_waited_for() -> None:
    hoping = pool_with(waiting_by_type={IMAGE: 1})
    without = pool_with(waiting_by_type={IMAGE: 1}, sessions_active=0)
    held = pool_with(waiting_by_type={IMAGE: 1}, remaining={}, growth_held="logins fail")

    assert list(fitting_findings(hoping, [])) == []
    assert [one.code for one in fitting_findings(without, [])] == ["queue_hopeless"]
    assert [one.message for one in fitting_findings(held, [])] == [
        "1 request waits for image, and logins fail"
    ]


def test_thirty_sessions_are_too_few_only_where_somebody_wrote_more() -> None:
    states = {
        written: {one.state for one in session_findings(pool_with(), size_written=written)}
        for written in (True, False)
    }

    assert (State.WRONG in states[True], State.WRONG in states[False]) == (True, False)


def test_a_call_that_would_go_to_a_server_without_capabilities_is_presumed_to_be_done() -> None:
    servers = [{"server_id": "one"}, {"server_id": "two", "capabilities": ["video"]}]
    calls = [
        rehearsed(service_type="video", succeeds=True, server_id=name) for name in ("one", "two")
    ]

    presumed, named = rehearsal_findings(calls, servers)

    assert presumed.message == (
        "video: a call would succeed now (lease 2 ms, one), if that does video:"
        " it names no capabilities"
    )
    assert named.message == "video: a call would succeed now (lease 2 ms, two)"


def fleet_answer(*servers: Server, **fields: Any) -> BalancerStatusReply:
    views = [ServerView(server=server, health=Health.UP, healthy=True) for server in servers]
    values: dict[str, Any] = {"strategy": "capability_based", **fields}
    return BalancerStatusReply(sequence=1, epoch=1, now=NOON, servers=views, **values)


def test_capabilities_of_one_server_alone_draw_every_call_and_that_is_told() -> None:
    one, two = server_of("one", capabilities=[IMAGE]), server_of("two")

    (found,) = uneven_findings(fleet_answer(one, two))

    assert (found.state, found.code) == (State.NOTE, "capabilities_uneven")
    assert found.message == (
        "image: one names it and gets its calls; two, without capabilities, only what is left over"
        " (capability_based)"
    )


def test_capabilities_are_even_where_all_name_them_or_another_strategy_chooses() -> None:
    one, two = server_of("one", capabilities=[IMAGE]), server_of("two")
    even = [
        fleet_answer(two, server_of("three")),
        fleet_answer(one, server_of("two", capabilities=[IMAGE])),
        fleet_answer(one, two, strategy="least_connections"),
        fleet_answer(one, two, pinned="round_robin"),
        fleet_answer(one, two, strategies={IMAGE: "adaptive"}),
    ]

    assert [[*uneven_findings(fleet)] for fleet in even] == [[]] * len(even)
