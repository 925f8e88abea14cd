"""What an operator should see to, by the answers of pool and balancer."""

from datetime import timedelta
from typing import Any

from contracts.balancer import (
    BalancerStatusReply,
    Health,
    HeldConfiguration,
    Server,
    ServerView,
    TypeView,
)
from contracts.base import ServerId, ServiceType
from contracts.pool import PoolOverview, PoolStatusReply
from runtime.process.findings import CURES, State
from services.gateway.domain.attention import attention_needed
from tests.moments import NOON

IMAGE = ServiceType("image")
NOBODY_BELIEVED = (
    "no login is believed since 2026-01-01 12:00:00 UTC: every session that is not used up is"
    " suspect or disabled"
)


def pool_said(**changes: Any) -> PoolStatusReply:
    values: dict[str, Any] = {
        "sequence": 7,
        "epoch": 1,
        "now": NOON,
        "sessions_total": 2,
        "sessions_active": 2,
        "min_size": 2,
        "max_size": 5,
        "open_leases": 0,
        "remaining": {IMAGE: 3},
        **changes,
    }
    return PoolStatusReply(**values)


def server_view(name: str = "one", **changes: Any) -> ServerView:
    server = Server(server_id=ServerId(name), url=f"http://{name}:9001", capabilities=[IMAGE])
    values: dict[str, Any] = {"health": Health.UP, "healthy": True, "state": "up", **changes}
    return ServerView(server=server, **values)


def balancer_said(*views: ServerView, **changes: Any) -> BalancerStatusReply:
    values: dict[str, Any] = {
        "sequence": 7,
        "epoch": 1,
        "now": NOON,
        "strategy": "round_robin",
        "servers": list(views or [server_view()]),
        **changes,
    }
    return BalancerStatusReply(**values)


def needed(
    pool: PoolStatusReply | None, balancer: BalancerStatusReply | None, analytics: str = ""
) -> list[tuple[str, str]]:
    return [
        (finding.code, finding.message) for finding in attention_needed(pool, balancer, analytics)
    ]


def test_what_is_well_needs_none() -> None:
    assert attention_needed(pool_said(), balancer_said(), "") == []


def test_who_does_not_answer_is_named() -> None:
    assert needed(None, None, "the analytics is not there") == [
        ("pool_no_leader", "nobody answers for the pool"),
        ("balancer_no_leader", "nobody answers for the balancer"),
        ("analytics_absent", "the analytics is not there"),
    ]


def test_what_is_wrong_comes_before_what_is_only_to_be_known() -> None:
    pool = pool_said(
        unwritable_s=12.4,
        snapshot_trouble="no room",
        refused_since=NOON,
        sessions_active=1,
        growth_held="logins fail",
        places=2,
        remaining={IMAGE: 0},
    )

    assert needed(pool, balancer_said()) == [
        ("log_unwritable", "it has taken no write for 12 s: no lease is granted"),
        ("logins_refused", NOBODY_BELIEVED),
        ("sessions_short", "1 of 2 sessions are active or cooling, at least 2 wanted"),
        ("growth_held", "2 hold places; logins fail"),
        ("snapshot_missing", "no room"),
        ("quota_used_up", "no unit of image is left today"),
    ]


def test_a_policy_that_was_refused_is_wrong() -> None:
    pool = pool_said(policy_trouble="the tier vip is in use")

    assert needed(pool, balancer_said()) == [("policy_refused", "the tier vip is in use")]


def test_a_pool_without_an_active_session_is_wrong() -> None:
    pool = pool_said(sessions_active=0, remaining={IMAGE: 0})

    assert needed(pool, balancer_said()) == [
        ("no_active_session", "0 of 2 sessions are active or cooling, at least 2 wanted")
    ]


def test_what_keeps_the_balancer_from_choosing_is_named() -> None:
    balancer = balancer_said(
        held=HeldConfiguration(digest="abc", reason="it takes two servers away"),
        pinned="round_robin",
        strategy_trouble="mine: it raised",
    )

    assert needed(pool_said(), balancer) == [
        ("configuration_held", "it is held: it takes two servers away (abc)"),
        ("strategy_failing", "mine: it raised"),
        ("strategy_pinned", "round_robin is pinned: it chooses for every service type"),
    ]


def test_a_fleet_without_servers_is_wrong() -> None:
    balancer = BalancerStatusReply(sequence=1, epoch=1, now=NOON, strategy="x", servers=[])

    assert needed(pool_said(), balancer) == [("no_servers", "there is none")]


