"""Who is out of use stands in every selection, since when and until when; and in every refusal."""

from contracts.balancer import (
    Health,
    Selected,
    ServerDrained,
    ServerEjected,
    ServerFellSilent,
    ServerHealthChanged,
)
from contracts.base import ServerId
from contracts.pool import Candidate
from services.balancer.domain import Balancer, select_server
from tests.moments import NOON
from tests.unit.balancer.builders import (
    IMAGE,
    ONE,
    added,
    after,
    balancer_of,
    no_server,
    strategy,
    up,
    wanted,
    well,
)

A, B, C, D = (ServerId(name) for name in "abcd")


def go_out(balancer: Balancer, name: str, **rest: object) -> None:
    """Put a server out at noon, for half a minute."""
    event = ServerEjected(
        server_id=ServerId(name),
        until=after(30),
        times=1,
        reason="5 failures in a row",
        costs_units=True,
        failures=5,
        outcomes=5,
        **rest,  # type: ignore[arg-type]
    )
    balancer.take_event(event, NOON)


def all_out() -> Balancer:
    """Four servers, out of use in the four ways there are."""
    balancer = well("a", "b", "c", "d")
    go_out(balancer, "a")
    balancer.take_event(ServerDrained(server_id=B), after(1))
    silent = ServerFellSilent(server_id=C, service_type=IMAGE, waited_s=40, expected_s=10)
    balancer.take_event(silent, after(2))
    why = "probe: no answer within 5 s"
    balancer.take_event(ServerHealthChanged(server_id=D, health=Health.DOWN, reason=why), after(3))
    return balancer


OUT = [
    Candidate(server_id=A, refused="ejected: 5 failures in a row", since=NOON, until=after(30)),
    Candidate(server_id=B, refused="draining", since=after(1)),
    Candidate(
        server_id=C,
        refused="silent: an exchange there waits for long, and nothing else is answered",
        since=after(2),
    ),
    Candidate(server_id=D, refused="down: probe: no answer within 5 s", since=after(3)),
]


def test_who_is_out_is_named_beside_the_best_five_however_many_were_ranked() -> None:
    balancer = all_out()
    for name in "efghij":
        balancer.take_event(added(name))
        balancer.take_event(up(name))

    answer = select_server(balancer, wanted("r.1"), ONE, after(10))

    assert isinstance(answer, Selected)
    assert answer.candidates == [*[Candidate(server_id=ServerId(name)) for name in "efghi"], *OUT]


def test_who_is_out_goes_before_who_could_never_do_it() -> None:
    balancer = well("a")
    for name in "bcdefg":
        balancer.take_event(added(name, ("video",)))
        balancer.take_event(up(name))
    balancer.take_event(added("z"))
    balancer.take_event(up("z"))
    go_out(balancer, "z")

    answer = select_server(balancer, wanted("r.1"), ONE, after(10))

    assert isinstance(answer, Selected)
    assert [one.server_id for one in answer.candidates] == ["a", "z", "b", "c", "d"]


def test_where_every_server_is_ejected_the_refusal_says_so_and_when_the_next_is_tried() -> None:
    balancer = well("a", "b")
    go_out(balancer, "a")
    go_out(balancer, "b", service_type=IMAGE)

    answer = no_server(balancer, "r.1", seconds=12)

    assert answer.reason == (
        "every server that can do image is ejected:"
        " a (5 failures in a row), b (5 failures in a row)"
    )
    assert answer.back_in_s == 18


def test_where_nobody_is_well_each_is_named_with_its_state_and_probes_keep_their_words() -> None:
    balancer = all_out()

    assert no_server(balancer, "r.1").reason == (
        "no healthy server can do image: a is ejected (5 failures in a row), b is draining,"
        " c is silent, d is down"
    )


def test_of_a_large_fleet_that_is_out_five_are_named() -> None:
    names = [f"s{number}" for number in range(7)]
    balancer = balancer_of(*map(added, names), strategy("round_robin"))

    assert no_server(balancer, "r.1").reason.endswith("s3 is down, s4 is down and 2 more")


def test_where_the_last_one_that_is_well_was_tried_who_is_ejected_is_named_too() -> None:
    balancer = well("a", "b")
    go_out(balancer, "a")

    answer = no_server(balancer, "r.1", avoid=("b",))

    assert answer.reason == "b: already tried; a: ejected (5 failures in a row)"
