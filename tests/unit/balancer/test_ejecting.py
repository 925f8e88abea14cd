"""Failures, and the pool's word, put servers out: when, for how long, and when they do not."""

import pytest
from msgspec.structs import replace

from contracts.balancer import Selected, ServerEjected, StrategyChanged, StrategyFailed
from contracts.base import LeaseId, ServerId, ServiceType, SessionId
from contracts.pool import SessionRecovered, Verdict
from services.balancer.domain import (
    Balancer,
    HealthBounds,
    observe_envelope,
    select_server,
    server_views,
    strategy_trouble,
)
from tests.moments import NOON
from tests.unit.balancer.builders import (
    ONE,
    after,
    chosen,
    down,
    eject,
    fail_calls,
    no_server,
    pool_envelope,
    see,
    settle_health,
    strategy,
    unreachable,
    usage_at,
    wanted,
    well,
)

A, B = ServerId("a"), ServerId("b")
ALL, IMAGE, VIDEO = ServiceType(""), ServiceType("image"), ServiceType("video")
ACCUSED = "called several sessions' logins expired"


def lasts(ejections: list[ServerEjected], seconds: float = 0) -> list[tuple[str, float, int]]:
    """Say who is out, for how long, and how often in a row."""
    return [
        (str(event.server_id), (event.until - after(seconds)).total_seconds(), event.times)
        for event in ejections
    ]


def eject_due(balancer: Balancer) -> list[ServerEjected]:
    """Journal what is due; return the ejections."""
    return [event for event in settle_health(balancer) if isinstance(event, ServerEjected)]


def test_five_failures_in_a_row_put_a_server_out_with_their_numbers() -> None:
    balancer = well("a", "b")
    fail_calls(balancer, "a", 4)

    assert settle_health(balancer) == []

    fail_calls(balancer, "a", session="s9")

    assert settle_health(balancer) == [
        ServerEjected(
            server_id=A,
            until=after(30),
            times=1,
            reason="5 failures in a row",
            costs_units=True,
            failures=5,
            outcomes=5,
        )
    ]
    assert settle_health(balancer) == []
    view = server_views(balancer, after(10))[0]
    assert (view.state, view.healthy, view.ejected_s) == ("ejected", False, 20)
    assert view.words == "ejected 10 s ago: 5 failures in a row, back in 20 s"


def test_an_answer_between_them_breaks_the_row_and_what_blames_nobody_does_not() -> None:
    balancer = well("a", "b")
    fail_calls(balancer, "a", 4)
    see(balancer, usage_at("a"))
    fail_calls(balancer, "a", 4)

    assert settle_health(balancer) == []

    see(balancer, usage_at("a", Verdict.REJECTED), usage_at("a", Verdict.CLIENT_GONE))
    fail_calls(balancer, "a", session="s9")

    assert [type(event) for event in settle_health(balancer)] == [ServerEjected]


@pytest.mark.parametrize("others", [(), ("b", "c")])
def test_for_failures_that_cost_units_even_the_last_one_goes_out(others: tuple[str, ...]) -> None:
    balancer = well("a", *others)
    for name in others:
        balancer.take_event(down(name))

    fail_calls(balancer, "a", 5)

    assert [type(event) for event in settle_health(balancer)] == [ServerEjected]
    refused = no_server(balancer, "r.1")
    assert refused.back_in_s == 30
    assert "ejected: 5 failures in a row" in refused.candidates[0].refused


def test_failures_of_which_nothing_was_sent_put_out_half_the_fleet_at_most() -> None:
    balancer = well("a", "b", "c", "d")
    for name in ("a", "b", "c"):
        fail_calls(balancer, name, 5, verdict=Verdict.UNREACHABLE)

    assert [event.server_id for event in eject(balancer)] == ["a", "b"]
    assert not balancer.fleet.members[A].ejections[ALL].costs_units