def test_servers_that_may_not_be_chosen_are_named_with_their_reason() -> None:
    out = TypeView(service_type=IMAGE, state="ejected")
    balancer = balancer_said(
        server_view("well"),
        server_view("down", healthy=False, words="down 2 min ago: refused"),
        server_view("reasoned", healthy=False, reason="refused"),
        server_view("said", healthy=False, health=Health.DOWN),
        server_view("partly", service_types=[out], words="ejected for image"),
        server_view("drained", state="draining", connections=3),
    )

    assert needed(pool_said(), balancer) == [
        ("server_down", "down (http://down:9001): down 2 min ago: refused"),
        ("server_down", "reasoned (http://reasoned:9001): refused"),
        ("server_down", "said (http://said:9001): down"),
        ("server_ejected", "partly (http://partly:9001): ejected for image"),
        (
            "server_draining",
            "drained (http://drained:9001) is drained: no new exchange begins there, 3 go on",
        ),
    ]
    assert attention_needed(pool_said(), balancer, "")[-1].state is State.NOTE


def test_what_cures_a_server_is_told_by_why_it_is_out() -> None:
    """One that is ejected runs; one whose probe is answered 404 runs, too."""
    ill = {
        "server_ejected": ("ejected", "ejected 2 min ago: 5 failures in a row, back in 28 s"),
        "server_silent": ("silent", "silent: image has waited 40 s, and nothing else is answered"),
        "server_probe_refused": ("down", "down for 9 s: probe: status 404"),
        "server_down": ("down", "down for 9 s: probe: no connection: refused"),
    }
    body = "down for 9 s: probe: the body does not hold 'pong'"
    views = [
        server_view(code, healthy=False, state=state, words=words)
        for code, (state, words) in ill.items()
    ]

    balancer = balancer_said(*views, server_view("b", healthy=False, state="down", words=body))

    assert [code for code, _ in needed(pool_said(), balancer)] == [*ill, "server_probe_refused"]
    assert "Start the server" not in CURES["server_ejected"] + CURES["server_probe_refused"]
    assert "probe_path" in CURES["server_probe_refused"]
    assert "servers test" in CURES["server_ejected"]


def test_leases_that_no_gateway_renews_are_told_with_when_they_end() -> None:
    until = NOON + timedelta(seconds=400)
    overview = PoolOverview(
        states={},
        units=[],
        resets=[],
        in_doubt_leases=0,
        in_doubt_units=0,
        unrenewed_leases=3,
        unrenewed_until=until,
    )

    (finding,) = needed(pool_said(overview=overview), balancer_said())

    assert finding == (
        "leases_unrenewed",
        (
            "3 leases of gateways that are gone or hang: their sessions are free again in 400 s at"
            " the latest"
        ),
    )


def test_units_of_sessions_that_may_not_work_are_not_used_up() -> None:
    said = pool_said(remaining={IMAGE: 0}, withheld={IMAGE: 1})

    assert needed(said, balancer_said()) == [
        (
            "units_withheld",
            "1 unit of image is left today, of sessions that drain or are suspect alone",
        )
    ]


def test_whoever_makes_no_sessions_is_told_with_why() -> None:
    said = pool_said(supply_trouble="http://hook: expected status 200, got 500")

    assert needed(said, balancer_said()) == [
        ("provisioner_failing", "http://hook: expected status 200, got 500")
    ]


def test_credentials_of_no_use_are_told_once_with_their_lines() -> None:
    fault = "sessions.txt, line 7: credential: expected 1 to 4096 visible ASCII characters"

    beside = needed(pool_said(credentials_trouble=fault), balancer_said())
    alone = needed(pool_said(credentials_trouble=fault, supply_trouble=fault), balancer_said())

    assert beside == [("credentials_refused", fault)]
    assert alone == [("provisioner_failing", fault)]


def test_sessions_that_are_lacking_are_told_with_what_the_others_are() -> None:
    overview = PoolOverview(
        states={"active": 1, "suspect": 1, "cooling": 0, "disabled": 2, "retired": 50},
        units=[],
        resets=[],
        in_doubt_leases=0,
        in_doubt_units=0,
    )
    pool = pool_said(sessions_total=4, sessions_active=1, overview=overview)

    assert needed(pool, balancer_said()) == [
        (
            "sessions_short",
            "1 of 4 sessions are active or cooling, at least 2 wanted; 1 suspect, 2 disabled",
        )
    ]
