"""The nearest region first, and the next one before it is full."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.balancer.domain.standing import ServerStanding
from services.balancer.strategies import STRATEGIES, Criteria, Ranking
from tests.unit.balancer.builders import server

REGIONS = ["asia-east", "us-west-2", "eu-west-1", "", "atlantis"]


def standing_in(name: str, region: str, in_flight: int = 0, **rest: int) -> ServerStanding:
    made = server(name, region=region, **rest)
    stands = ServerStanding(server_id=made.server_id, server=made, in_flight=in_flight)
    stands.serve_as(made)
    return stands


def rank(servers: list[ServerStanding], client: str, drawn: float = 0.0) -> Ranking:
    return STRATEGIES["geographic"](servers, Criteria(client_region=client, chance=lambda: drawn))


def order_for(servers: list[ServerStanding], client: str, drawn: float = 0.0) -> str:
    return "".join(each.server_id for each in rank(servers, client, drawn).servers)


def test_the_nearest_comes_first_and_the_others_by_distance() -> None:
    servers = [
        standing_in("e", "europe-west"),
        standing_in("w", "us-west"),
        standing_in("a", "asia-east"),
    ]

    assert order_for(servers, "japan") == "awe"
    assert order_for(servers, "korea") == "awe"
    assert order_for(servers, "europe") == "ewa"
    assert list(rank(servers, "japan").scores) == [2880, 7885, 9445]


def test_both_coasts_are_equally_near_to_who_is_in_the_united_states() -> None:
    west, east = standing_in("w", "us-west", in_flight=3), standing_in("e", "us-east", in_flight=2)

    assert order_for([west, east], "us") == "ew"
    assert order_for([west, east], "us-west") == "we"


def test_within_a_region_the_least_loaded_by_its_size_comes_first() -> None:
    servers = [
        standing_in("s", "asia-east", in_flight=3, max_sessions=10),
        standing_in("l", "asia-east", in_flight=5, max_sessions=50),
        standing_in("p", "asia-east", in_flight=10, max_sessions=100, priority=0),
    ]

    assert order_for(servers, "china") == "pls"


def test_the_nearest_has_everything_while_a_fifth_of_it_is_free() -> None:
    servers = [standing_in("a", "asia-east", in_flight=80), standing_in("w", "us-west")]

    assert {order_for(servers, "china", drawn / 100) for drawn in range(100)} == {"aw"}


def test_it_spills_by_headroom_before_the_nearest_is_full() -> None:
    near, far = standing_in("a", "asia-east"), standing_in("w", "us-west")
    shares = {}
    for used in (85, 90, 95, 99):
        near.in_flight = used
        first = Counter(order_for([near, far], "china", drawn / 1000)[0] for drawn in range(1000))
        shares[used] = first["a"] / 1000

    assert shares == pytest.approx({85: 0.75, 90: 0.5, 95: 0.25, 99: 0.05}, abs=0.002)


def test_what_is_left_to_no_chance_stays_near() -> None:
    servers = [standing_in("w", "us-west"), standing_in("a", "asia-east", in_flight=99)]

    ranking = STRATEGIES["geographic"](servers, Criteria(client_region="china"))

    assert [each.server_id for each in ranking.servers] == ["a", "w"]


def test_the_third_region_takes_what_the_second_has_no_room_for_either() -> None:
    servers = [
        standing_in("a", "asia-east", in_flight=90),
        standing_in("e", "europe-west", in_flight=95),
        standing_in("w", "us-west"),
    ]

    first = Counter(order_for(servers, "china", drawn / 1000)[0] for drawn in range(1000))

    assert first == pytest.approx({"a": 500, "e": 250, "w": 250}, abs=1)


def test_where_all_are_nearly_full_each_gets_as_much_as_it_has_room() -> None:
    servers = [
        standing_in("a", "asia-east", in_flight=98),
        standing_in("w", "us-west", in_flight=96),
    ]

    first = Counter(order_for(servers, "china", drawn / 300)[0] for drawn in range(300))

    assert first == {"a": 100, "w": 200}


def test_without_a_region_to_go_by_the_least_loaded_is_chosen() -> None:
    servers = [standing_in("a", "asia-east", in_flight=2), standing_in("n", "", in_flight=1)]

    assert order_for(servers, "") == "na"
    assert order_for(servers, "atlantis") == "na"
    assert rank(servers, "").why == "nobody knows the client's region"


def test_a_region_of_ones_own_is_near_to_who_is_in_it() -> None:
    servers = [standing_in("a", "asia-east"), standing_in("b", "Atlantis", in_flight=9)]

    assert order_for(servers, "atlantis") == "ba"
    assert list(rank(servers, "atlantis").scores) == [0, 20_100]


def test_it_says_which_region_was_wanted_and_which_was_taken() -> None:
    servers = [standing_in("a", "asia-east-2", in_flight=90), standing_in("w", "us-west")]

    assert rank(servers, "japan").why == "client in japan: asia-east (2,880 km)"
    assert rank(servers, "japan", 0.7).why == (
        "client in japan: us-west (7,885 km); asia-east (2,880 km) is used to 90 %"
    )
    assert rank([*servers, standing_in("n", "berlin")], "atlantis").why == (
        "client in atlantis: us-west (nobody knows how far)"
    )
    assert rank([standing_in("n", "")], "japan").why == (
        "client in japan: no region (nobody knows how far)"
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(REGIONS), st.integers(0, 9), st.integers(10, 12)),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["us", "japan", "", "atlantis"]),
    st.floats(0, 1, exclude_max=True),
)
def test_nobody_is_lost_whatever_is_drawn(
    fleet: list[tuple[str, int, int]], client: str, drawn: float
) -> None:
    servers = [
        standing_in(str(at), region, in_flight=used, max_sessions=limit)
        for at, (region, used, limit) in enumerate(fleet)
    ]

    ranking = rank(servers, client, drawn)

    assert sorted(each.server_id for each in ranking.servers) == [
        each.server_id for each in servers
    ]
    assert len(ranking.scores) == len(servers)