@pytest.mark.parametrize(
    ("max_ejected", "servers", "out"),
    [(0.0, 4, 0), (0.5, 1, 0), (0.5, 3, 1), (0.75, 4, 3), (1.0, 4, 4)],
)
def test_so_large_a_part_may_be_out_for_failures_that_cost_nothing(
    max_ejected: float, servers: int, out: int
) -> None:
    names = "abcd"[:servers]
    balancer = well(*names)
    balancer.bounds = HealthBounds(max_ejected=max_ejected)
    for name in names:
        fail_calls(balancer, name, 5, verdict=Verdict.UNREACHABLE)

    assert len(eject_due(balancer)) == out
    assert eject_due(balancer) == []


def test_that_part_bounds_the_slow_too_and_nobody_whose_failures_cost_units() -> None:
    balancer = well("a", "b", "c")
    balancer.bounds = HealthBounds(max_ejected=0.0, eject_slower=5.0)
    for number in range(10):
        for name, first_byte_ms in (("a", 1000.0), ("b", 100.0), ("c", 100.0)):
            see(balancer, usage_at(name, first_byte_ms=first_byte_ms, session=f"s{number}"))

    assert eject_due(balancer) == []

    fail_calls(balancer, "b", 5)

    assert [(event.server_id, event.costs_units) for event in eject_due(balancer)] == [(B, True)]


def test_one_session_that_fails_alone_puts_out_nobody_where_others_are_used() -> None:
    balancer = well("a", "b")
    see(balancer, usage_at("a", session="good"))
    fail_calls(balancer, "a", 7, session="bad")

    assert settle_health(balancer) == []

    fail_calls(balancer, "a", session="another")

    assert [type(event) for event in settle_health(balancer)] == [ServerEjected]


def test_the_only_session_there_is_is_enough() -> None:
    balancer = well("a")

    fail_calls(balancer, "a", 5, session="only")

    assert [type(event) for event in settle_health(balancer)] == [ServerEjected]


def test_one_service_type_goes_out_alone_where_others_are_answered() -> None:
    balancer = well("a", "b")
    see(balancer, usage_at("a"))

    fail_calls(balancer, "a", 5, service_type=VIDEO)

    assert [(event.server_id, event.service_type) for event in eject(balancer)] == [(A, VIDEO)]
    assert chosen(balancer, "v.1", service_type=VIDEO) == "b"
    assert chosen(balancer, "i.1", avoid=("b",)) == "a"
    view = server_views(balancer, NOON)[0]
    assert (view.healthy, view.state) == (True, "up")
    assert [(one.service_type, one.state) for one in view.service_types] == [
        (IMAGE, "up"),
        (VIDEO, "ejected"),
    ]


def test_a_server_that_fails_every_type_costs_no_more_units_for_it() -> None:
    balancer = well("a", "b")
    fail_calls(balancer, "a", 3)

    fail_calls(balancer, "a", 2, service_type=VIDEO, session="s7")

    assert [(event.server_id, event.service_type) for event in eject(balancer)] == [(A, ALL)]


def test_half_of_the_last_calls_that_fail_put_a_server_of_a_small_fleet_out() -> None:
    balancer = well("a", "b")
    for number in range(5):
        fail_calls(balancer, "a", session=f"s{number}")
        assert settle_health(balancer) == []
        see(balancer, usage_at("a", session=f"s{number}"))

    (event,) = settle_health(balancer)

    assert isinstance(event, ServerEjected)
    assert (event.service_type, event.reason) == (IMAGE, "5 of the last 10 calls failed")
    assert (event.failures, event.outcomes, event.costs_units) == (5, 10, True)


def test_in_a_fleet_a_server_is_measured_by_the_others() -> None:
    """Six servers with ten outcomes each: where all fail alike, the one that does not stand out
    stays; where one fails three of ten alone, it goes."""
    names = ["a", "b", "c", "d", "e", "f"]
    alike, alone = well(*names), well(*names)
    for balancer, failing in ((alike, names), (alone, ["a"])):
        for name in names:
            for number in range(10):
                failed = name in failing and number % 3 == 0 and number < 9
                verdict = Verdict.OUTCOME_UNKNOWN if failed else Verdict.SUCCESS
                see(balancer, usage_at(name, verdict, session=f"s{number}"))

    assert settle_health(alike) == []
    assert [event.server_id for event in eject(alone)] == ["a"]


