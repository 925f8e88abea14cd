"""Strategies by latency: whom each prefers, and what holds whatever the servers showed."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.balancer.domain.latency import LatencySample, ServerLatency
from services.balancer.domain.standing import ServerStanding
from services.balancer.strategies import STRATEGIES, Criteria, Ranking
from services.balancer.strategies.adaptive import hot_threshold
from tests.unit.balancer.builders import IMAGE, server

MEDIAN_MS = 100.0


def timed(
    name: str, first_byte_ms: float | None = None, in_flight: int = 0, **rest: int
) -> ServerStanding:
    """A server that has just answered in `first_byte_ms`; None: it was never tried."""
    made = server(name, **rest)  # type: ignore[arg-type]
    standing = ServerStanding(server_id=made.server_id, server=made, in_flight=in_flight)
    standing.serve_as(made)
    if first_byte_ms is not None:
        latency = standing.latencies[IMAGE] = ServerLatency()
        latency.add_sample(LatencySample(0.0, first_byte_ms), in_flight + 1, MEDIAN_MS)
    return standing


def dice(*chances: float) -> Callable[[], float]:
    endless: Iterator[float] = cycle(chances)
    return lambda: next(endless)


def ranked(strategy: str, servers: list[ServerStanding], *chances: float) -> Ranking:
    criteria = Criteria(
        service_type=IMAGE,
        median_ms=MEDIAN_MS,
        chance=dice(*chances) if chances else dice(0.0),
    )
    return STRATEGIES[strategy](servers, criteria)


def order(ranking: Ranking) -> str:
    return "".join(one.server_id for one in ranking.servers)


# ------------------------------------------------------------------ least response time


def test_least_response_time_weighs_the_average_by_what_would_be_in_flight() -> None:
    servers = [
        timed("a", 50.0, in_flight=3),
        timed("b", 150.0),
        timed("c", 90.0, in_flight=1),
    ]

    ranking = ranked("least_response_time", servers)

    assert order(ranking) == "bca"
    assert ranking.scores == [150.0, 180.0, 200.0]


def test_least_response_time_tries_the_unknown_before_the_slower_than_most() -> None:
    assert order(
        ranked(
            "least_response_time",
            [timed("a", 120.0), timed("b"), timed("c", 80.0)],
        )
    ) == ("cba")


@pytest.mark.parametrize("strategy", ["least_response_time", "adaptive"])
def test_equals_are_told_apart_by_load_then_priority_then_turn(strategy: str) -> None:
    servers = [
        timed("small", in_flight=1, max_sessions=10),
        timed("later", in_flight=1, max_sessions=20),
        timed("first", in_flight=1, max_sessions=20),
        timed("shunned", in_flight=1, max_sessions=20, priority=2),
    ]
    servers[1].turn = 1

    assert [one.server_id for one in ranked(strategy, servers).servers] == [
        "first",
        "later",
        "shunned",
        "small",
    ]


def test_server_that_hangs_gathers_no_more_than_its_share() -> None:
    """It shows nothing new: what it showed before must not fade to nothing while calls pile up."""
    hangs, answers = timed("hangs", 100.0), timed("answers", 100.0)
    for at in range(400):
        criteria = Criteria(service_type=IMAGE, now_s=float(at), median_ms=MEDIAN_MS)
        best = STRATEGIES["least_response_time"]([hangs, answers], criteria).servers[0]
        if best is hangs:
            hangs.in_flight += 1
        else:
            answers.latencies[IMAGE].add_sample(LatencySample(float(at), 100.0), 1, MEDIAN_MS)

    assert hangs.in_flight <= 2


# ------------------------------------------------------------------------------- two choices


def test_p2c_takes_the_better_of_two_however_good_the_others_are() -> None:
    servers = [timed("a", 500.0), timed("b", 10.0), timed("c", 300.0)]

    ranking = ranked("p2c_ewma", servers, 0.0, 0.99)

    assert order(ranking) == "cab"
    assert ranking.scores == [300.0, 500.0, 10.0]


def test_p2c_draws_every_pair_and_nobody_twice() -> None:
    servers = [timed(name, ms) for name, ms in (("a", 300.0), ("b", 200.0), ("c", 100.0))]
    tenths = [at / 10 for at in range(10)]

    won = Counter(
        order(ranked("p2c_ewma", servers, first, second))[0]
        for first in tenths
        for second in tenths
    )

    assert won.keys() == {"b", "c"}
    assert 60 <= won["c"] <= 70


def test_p2c_of_one_is_that_one() -> None:
    assert order(ranked("p2c_ewma", [timed("a")], 0.99)) == "a"


def test_p2c_of_two_equals_takes_the_less_loaded() -> None:
    servers = [timed("a", in_flight=1, max_sessions=2), timed("b", in_flight=1)]

    assert order(ranked("p2c_ewma", servers, 0.0)) == "ba"


# ---------------------------------------------------------------------------------- adaptive


@pytest.mark.parametrize(
    ("loads", "threshold"),
    [
        ([0.3], 0.3),
        ([0.4, 0.1], 0.4),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.6),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 0.6),
        ([at / 100 for at in range(1, 101)], 0.84),
    ],
)
def test_hot_is_from_the_quantile_on_counted_from_one(loads: list[float], threshold: float) -> None:
    assert hot_threshold(loads) == threshold
    assert hot_threshold(loads[::-1]) == threshold


def test_adaptive_takes_the_fastest_of_the_cold_however_busy() -> None:
    """The paper's rule: requests in flight decide only who is hot."""
    servers = [
        timed("hot", 1.0, in_flight=9),
        timed("fast", 50.0, in_flight=5),
        timed("idle", 200.0),
        timed("some", 90.0, in_flight=1),
    ]

    ranking = ranked("adaptive", servers)

    assert [one.server_id for one in ranking.servers] == ["fast", "some", "idle", "hot"]
    assert ranking.scores == [50.0, 90.0, 200.0, -10]


