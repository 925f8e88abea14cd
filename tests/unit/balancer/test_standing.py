"""Trials of one type, of all, of another machine: what belongs to which, and stays there."""

from msgspec.structs import replace

from contracts.balancer import (
    Selected,
    ServerChanged,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerReadmitted,
    ServerRemoved,
)
from contracts.base import ServerId, ServiceType
from contracts.pool import Verdict
from services.balancer.domain import Balancer, select_server, server_views, take_probe
from tests.unit.balancer.builders import (
    ONE,
    added,
    after,
    chosen,
    down,
    eject,
    fail_calls,
    no_server,
    see,
    server,
    settle_health,
    unreachable,
    up,
    usage_at,
    wanted,
    well,
)

A = ServerId("a")
ALL, IMAGE, VIDEO = ServiceType(""), ServiceType("image"), ServiceType("video")


def without_images() -> Balancer:
    """One server that does videos, and went out for images after five failures."""
    balancer = well("a")
    see(balancer, usage_at("a", service_type=VIDEO))
    fail_calls(balancer, "a", 5)
    (event,) = settle_health(balancer)
    assert isinstance(event, ServerEjected)
    assert event.service_type == IMAGE
    return balancer


def test_what_a_type_goes_out_for_leaves_the_open_calls_of_others_counted() -> None:
    balancer = well("a")
    see(balancer, usage_at("a", service_type=VIDEO))
    fail_calls(balancer, "a", 3, service_type=VIDEO)
    see(balancer, usage_at("a", service_type=ServiceType("avatar")))
    chosen(balancer, "v.1", service_type=VIDEO)
    chosen(balancer, "v.2", service_type=VIDEO)
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    # Five failures less three: those two, and no further one.
    refused = no_server(balancer, "v.3", service_type=VIDEO).candidates[0].refused

    assert refused == "3 failures in a row: at most 2 exchanges more"
    for lease in ("v.1", "v.2"):
        fail_calls(balancer, "a", service_type=VIDEO, lease=lease, session=lease)
    (event,) = settle_health(balancer)
    assert isinstance(event, ServerEjected)
    assert (event.service_type, event.failures) == (VIDEO, 5)


def test_a_trial_of_all_is_not_passed_by_the_return_of_one_type() -> None:
    balancer = without_images()
    fail_calls(balancer, "a", 5, service_type=VIDEO, seconds=1)
    settle_health(balancer, 1)
    take_probe(balancer, A, None, after(31.5))

    opened = settle_health(balancer, 32)
    later = settle_health(balancer, 32)

    assert {event.service_type for event in opened if isinstance(event, ServerHalfOpened)} == {
        ALL,
        IMAGE,
    }
    assert later == []
    assert server_views(balancer, after(33))[0].state == "half_open"


def test_a_trial_of_one_type_is_not_passed_by_the_return_of_all() -> None:
    balancer = without_images()
    fail_calls(balancer, "a", 5, service_type=VIDEO, seconds=1)
    settle_health(balancer, 1)
    take_probe(balancer, A, None, after(32))
    settle_health(balancer, 32)
    chosen(balancer, "v.1", service_type=VIDEO)
    see(balancer, usage_at("a", service_type=VIDEO, lease="v.1"), at=after(33))

    back = settle_health(balancer, 33)

    assert [(type(event), getattr(event, "service_type", None)) for event in back] == [
        (ServerReadmitted, ALL)
    ]
    assert settle_health(balancer, 33) == []
    chosen(balancer, "i.1")
    fail_calls(balancer, "a", lease="i.1", seconds=34)
    (event,) = settle_health(balancer, 34)
    assert isinstance(event, ServerEjected)
    assert (event.service_type, event.times, event.reason) == (IMAGE, 2, "failed again")


def test_three_probes_let_a_type_in_whatever_is_open_of_others() -> None:
    balancer = without_images()
    chosen(balancer, "v.1", service_type=VIDEO)
    for seconds in (31, 41, 51):
        take_probe(balancer, A, None, after(seconds))
        settle_health(balancer, seconds)

    (ejection,) = balancer.fleet.members[A].ejections.values()

    assert (ejection.state, ejection.unproven) == ("slow_start", True)


