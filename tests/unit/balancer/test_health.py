"""Up, down, ejected, readmitted: what probes, gateways and the pool's verdict do to a server."""

import pytest

from contracts.balancer import Health, ServerFailed, ServerHealthChanged
from contracts.base import ServerId, SessionId
from contracts.pool import SessionRecovered, Verdict
from services.balancer.domain import (
    Balancer,
    ejection_events,
    health_due,
    observe_envelope,
    release_overdue,
    server_views,
    take_probe,
)
from services.balancer.domain.health import take_failure
from tests.moments import NOON
from tests.unit.balancer.builders import (
    added,
    after,
    balancer_of,
    down,
    pool_envelope,
    unreachable,
    up,
    well,
)

A, B = ServerId("a"), ServerId("b")


def journal_due(balancer: Balancer, seconds: float = 0) -> list[tuple[str, str]]:
    """Journal what is due; say which server and what."""
    events = health_due(balancer, after(seconds), 3)
    for event in events:
        balancer.take_event(event)
    return [
        (str(one.server_id), one.health if isinstance(one, ServerHealthChanged) else "readmitted")
        for one in events
    ]


def eject(balancer: Balancer, *names: str, seconds: float = 0) -> list[tuple[str, float, int]]:
    """Blame servers; say who was ejected, for how long, and how often."""
    blamed = [ServerId(name) for name in names]
    events = ejection_events(balancer, blamed, "blamed", after(seconds))
    for event in events:
        balancer.take_event(event)
    return [
        (str(one.server_id), (one.until - after(seconds)).total_seconds(), one.times)
        for one in events
    ]


def test_one_good_probe_brings_a_server_up() -> None:
    balancer = balancer_of(added("a"))

    assert journal_due(balancer) == []

    take_probe(balancer, A, None)

    assert journal_due(balancer) == [("a", Health.UP)]
    assert journal_due(balancer) == []


def test_three_bad_probes_in_a_row_take_a_server_down() -> None:
    balancer = well("a")
    for failure in ["refused", "refused", None, "refused", "refused"]:
        take_probe(balancer, A, failure)
        assert journal_due(balancer) == []

    take_probe(balancer, A, "no answer")

    assert journal_due(balancer) == [("a", Health.DOWN)]
    assert server_views(balancer, NOON)[0].reason == "probe: no answer"
    take_probe(balancer, A, "no answer")
    assert journal_due(balancer) == []


def test_server_that_never_answered_is_said_to_be_down_once() -> None:
    balancer = balancer_of(added("a"))

    assert server_views(balancer, NOON)[0].reason == "not probed yet"
    for _ in range(4):
        take_probe(balancer, A, "refused")

    assert journal_due(balancer) == [("a", Health.DOWN)]
    assert journal_due(balancer) == []


def test_three_connections_that_fail_take_a_server_down_until_the_next_good_probe() -> None:
    balancer = well("a")
    take_probe(balancer, A, None)
    for _ in range(2):
        take_failure(balancer, unreachable("a"))

    assert journal_due(balancer) == []

    take_failure(balancer, unreachable("a"))

    assert journal_due(balancer) == [("a", Health.DOWN)]
    take_probe(balancer, A, None)
    assert journal_due(balancer) == [("a", Health.UP)]


def test_only_connections_that_fail_speak_against_a_server_at_once() -> None:
    balancer = well("a")
    for _ in range(5):
        take_failure(balancer, ServerFailed(server_id=A, verdict=Verdict.RATE_LIMITED))

    assert journal_due(balancer) == []


def test_reports_of_servers_that_are_gone_are_ignored() -> None:
    balancer = well("a")

    take_probe(balancer, B, "refused")
    take_failure(balancer, unreachable("b"))

    assert [*balancer.standings] == ["a"]


def test_blame_in_the_pools_log_names_each_server_once() -> None:
    recovered = [
        SessionRecovered(session_id=SessionId(name), reason="server_blamed", server_id=A)
        for name in ("s1", "s2")
    ]
    other = SessionRecovered(session_id=SessionId("s3"), reason="trial_passed", server_id=B)

    assert observe_envelope(well("a", "b"), pool_envelope(*recovered, other), NOON) == ["a"]


def test_ejected_server_is_not_chosen_until_its_time_is_over() -> None:
    balancer = well("a", "b")

    assert eject(balancer, "a") == [("a", 30, 1)]

    view = server_views(balancer, after(10))[0]
    assert (view.healthy, view.health, view.ejected_s) == (False, Health.UP, 20)
    assert view.reason == "ejected: blamed"
    assert journal_due(balancer, 29) == []
    assert server_views(balancer, after(31))[0].ejected_s == 0
    assert journal_due(balancer, 30) == [("a", "readmitted")]
    assert server_views(balancer, after(31))[0].healthy


def test_ejections_double_up_to_ten_minutes_and_are_forgiven_after_a_long_quiet() -> None:
    balancer = well("a", "b")
    lasted = []
    now = 0.0
    for _ in range(7):
        ((_, seconds, _),) = eject(balancer, "a", seconds=now)
        lasted.append(seconds)
        now += seconds
        journal_due(balancer, now)

    assert lasted == [30, 60, 120, 240, 480, 600, 600]
    assert eject(balancer, "a", seconds=now + 1800) == [("a", 30, 1)]


def test_server_that_is_out_already_is_not_ejected_again() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")

    assert eject(balancer, "a", "unheard-of", seconds=5) == []


def test_last_server_that_is_well_is_never_ejected() -> None:
    balancer = well("a", "b", "c")
    balancer.take_event(down("c"))

    assert eject(balancer, "a", "b") == [("a", 30, 1)]
    assert eject(balancer, "b") == []


def test_ejected_server_is_readmitted_early_when_nobody_else_is_left() -> None:
    balancer = well("a", "b", "c")
    eject(balancer, "a")
    eject(balancer, "b", seconds=1)
    balancer.take_event(down("b"))

    assert journal_due(balancer, 2) == []

    balancer.take_event(down("c"))

    assert journal_due(balancer, 2) == [("a", "readmitted")]
    assert journal_due(balancer, 2) == []


def test_ejected_server_that_is_down_helps_nobody() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    balancer.take_event(down("a"))
    balancer.take_event(down("b"))

    assert journal_due(balancer, 2) == []


@pytest.mark.parametrize("seconds", [0.0, 40.0])
def test_sweep_of_leases_leaves_health_alone(seconds: float) -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    balancer.take_event(up("a"))

    assert release_overdue(balancer, after(seconds)) == []
    assert not server_views(balancer, after(seconds))[0].healthy
