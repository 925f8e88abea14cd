"""Strategies: whom each prefers, and how exact its shares are."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.balancer import Selected
from contracts.base import ServerId
from services.balancer import strategies
from services.balancer.domain import select_server
from services.balancer.domain.standing import ServerStanding
from services.balancer.strategies import STRATEGIES, Criteria, score_meaning, strategy_named
from services.balancer.strategies.custom import custom
from services.balancer.strategies.table import DEFAULT
from tests.moments import NOON
from tests.unit.balancer.builders import ONE, server, wanted, well


def standing(name: str, *capabilities: str, in_flight: int = 0, **rest: int) -> ServerStanding:
    made = server(name, capabilities, **rest)  # type: ignore[arg-type]
    one = ServerStanding(server_id=made.server_id, server=made, in_flight=in_flight)
    one.serve_as(made)
    return one


def picks(strategy: str, servers: Sequence[ServerStanding], times: int) -> str:
    """Choose `times` times, remembering turns and credits as the domain does."""
    found = ""
    for turn in range(1, times + 1):
        ranking = STRATEGIES[strategy](servers, Criteria())
        best = next(one for one in servers if one.server_id == ranking.servers[0].server_id)
        best.turn = turn
        for one, credit in zip(servers, ranking.credits, strict=False):
            one.credit = credit
        found += best.server_id
    return found


def test_smooth_weighting_follows_nginx_to_the_letter() -> None:
    servers = [standing("a", weight=5), standing("b"), standing("c")]

    assert picks("weighted_round_robin", servers, 14) == "aabacaa" * 2


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_smooth_weighting_gives_exact_shares_in_every_cycle(weights: list[int]) -> None:
    servers = [standing(str(at), weight=weight) for at, weight in enumerate(weights)]

    counts = Counter(picks("weighted_round_robin", servers, 3 * sum(weights)))

    assert counts == {str(at): 3 * weight for at, weight in enumerate(weights)}
    assert [one.credit for one in servers] == [0] * len(weights)


@given(st.integers(1, 8), st.integers(1, 50))
def test_round_robin_never_favours_anyone_by_more_than_one(count: int, times: int) -> None:
    servers = [standing(str(at)) for at in range(count)]

    counts = Counter(picks("round_robin", servers, times))

    assert max(counts.values()) - min(counts[str(at)] for at in range(count)) <= 1


def test_round_robin_stays_fair_when_sets_of_servers_alternate() -> None:
    broad, narrow, other = standing("a"), standing("b"), standing("c")
    found = ""
    for turn in range(1, 101):
        everyone = turn % 2 == 0
        ranking = STRATEGIES["round_robin"](
            [broad, narrow, other] if everyone else [broad], Criteria()
        )
        best = next(one for one in (broad, narrow, other) if one in ranking.servers[:1])
        best.turn = turn
        found += best.server_id if everyone else ""

    assert Counter(found) == {"b": 25, "c": 25}


def test_least_connections_prefers_the_idle_then_the_heavy_then_the_preferred() -> None:
    servers = [
        standing("busy", in_flight=2, weight=9),
        standing("light", in_flight=1),
        standing("heavy", in_flight=1, weight=3, priority=2),
        standing("best", in_flight=1, weight=3, priority=1),
    ]

    ranking = STRATEGIES["least_connections"](servers, Criteria())

    assert [one.server_id for one in ranking.servers] == ["best", "heavy", "light", "busy"]
    assert list(ranking.scores) == [1, 1, 1, 2]


def test_least_connections_takes_turns_among_equals() -> None:
    assert picks("least_connections", [standing("a"), standing("b"), standing("c")], 6) == "abcabc"


def test_capability_based_prefers_the_specialist_however_busy() -> None:
    servers = [
        standing("all", "image", "video", "avatar"),
        standing("one", "image", in_flight=99),
        standing("any"),
    ]

    ranking = STRATEGIES["capability_based"](servers, Criteria())

    assert [one.server_id for one in ranking.servers] == ["one", "all", "any"]
    assert ranking.scores[0] == 1.99


def test_capability_based_fills_equal_servers_evenly_by_their_size() -> None:
    small, large = standing("s", "image", max_sessions=10), standing("l", "image", max_sessions=30)
    for turn in range(1, 21):
        best = STRATEGIES["capability_based"]([small, large], Criteria()).servers[0]
        chosen = small if best is small else large
        chosen.in_flight += 1
        chosen.turn = turn

    assert (small.in_flight, large.in_flight) == (5, 15)


def test_capability_based_breaks_ties_by_priority_then_turn() -> None:
    assert picks("capability_based", [standing("b", priority=2), standing("a")], 3) == "aaa"
    assert picks("capability_based", [standing("b"), standing("a")], 4) == "baba"


@pytest.mark.parametrize("name", STRATEGIES)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=9))
def test_every_strategy_ranks_all_that_are_eligible_once(
    name: str, loads: list[tuple[int, int]]
) -> None:
    servers = [
        standing(str(at), in_flight=load, weight=weight, max_sessions=10)
        for at, (load, weight) in enumerate(loads)
    ]

    ranking = STRATEGIES[name](servers, Criteria())

    assert sorted(one.server_id for one in ranking.servers) == [one.server_id for one in servers]
    assert len(ranking.scores) == len(servers)


def test_unknown_strategy_is_refused_with_those_that_exist() -> None:
    assert strategies.strategy_objection("random").startswith(
        "expected one of round_robin, weighted"
    )
    assert strategies.strategy_objection("round_robin") is None


@pytest.mark.parametrize(
    "name",
    ["/etc/ours.py:f", "../ours.py:f", "a/../b.py:f", "ours.txt:f", "ours.py:", "ours.py:1f"],
)
def test_a_file_elsewhere_and_a_name_that_is_none_are_no_strategy(name: str) -> None:
    assert str(strategies.strategy_objection(name)).startswith('expected "file.py:function"')


def test_a_function_in_a_file_below_may_be_a_strategy() -> None:
    assert strategies.strategy_objection("rules/ours.py:choose") is None


def test_the_one_that_was_named_comes_first_and_the_others_by_their_load() -> None:
    servers = [standing("a", in_flight=1), standing("b", in_flight=9), standing("c")]

    ranking = custom(servers, Criteria(picked=ServerId("b")))

    assert [one.server_id for one in ranking.servers] == ["b", "c", "a"]
    assert list(ranking.scores) == [9, 0, 1]


def test_where_nobody_was_named_the_load_decides() -> None:
    servers = [standing("a", in_flight=1), standing("b")]

    for picked in (ServerId(""), ServerId("gone")):
        ranking = custom(servers, Criteria(picked=picked))
        assert ranking.servers[0].server_id == "b"


def test_a_strategy_of_ones_own_is_known_by_its_colon_and_an_unknown_one_gives_way() -> None:
    assert strategy_named("mine.py:choose") == ("mine.py:choose", custom)
    assert strategy_named("of_tomorrow")[0] == DEFAULT


@pytest.mark.parametrize(
    ("picked", "why"),
    [("", "named nobody"), ("z", "named 'z', which may not be chosen")],
)
def test_where_an_answer_is_not_used_the_one_that_chose_instead_is_named(
    picked: str, why: str
) -> None:
    ranking = custom([standing("a"), standing("b")], Criteria(picked=ServerId(picked)))

    assert (ranking.by, ranking.why) == ("least_connections", why)


def test_a_selection_names_who_chose_and_what_the_function_did() -> None:
    balancer = well("a", "b", by="ours.py:choose")

    answers = [
        select_server(balancer, wanted(), ONE, NOON, ServerId(picked)) for picked in ("b", "")
    ]

    assert all(isinstance(answer, Selected) for answer in answers)
    assert [(answer.strategy, answer.why) for answer in answers] == [  # type: ignore[union-attr]
        ("ours.py:choose", ""),
        ("least_connections", "ours.py:choose named nobody"),
    ]


@pytest.mark.parametrize("name", [*STRATEGIES, "ours.py:choose"])
def test_what_the_scores_mean_is_said_with_the_way_they_go(name: str) -> None:
    meaning = score_meaning(name)

    assert "lower is better" in meaning or "higher is better" in meaning
    assert "\n" not in meaning
    assert score_meaning("of_a_later_version") == ""