def test_a_new_leader_keeps_both_trials_apart() -> None:
    balancer = without_images()
    fail_calls(balancer, "a", 5, service_type=VIDEO, seconds=1)
    settle_health(balancer, 1)
    take_probe(balancer, A, None, after(32))
    settle_health(balancer, 32)

    balancer.start_anew()

    assert set(balancer.standings[A].streaks) == {ALL, IMAGE}
    assert settle_health(balancer, 33) == []


def test_what_was_begun_elsewhere_says_nothing_of_a_new_address() -> None:
    balancer = well("a")
    for number in range(5):
        chosen(balancer, f"r.{number}")

    moved = replace(server("a"), url="http://elsewhere:9000")
    balancer.take_event(ServerChanged(server=moved))
    balancer.take_event(up("a"))
    for number in range(5):
        fail_calls(balancer, "a", lease=f"r.{number}", session=f"s{number}")

    assert settle_health(balancer) == []
    assert not balancer.standings[A].streaks
    assert balancer.standings[A].in_flight == 0


def test_who_was_removed_and_added_again_begins_anew() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")
    fail_calls(balancer, "a", 4)
    balancer.take_event(ServerRemoved(server_id=A))

    balancer.take_event(added("a"))
    balancer.take_event(up("a"))
    fail_calls(balancer, "a", lease="r.1", session="s9")

    assert settle_health(balancer) == []
    assert not balancer.standings[A].streaks


def test_a_trial_to_which_nothing_was_sent_says_nothing_of_units() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)
    fail_calls(balancer, "a", verdict=Verdict.UNREACHABLE, seconds=32)

    (out,) = settle_health(balancer, 32)

    assert isinstance(out, ServerEjected)
    assert not out.costs_units
    balancer.take_event(down("b"))
    (back,) = settle_health(balancer, 33)
    assert isinstance(back, ServerReadmitted)
    assert back.reason == "nobody else is well"


def test_who_may_not_go_out_again_is_tried_on() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)
    balancer.take_event(down("b"))
    balancer.bounds = replace(balancer.bounds, max_ejected=0.0)
    fail_calls(balancer, "a", verdict=Verdict.UNREACHABLE, seconds=32)

    assert settle_health(balancer, 32) == []

    chosen(balancer, "r.1")
    no_server(balancer, "r.2")
    see(balancer, usage_at("a", lease="r.1"), at=after(33))
    assert [type(event) for event in settle_health(balancer, 33)] == [ServerReadmitted]


def test_whoever_is_out_for_one_type_counts_once_among_those_who_are_out() -> None:
    balancer = well("a", "b")
    see(balancer, usage_at("a", service_type=VIDEO))
    fail_calls(balancer, "a", 5, verdict=Verdict.UNREACHABLE)
    settle_health(balancer)

    fail_calls(balancer, "a", 5, verdict=Verdict.UNREACHABLE, service_type=VIDEO, seconds=1)

    assert [type(event) for event in settle_health(balancer, 1)] == [ServerEjected]


def test_a_connection_of_before_that_could_not_be_made_fails_no_trial() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1", avoid=("b",))
    fail_calls(balancer, "a", 5)
    settle_health(balancer)
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)

    told = wanted("r.1", failed=unreachable("a"), avoid=("a",))
    answer = select_server(balancer, told, ONE, after(32))

    assert isinstance(answer, Selected)
    assert settle_health(balancer, 32) == []


def test_half_open_after_a_silence_gives_the_silence_as_its_reason() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)
    see(balancer, usage_at("a"), at=after(32))
    settle_health(balancer, 32)
    fell = ServerFellSilent(server_id=A, service_type=IMAGE, waited_s=40.0, expected_s=10.0)
    balancer.take_event(fell, after(100))

    (event,) = settle_health(balancer, 101)

    assert isinstance(event, ServerHalfOpened)
    ejection = balancer.fleet.members[A].ejections[ALL]
    assert ejection.costs_units
    assert ejection.reason == "its exchanges are over without an answer"


def test_service_types_of_which_outcomes_are_kept_are_bounded() -> None:
    balancer = well("a")
    for number in range(200):
        see(balancer, usage_at("a", service_type=ServiceType(f"t{number}")))

    assert len(balancer.first_bytes) == len(balancer.standings[ServerId("a")].recent) == 64
