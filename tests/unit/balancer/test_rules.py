"""Rules: how they are written, what they measure, and when they switch and take back."""

import pytest

from contracts.balancer import (
    RulesChanged,
    Selected,
    ServerDrained,
    ServerEjected,
    StrategyRule,
    StrategySwitched,
)
from contracts.base import ServerId, ServiceType
from contracts.pool import Attempt, Verdict
from services.balancer.domain import Balancer, select_server, switch_events
from services.balancer.domain.rules import Condition, parse_condition
from services.balancer.domain.rules.measures import CallSamples, measure_value
from tests.moments import NOON
from tests.unit.balancer.builders import (
    AVATAR,
    IMAGE,
    ONE,
    added,
    after,
    attempt_at,
    balancer_of,
    down,
    strategy,
    up,
    wanted,
    well,
)

FAILING = StrategyRule(when="failure_rate > 0.2 for 60s", use="round_robin")
BLAMING = frozenset({Verdict.OUTCOME_UNKNOWN})
GOOD, BAD = attempt_at("a", first_byte_ms=100.0), attempt_at("a", Verdict.OUTCOME_UNKNOWN)


def balancer_ruled_by(*rules: StrategyRule, balancer: Balancer | None = None) -> Balancer:
    balancer = balancer or well("a", "b")
    balancer.take_event(RulesChanged(rules=list(rules)))
    return balancer


def see_attempts(
    balancer: Balancer, at_s: float, *attempts: Attempt, of: ServiceType = IMAGE
) -> None:
    for one in attempts:
        balancer.rule_watch.note_attempt(of, one, after(at_s), BLAMING)


def switched(
    balancer: Balancer, at_s: float, *service_types: ServiceType
) -> list[StrategySwitched]:
    """What is switched now; it is in the log then."""
    events = switch_events(
        balancer.rule_watch,
        balancer.fleet,
        balancer.member_standings(),
        service_types or (IMAGE,),
        after(at_s),
    )
    for event in events:
        balancer.take_event(event)
    return events


def over_time(
    balancer: Balancer, start: int, end: int, *attempts: Attempt
) -> list[tuple[int, str]]:
    """Look every five seconds, the same attempts made each time: when which rule chose."""
    told = []
    for at_s in range(start, end, 5):
        see_attempts(balancer, at_s, *attempts)
        told += [(at_s, event.rule) for event in switched(balancer, at_s)]
    return told