def test_adaptive_takes_the_fewest_in_flight_where_all_are_hot() -> None:
    """All loads alike: every server is at the quantile."""
    servers = [
        timed("large", 1.0, in_flight=4, max_sessions=40),
        timed("small", 900.0, in_flight=1, max_sessions=10),
        timed("other", 50.0, in_flight=2, max_sessions=20),
    ]

    ranking = ranked("adaptive", servers)

    assert [one.server_id for one in ranking.servers] == ["small", "other", "large"]
    assert ranking.scores == [-2, -3, -5]


def test_adaptive_chooses_the_fastest_of_an_idle_fleet() -> None:
    assert order(ranked("adaptive", [timed("a", 90.0), timed("b", 20.0), timed("c")])) == "bac"


def test_adaptive_judges_a_server_by_what_it_was_at_about_that_load() -> None:
    busy, steady = (
        timed("busy", in_flight=7, max_sessions=100),
        timed("steady", 150.0, in_flight=6),
    )
    busy.latencies[IMAGE] = ServerLatency()
    for in_flight, first_byte_ms in ((1, 10.0), (8, 400.0)):
        busy.latencies[IMAGE].add_sample(LatencySample(0.0, first_byte_ms), in_flight, MEDIAN_MS)
    hot = timed("hot", in_flight=50)

    loaded = ranked("adaptive", [busy, steady, hot])
    busy.in_flight = 0
    idle = ranked("adaptive", [busy, steady, hot])

    assert [one.server_id for one in loaded.servers] == ["steady", "busy", "hot"]
    assert [one.server_id for one in idle.servers] == ["busy", "steady", "hot"]


# ------------------------------------------------------------------------------ all of them

FLEETS = st.lists(
    st.tuples(st.none() | st.floats(0.1, 1e6), st.integers(0, 9), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


def fleet_of(shown: list[tuple[float | None, int, int]]) -> list[ServerStanding]:
    return [
        timed(f"s{at}", first_byte_ms, in_flight, priority=priority, max_sessions=10)
        for at, (first_byte_ms, in_flight, priority) in enumerate(shown)
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(FLEETS, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
def test_every_strategy_loses_nobody_and_answers_alike_by_the_same_chance(
    strategy: str, shown: list[tuple[float | None, int, int]], chances: list[float]
) -> None:
    ranking, again = (ranked(strategy, fleet_of(shown), *chances) for _ in range(2))

    names = [one.server_id for one in ranking.servers]
    assert sorted(names) == sorted(f"s{at}" for at in range(len(shown)))
    assert len(ranking.scores) == len(shown)
    assert [one.server_id for one in again.servers] == names
    assert again.scores == ranking.scores


@given(FLEETS)
def test_least_response_time_is_best_first(shown: list[tuple[float | None, int, int]]) -> None:
    scores = ranked("least_response_time", fleet_of(shown)).scores

    assert list(scores) == sorted(scores)


@given(FLEETS, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_p2c_is_best_first_of_the_drawn_and_of_the_others(
    shown: list[tuple[float | None, int, int]], first: float, second: float
) -> None:
    scores = list(ranked("p2c_ewma", fleet_of(shown), first, second).scores)

    assert scores[:2] == sorted(scores[:2])
    assert scores[2:] == sorted(scores[2:])


@given(FLEETS)
def test_adaptive_puts_the_cold_by_latency_before_the_hot_by_load(
    shown: list[tuple[float | None, int, int]],
) -> None:
    scores = list(ranked("adaptive", fleet_of(shown)).scores)

    cold = [score for score in scores if score >= 0]
    hot = [score for score in scores if score < 0]

    assert scores == sorted(cold) + sorted(hot, reverse=True)
    assert hot


@pytest.mark.parametrize("strategy", ["least_response_time", "adaptive"])
def test_order_of_the_fleet_decides_nothing_where_servers_differ(strategy: str) -> None:
    shown = [("a", 50.0, 1), ("b", 70.0, 0), ("c", None, 2), ("d", 500.0, 5)]

    orders = {
        order(ranked(strategy, [timed(*one) for one in mixed])) for mixed in permutations(shown)
    }

    assert len(orders) == 1