def test_what_is_ten_minutes_old_says_nothing_of_the_rate() -> None:
    balancer = well("a", "b")
    for number in range(5):
        fail_calls(balancer, "a", session=f"s{number}")
        see(balancer, usage_at("a", session=f"s{number}"))

    assert settle_health(balancer, 601) == []


def test_from_the_first_failure_on_only_so_many_more_may_be_open_as_are_missing() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 2)

    for number in range(3):
        chosen(balancer, f"r.{number}")

    refused = no_server(balancer, "r.3")

    assert refused.candidates[0].refused == "2 failures in a row: at most 3 exchanges more"
    chosen(balancer)  # without a lease it costs no unit
    see(balancer, usage_at("a", lease="r.0"))
    chosen(balancer, "r.4")


@pytest.mark.parametrize("limit", [1, 5])
def test_a_server_that_fails_every_call_costs_so_many_units_and_one_a_period(limit: int) -> None:
    """Everybody calls whenever they may, every call fails a second later, for an hour; what was
    open when the first failure was pool_envelope is nothing here, for the first call is alone."""
    balancer = well("a")
    balancer.bounds = HealthBounds(consecutive_failures=limit)
    cost = 0
    periods = 0
    for second in range(3600):
        opened = []
        for number in range(20):
            lease = LeaseId(f"{second}.{number}")
            answer = select_server(balancer, wanted(lease), ONE, after(second))
            if isinstance(answer, Selected):
                opened.append((lease, f"s{number}"))
            if not second:
                break
        for lease, session in opened:
            failed = usage_at("a", Verdict.OUTCOME_UNKNOWN, session=session, lease=lease)
            see(balancer, failed, at=after(second + 0.5))
            cost += 1
        standing = balancer.standings[A]
        standing.answers_probes, standing.probed_at = True, [after(second)] * 3
        events = settle_health(balancer, second + 0.5)
        periods += sum(isinstance(event, ServerEjected) for event in events)

    assert periods > 5
    assert cost <= limit + periods - 1


def test_what_began_before_an_ejection_says_nothing_after_it() -> None:
    balancer = well("a", "b")
    chosen(balancer, "old.1", avoid=("b",))
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    see(balancer, usage_at("a", Verdict.OUTCOME_UNKNOWN, lease="old.1"))

    assert balancer.standings[A].streaks == {}
    assert balancer.standings[A].in_flight == 0


def test_a_failure_told_by_a_selection_is_not_counted_again_from_the_log() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1", avoid=("b",))
    chosen(balancer, "r.1", failed=unreachable("a"), avoid=("a",))

    see(balancer, usage_at("a", Verdict.UNREACHABLE, lease="r.1"))

    assert balancer.standings[A].streaks[ALL].failures == 1


def test_each_ejection_in_a_row_is_longer_up_to_the_cap_and_long_quiet_forgives() -> None:
    balancer = well("a", "b")
    balancer.bounds = HealthBounds(ejection_base_s=30, ejection_cap_s=100)
    lasted, now = [], 0.0
    for _ in range(5):
        ((_, seconds, _),) = lasts(eject(balancer, "a", seconds=now), now)
        lasted.append(seconds)
        now += seconds
        standing = balancer.standings[A]
        standing.answers_probes, standing.probed_at = True, [after(now)]
        settle_health(balancer, now)

    assert lasted == [30, 60, 90, 100, 100]
    assert lasts(eject(balancer, "a", seconds=now + 1800), now + 1800) == [("a", 30, 1)]


