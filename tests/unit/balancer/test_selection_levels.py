"""Levels: the lower one first, up to 80 % of what it may carry; and what a selection counted."""

from datetime import timedelta

import msgspec

from contracts.balancer import Selected, ServerReadmitted
from contracts.pool import Candidate
from services.balancer.domain import Balancer, select_server
from services.balancer.domain.fleet.ejection import warm_part
from services.balancer.settings import server_objection
from tests.moments import NOON
from tests.unit.balancer.builders import (
    ONE,
    added,
    balancer_of,
    cancel_told,
    chosen,
    down,
    eject,
    in_flight,
    see,
    server,
    strategy,
    unreachable,
    up,
    wanted,
)


def levelled(**levels: int) -> Balancer:
    """Servers that may carry ten exchanges each, by their level."""
    return balancer_of(
        *[added(name, max_sessions=10, level=level) for name, level in levels.items()],
        *[up(name) for name in levels],
        strategy("least_connections"),
    )


def filled(balancer: Balancer, count: int) -> dict[str, int]:
    for number in range(count):
        chosen(balancer, f"r{number}.1")
    return in_flight(balancer)


def selected(balancer: Balancer, lease: str = "", **rest: bool) -> Selected:
    answer = select_server(balancer, msgspec.structs.replace(wanted(lease), **rest), ONE, NOON)
    assert isinstance(answer, Selected)
    return answer


def test_lower_level_is_used_until_80_percent_of_its_limit_is_in_flight() -> None:
    assert filled(levelled(a=1, b=1, c=2), 16) == {"a": 8, "b": 8, "c": 0}
    assert filled(levelled(a=1, b=1, c=2), 20) == {"a": 8, "b": 8, "c": 4}


def test_levels_are_an_order_and_not_places() -> None:
    assert filled(levelled(a=70, b=9), 9) == {"a": 1, "b": 8}


def test_where_no_level_has_room_everybody_carries_the_rest() -> None:
    assert filled(levelled(a=1, b=2), 16) == {"a": 8, "b": 8}
    assert filled(levelled(a=1, b=2), 20) == {"a": 10, "b": 10}


def test_lower_level_is_used_again_as_soon_as_it_has_room() -> None:
    balancer = levelled(a=1, b=2)
    filled(balancer, 9)

    see(balancer, cancel_told("r0.1"))

    assert chosen(balancer, "again.1") == "a"


def test_next_level_is_used_where_none_of_the_lower_may_be_chosen() -> None:
    balancer = levelled(a=1, b=2)

    assert chosen(balancer, "tried.1", avoid=("a",), failed=unreachable("a")) == "b"
    balancer.take_event(down("a"))
    assert chosen(balancer, "ill.1") == "b"


def test_full_servers_of_a_level_count_for_what_is_in_flight_there() -> None:
    """Two of a and eight of b may be carried: eight in flight are 80 %, wherever they are."""
    balancer = balancer_of(
        *[added("a", max_sessions=2), added("b", max_sessions=8), added("c", level=2)],
        *[up(name) for name in "abc"],
        strategy("least_connections"),
    )

    assert filled(balancer, 9) == {"a": 2, "b": 6, "c": 1}


def test_candidates_say_whose_level_waits() -> None:
    answer = selected(levelled(a=1, b=2), "r.1")

    assert answer.candidates == [
        Candidate(server_id=server("a").server_id, score=0.0),
        Candidate(server_id=server("b").server_id, refused="level 2 waits"),
    ]


def test_candidates_say_that_the_lower_level_is_full_where_the_next_one_is_used() -> None:
    balancer = levelled(a=1, b=2, c=3)
    filled(balancer, 8)

    answer = selected(balancer, "r.1")

    assert answer.candidates == [
        Candidate(server_id=server("b").server_id),
        Candidate(server_id=server("a").server_id, refused="level 1 is at 80 % of its limits"),
        Candidate(server_id=server("c").server_id, refused="level 3 waits"),
    ]


def test_a_level_of_which_one_is_ejected_spills_by_what_is_left_of_its_limits() -> None:
    """Ten of a may be carried; what b, which is out, could carry counts for nothing."""
    balancer = levelled(a=1, b=1, c=2)
    eject(balancer, "b")

    assert filled(balancer, 10) == {"a": 8, "b": 0, "c": 2}


def test_a_level_that_starts_slowly_spills_by_what_it_may_carry_now() -> None:
    """A third of ten, rounded up, is four: the fourth call makes them more than four fifths."""
    balancer = levelled(a=1, c=2)
    readmitted = ServerReadmitted(
        server_id=server("a").server_id, at=NOON - timedelta(seconds=10), slow_start_s=30
    )
    balancer.take_event(readmitted, NOON)

    assert filled(balancer, 6) == {"a": 4, "c": 2}


def test_sessions_of_a_region_spill_to_the_next_level_that_serves_it() -> None:
    balancer = balancer_of(
        added("a", max_sessions=10, serves=("us",)),
        added("b", max_sessions=10, level=2, serves=("jp",)),
        added("c", max_sessions=10, level=3, serves=("us",)),
        *[up(name) for name in "abc"],
        strategy("least_connections"),
    )

    for number in range(10):
        chosen(balancer, f"r{number}.1", session_region="us")

    assert in_flight(balancer) == {"a": 8, "b": 0, "c": 2}


def test_level_below_one_is_refused() -> None:
    assert server_objection(server("a", level=0)) == "level: expected at least 1, got 0"


def test_selection_says_what_the_server_then_carries() -> None:
    balancer = levelled(a=1)

    assert [selected(balancer, f"r{number}.1").in_flight for number in range(3)] == [1, 2, 3]


def test_selection_that_puts_nothing_in_flight_counts_what_is_there() -> None:
    balancer = levelled(a=1)
    filled(balancer, 2)

    assert selected(balancer).in_flight == 2
    assert selected(balancer, "").in_flight == 2
    assert selected(balancer, only_ask=True).in_flight == 2


def test_bounds_of_any_size_that_a_log_has_are_counted() -> None:
    """A log of another version may hold numbers that no configuration is allowed."""
    vast = 10**400
    balancer = balancer_of(
        added("a", max_sessions=vast, level=1),
        added("b", max_sessions=vast, level=2),
        *[up("a"), up("b"), strategy("least_connections")],
    )

    assert chosen(balancer, "r.1") == "a"
    assert warm_part(vast, 0.5) == vast // 2
    assert [warm_part(100, share) for share in (0.0, 0.004, 0.5, 1.0)] == [1, 1, 50, 100]