@pytest.mark.parametrize(
    ("written", "condition"),
    [
        (
            "failure_rate > 0.2 for 60s",
            Condition(measure="failure_rate", above=True, bound=0.2, span_s=60),
        ),
        (" p99_s  <  30   for  2m ", Condition(measure="p99_s", above=False, bound=30, span_s=120)),
        ("load>0.8 for 500ms", Condition(measure="load", above=True, bound=0.8, span_s=0.5)),
        ("out > .5 for 1m", Condition(measure="out", above=True, bound=0.5, span_s=60)),
    ],
)
def test_condition_is_a_measure_a_sign_a_number_and_a_span(
    written: str, condition: Condition
) -> None:
    assert parse_condition(written) == condition


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("failure_rate is high", "expected such as `failure_rate > 0.2 for 60s`, got"),
        ("failure_rate >= 0.2 for 60s", "expected such as"),
        (
            "failures > 0.2 for 60s",
            "expected one of failure_rate, p99_s, load, out, got",
        ),
        ("load > 0.2.1 for 60s", "expected a number behind `>`, got '0.2.1'"),
        ("out > 0 for 60s", "expected more than 0 behind `>`"),
        (
            "failure_rate > 20 for 60s",
            "expected less than 1 behind `>`, got '20': failure_rate is a share, 0 to 1",
        ),
        ("out > 1 for 60s", "expected less than 1 behind `>`"),
        ("out < 0.8 for 60s", "expected less than 0.8 behind `<`"),
        ("load > 0.2 for a while", "expected such as"),
        ("load > 0.2 for soon", "expected a duration such as"),
        ("load > 0.2 for 0s", 'expected a span from more than "0s" to "1d"'),
        ("load > 0.2 for 2d", "expected a span"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_was_expected(written: str, why: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        parse_condition(written)
    assert str(refused.value).startswith(why)


def test_rule_switches_once_its_measure_was_beyond_for_its_span_and_says_the_value() -> None:
    balancer = balancer_ruled_by(FAILING)

    see_attempts(balancer, 0, GOOD, BAD)
    assert switched(balancer, 0) == []
    see_attempts(balancer, 55, GOOD, BAD)
    assert switched(balancer, 59) == []
    event = StrategySwitched(
        service_type=IMAGE, strategy="round_robin", rule=FAILING.when, value=0.5
    )
    assert switched(balancer, 60) == [event]
    assert switched(balancer, 61) == []

    answer = select_server(balancer, wanted("r.1"), ONE, after(61))
    assert isinstance(answer, Selected)
    assert answer.strategy == "round_robin"


def test_measure_that_comes_back_in_between_begins_the_span_anew() -> None:
    balancer = balancer_ruled_by(FAILING)

    assert over_time(balancer, 0, 50, BAD) == []
    assert over_time(balancer, 50, 115, *[GOOD] * 50) == []
    assert over_time(balancer, 115, 170, *[BAD] * 500) == []


def test_rule_is_taken_back_after_the_same_span_below_four_fifths() -> None:
    balancer = balancer_ruled_by(FAILING)

    assert over_time(balancer, 0, 65, GOOD, BAD) == [(60, FAILING.when)]

    # 0.18 of 0.2: no more beyond, and not below 0.8 of it.
    assert over_time(balancer, 65, 300, *[GOOD] * 41, *[BAD] * 9) == []
    told = over_time(balancer, 300, 500, *[GOOD] * 9, BAD)

    assert [rule for _, rule in told] == [""]
    assert 360 <= told[0][0] <= 430
    assert balancer.fleet.switched == {}


def test_rule_with_less_than_is_taken_back_above_five_quarters() -> None:
    idle = StrategyRule(when="load < 0.1 for 10s", use="round_robin")
    balancer = balancer_ruled_by(idle, balancer=balancer_of(added("a", max_sessions=100), up("a")))
    standing = balancer.standings[balancer.member_standings()[0][1].server_id]

    assert over_time(balancer, 0, 15) == [(10, idle.when)]
    standing.in_flight = 12
    assert over_time(balancer, 15, 60) == []
    standing.in_flight = 13
    assert over_time(balancer, 60, 75) == [(70, "")]


def test_without_calls_nothing_is_measured_and_nothing_changes() -> None:
    balancer = balancer_ruled_by(FAILING)

    assert over_time(balancer, 0, 65, BAD) == [(60, FAILING.when)]

    assert over_time(balancer, 200, 600) == []
    assert IMAGE in balancer.fleet.switched


def test_first_rule_that_holds_wins() -> None:
    slow = StrategyRule(when="p99_s > 5 for 10s", use="weighted_round_robin")
    balancer = balancer_ruled_by(FAILING, slow)
    late = attempt_at("a", first_byte_ms=9000.0)

    assert over_time(balancer, 0, 15, late) == [(10, slow.when)]
    assert over_time(balancer, 15, 90, *[BAD] * 20, late) == [(75, FAILING.when)]
    assert balancer.fleet.strategy_for(IMAGE) == "round_robin"


def test_each_service_type_is_measured_by_itself_and_some_rules_are_of_one_alone() -> None:
    out = StrategyRule(when="out > 0.4 for 1s", use="round_robin", service_type=AVATAR)
    able = [added("a", ("image", "avatar")), added("b", ("image",)), added("c", ("image",))]
    balancer = balancer_ruled_by(out, balancer=balancer_of(*able, up("b"), up("c"), down("a")))

    switched(balancer, 0, IMAGE, AVATAR)
    (event,) = switched(balancer, 1, IMAGE, AVATAR)

    assert (event.service_type, event.value) == (AVATAR, 1.0)
    anybody = StrategyRule(when="out > 0.4 for 1s", use="round_robin")
    balancer = balancer_ruled_by(anybody, balancer=balancer_of(*able, up("b"), up("c"), down("a")))
    switched(balancer, 0, IMAGE, AVATAR)
    assert [event.service_type for event in switched(balancer, 1, IMAGE, AVATAR)] == [AVATAR]


def test_rule_that_left_the_file_is_taken_back_at_once() -> None:
    balancer = balancer_ruled_by(FAILING)
    over_time(balancer, 0, 65, BAD)
    balancer.take_event(strategy("capability_based"))

    balancer_ruled_by(balancer=balancer)

    assert [(one.rule, one.strategy) for one in switched(balancer, 66)] == [
        ("", "capability_based")
    ]
    assert switched(balancer, 67) == []


def test_new_leader_goes_on_with_the_rule_that_the_log_has() -> None:
    balancer = balancer_ruled_by(FAILING)
    over_time(balancer, 0, 65, BAD)

    balancer.start_anew()

    assert over_time(balancer, 100, 150, BAD) == []
    assert len(over_time(balancer, 150, 300, *[GOOD] * 100)) == 1


def test_append_that_came_to_nothing_is_decided_again() -> None:
    balancer = balancer_ruled_by(FAILING)
    see_attempts(balancer, 0, BAD)
    pairs = balancer.member_standings()

    def decided(at_s: float) -> list[StrategySwitched]:
        watch, fleet = balancer.rule_watch, balancer.fleet
        return switch_events(watch, fleet, pairs, [IMAGE], after(at_s))

    decided(0)

    assert decided(60) == decided(60) != []


def test_rule_of_a_later_version_is_passed_over() -> None:
    later = StrategyRule(when="weather > 3 for 1m", use="round_robin")
    balancer = balancer_ruled_by(later, FAILING)

    assert over_time(balancer, 0, 65, BAD) == [(60, FAILING.when)]


def test_nothing_is_sampled_without_rules_and_no_more_than_a_thousand_with() -> None:
    balancer = balancer_ruled_by(FAILING)
    see_attempts(balancer, 0, *[BAD] * 3000)

    assert len(balancer.rule_watch.samples.recent(IMAGE, after(0))) == 1000
    balancer_ruled_by(balancer=balancer)
    balancer.take_event(
        StrategySwitched(service_type=IMAGE, strategy="round_robin", rule="load > 1 for 1s")
    )
    switched(balancer, 1)
    assert len(balancer.rule_watch.samples.recent(IMAGE, after(1))) == 0


def test_service_types_of_which_calls_are_kept_are_bounded_and_old_calls_go() -> None:
    samples = CallSamples()
    for number in range(300):
        samples.note_attempt(ServiceType(f"t{number}"), NOON, blamed=True, first_byte_ms=1.0)

    assert len(samples._by_type) <= 256
    assert len(samples.recent(ServiceType("t299"), NOON)) == 1
    assert len(samples.recent(ServiceType("t299"), after(61))) == 0


def test_where_nobody_can_do_it_nothing_is_measured() -> None:
    assert measure_value("out", IMAGE, CallSamples(), [], NOON) is None


def test_of_a_service_type_everybody_is_out_who_takes_no_call_of_it() -> None:
    """Down, drained, ejected for all, or for that type alone; of another type says nothing."""
    balancer = well("a", "b", "c", "d", "e", "f")
    out = {"until": after(30), "times": 1, "reason": "5 failures in a row"}
    for event in (
        down("a"),
        ServerDrained(server_id=ServerId("b")),
        ServerEjected(server_id=ServerId("c"), **out),
        ServerEjected(server_id=ServerId("d"), service_type=IMAGE, **out),
        ServerEjected(server_id=ServerId("e"), service_type=AVATAR, **out),
    ):
        balancer.take_event(event)
    pairs = balancer.member_standings()

    shares = [measure_value("out", name, CallSamples(), pairs, NOON) for name in (IMAGE, AVATAR)]

    assert shares == [pytest.approx(4 / 6), pytest.approx(4 / 6)]


def test_load_is_of_those_that_take_calls_of_the_type_and_whole_where_nobody_does() -> None:
    balancer = balancer_of(added("a", max_sessions=4), added("b", max_sessions=4), up("a"), up("b"))
    select_server(balancer, wanted("r.1"), ONE, NOON)
    pairs = balancer.member_standings()
    out = {"until": after(30), "times": 1, "reason": "x", "service_type": IMAGE}

    before = measure_value("load", IMAGE, CallSamples(), pairs, NOON)
    loaded = next(name for name, one in balancer.standings.items() if one.in_flight)
    idle = next(name for name, one in balancer.standings.items() if not one.in_flight)
    loads = []
    for name in (idle, loaded):
        balancer.take_event(ServerEjected(server_id=name, **out))
        loads.append(measure_value("load", IMAGE, CallSamples(), balancer.member_standings(), NOON))

    assert (before, loads) == (1 / 8, [1 / 4, 1.0])


def test_p99_rule_is_of_answers_alone_and_switches_at_its_span_and_back_as_late() -> None:
    slow = StrategyRule(when="p99_s > 5 for 10s", use="weighted_round_robin")
    balancer = balancer_ruled_by(slow)
    late, soon = attempt_at("a", first_byte_ms=6000.0), attempt_at("a", first_byte_ms=100.0)

    assert over_time(balancer, 0, 30, *[BAD] * 99) == []
    assert over_time(balancer, 30, 45, late, *[soon] * 50) == [(40, slow.when)]
    assert over_time(balancer, 45, 140, *[soon] * 10) == [(105, "")]


def test_a_p99_is_that_of_the_hundredth_call() -> None:
    samples = CallSamples()
    for number in range(200):
        first_byte_ms = 9000.0 if number >= 198 else 100.0
        samples.note_attempt(IMAGE, NOON, blamed=False, first_byte_ms=first_byte_ms)

    assert measure_value("p99_s", IMAGE, samples, [], NOON) == 0.1

    samples.note_attempt(IMAGE, NOON, blamed=False, first_byte_ms=9000.0)

    assert measure_value("p99_s", IMAGE, samples, [], NOON) == 9.0