def test_blame_in_the_pools_log_names_a_server_and_nobody_elses_trial_does() -> None:
    recovered = [
        SessionRecovered(session_id=SessionId(name), reason="server_blamed", server_id=A)
        for name in ("s1", "s2")
    ]
    other = SessionRecovered(session_id=SessionId("s3"), reason="trial_passed", server_id=B)
    balancer = well("a", "b")

    assert observe_envelope(balancer, pool_envelope(*recovered, other), NOON)

    assert [(event.server_id, event.reason) for event in eject_due(balancer)] == [(A, ACCUSED)]


def test_server_that_is_out_already_is_not_accused_again_nor_is_a_stranger() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")

    assert eject(balancer, "a", "unheard-of", seconds=5) == []


def test_last_server_that_is_well_is_never_put_out_by_the_pools_word() -> None:
    balancer = well("a", "b", "c")
    balancer.take_event(down("c"))

    assert lasts(eject(balancer, "a", "b")) == [("a", 30, 1)]
    assert eject(balancer, "b") == []


@pytest.mark.parametrize(("times", "out"), [(0.0, 0), (5.0, 1), (20.0, 0)])
def test_who_is_much_slower_than_the_fleet_goes_out_only_where_that_is_configured(
    times: float, out: int
) -> None:
    balancer = well("a", "b", "c")
    balancer.bounds = HealthBounds(eject_slower=times)
    for number in range(10):
        for name, first_byte_ms in (("a", 1000.0), ("b", 100.0), ("c", 100.0)):
            see(balancer, usage_at(name, first_byte_ms=first_byte_ms, session=f"s{number}"))

    events = eject_due(balancer)

    assert [(event.server_id, event.service_type) for event in events] == [(A, IMAGE)] * out
    assert [event.reason for event in events] == ["10.0 times as slow as the fleet"] * out
    assert [(event.failures, event.outcomes) for event in events] == [(0, 10)] * out
    assert not any(event.costs_units for event in events)


def test_with_no_limit_failures_put_nobody_out_but_the_pools_word_does() -> None:
    balancer = well("a", "b")
    balancer.bounds = HealthBounds(consecutive_failures=0)
    fail_calls(balancer, "a", 30)

    assert settle_health(balancer) == []
    for number in range(10):
        chosen(balancer, f"r.{number}", avoid=("b",))
    assert lasts(eject(balancer, "a")) == [("a", 30, 1)]
    standing = balancer.standings[A]
    standing.answers_probes, standing.probed_at = True, [after(31)]
    settle_health(balancer, 31)
    chosen(balancer, "s.1", avoid=("b",))
    no_server(balancer, "s.2", avoid=("b",))
    fail_calls(balancer, "a", lease="s.1", seconds=33)
    assert [event.times for event in settle_health(balancer, 33)] == [2]


def test_nobody_is_slower_than_a_fleet_of_which_too_little_is_known() -> None:
    balancer = well("a", "b")
    balancer.bounds = HealthBounds(eject_slower=2.0)
    see(balancer, usage_at("a", first_byte_ms=9000.0), usage_at("b", first_byte_ms=10.0))

    assert eject_due(balancer) == []


def test_a_strategy_that_failed_is_told_while_it_is_in_force_and_lately() -> None:
    failed = StrategyFailed(strategy="ours.py:choose", reason="no answer", failures=3)
    balancer = well("a", by="ours.py:choose")
    balancer.take_event(failed, NOON)

    assert strategy_trouble(balancer, after(60)) == "ours.py:choose failed 3 times: no answer"
    assert strategy_trouble(balancer, after(601)) == ""
    films = StrategyChanged(strategy="b.py:f", reason="test", service_type=ServiceType("video"))
    balancer.take_event(films)
    balancer.take_event(StrategyFailed(strategy="b.py:f", reason="it raised"), NOON)
    assert strategy_trouble(balancer, after(60)) == (
        "ours.py:choose failed 3 times: no answer; b.py:f failed: it raised"
    )
    balancer.take_event(replace(films, strategy=""))
    balancer.take_event(strategy("round_robin"))
    assert strategy_trouble(balancer, after(60)) == ""
