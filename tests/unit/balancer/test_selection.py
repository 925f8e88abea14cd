"""Selection: who may be chosen, what a repeated select gets, what is in flight."""

import msgspec
import pytest

from contracts.balancer import (
    NoServer,
    Selected,
    ServerChanged,
    ServerDrained,
    ServerRemoved,
    StrategyChanged,
    StrategyPinned,
    StrategySwitched,
    StrategyUnpinned,
)
from contracts.base import ServerId, ServiceType
from contracts.pool import Candidate
from services.balancer.domain import select_server, silence_events
from services.balancer.domain.selection.eligibility import SERVICE_TYPES_MAX, options_for
from tests.moments import NOON
from tests.unit.balancer.builders import (
    AVATAR,
    IMAGE,
    ONE,
    added,
    after,
    balancer_of,
    chosen,
    down,
    eject,
    fail_calls,
    in_flight,
    no_server,
    see,
    server,
    settle_health,
    still_waits,
    strategy,
    unreachable,
    up,
    usage_at,
    wanted,
    well,
)


def test_selection_counts_as_in_flight() -> None:
    balancer = well("a", "b")

    assert [chosen(balancer, f"r{number}.1") for number in range(4)] == ["a", "b", "a", "b"]
    assert in_flight(balancer) == {"a": 2, "b": 2}


def test_selection_without_a_lease_is_not_in_flight() -> None:
    balancer = well("a")

    assert chosen(balancer) == "a"
    assert in_flight(balancer) == {"a": 0}


def test_same_select_sent_again_gets_the_same_answer_once() -> None:
    balancer = well("a", "b")
    first = select_server(balancer, wanted("r.1"), ONE, NOON)

    again = select_server(balancer, wanted("r.1", expires_in_s=899), ONE, NOON)

    assert again == first
    assert in_flight(balancer) == {"a": 1, "b": 0}


def test_reported_failure_moves_the_lease() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1")

    second = chosen(balancer, "r.1", avoid=("a",), failed=unreachable("a"))

    assert second == "b"
    assert in_flight(balancer) == {"a": 0, "b": 1}


def test_failure_alone_moves_the_lease_and_counts_as_a_passive_outcome_once() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1")

    for _ in range(2):
        select_server(balancer, wanted("r.1", failed=unreachable("a")), ONE, NOON)

    assert balancer.standings[ServerId("a")].unreachable == 1
    assert sum(in_flight(balancer).values()) == 1


def test_late_copy_of_an_older_select_moves_nothing() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1")
    chosen(balancer, "r.1", avoid=("a",), failed=unreachable("a"))

    assert chosen(balancer, "r.1") == "b"
    assert chosen(balancer, "r.1", avoid=("a",), failed=unreachable("a")) == "b"
    assert in_flight(balancer) == {"a": 0, "b": 1}
    assert balancer.standings[ServerId("a")].unreachable == 1


def test_lease_without_a_server_left_is_nowhere_in_flight() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")

    for _ in range(2):
        answer = no_server(balancer, "r.1", avoid=("a",), failed=unreachable("a"))

    assert in_flight(balancer) == {"a": 0}
    assert balancer.standings[ServerId("a")].unreachable == 1
    assert answer.reason == "a: already tried"


def test_failure_without_a_lease_is_a_passive_outcome_too() -> None:
    balancer = well("a", "b")

    chosen(balancer, failed=unreachable("a"))

    assert balancer.standings[ServerId("a")].unreachable == 1


def test_incapable_down_ejected_and_full_servers_are_refused_with_the_reason() -> None:
    balancer = balancer_of(
        *[added("images", ("image",)), up("images")],
        *[added("full", max_sessions=1), up("full")],
        *[added("ill"), up("ill"), down("ill"), added("out"), up("out"), added("well"), up("well")],
        strategy("least_connections"),
    )
    chosen(balancer, "r.1", avoid=("images", "out", "well"))
    eject(balancer, "out")

    answer = select_server(balancer, wanted("r.2", AVATAR), ONE, NOON)

    assert isinstance(answer, Selected)
    assert answer.server_id == "well"
    assert {one.server_id: one.refused for one in answer.candidates} == {
        "well": "",
        "full": "full: 1 of 1 exchanges",
        "images": "cannot do avatar",
        "ill": "down: test",
        "out": "ejected: called several sessions' logins expired",
    }


def test_at_most_five_candidates_are_named_best_first() -> None:
    balancer = well(*"abcdefgh")
    for number in range(3):
        chosen(balancer, f"r{number}.1")

    answer = select_server(balancer, wanted("x.1"), ONE, NOON)

    assert isinstance(answer, Selected)
    assert [one.server_id for one in answer.candidates] == list("defgh")
    assert answer.candidates[0].score == 0


@pytest.mark.parametrize(
    ("events", "service_type", "reason"),
    [
        ([], "image", "no server is configured"),
        ([added("a", ("image",)), up("a")], "avatar", "no server can do avatar"),
        ([added("a", ("image",))], "image", "no healthy server can do image: a is down"),
        ([added("a", ("image",))], "", "no healthy server can do it: a is down"),
    ],
)
def test_refusal_says_what_is_missing(events: list, service_type: str, reason: str) -> None:  # type: ignore[type-arg]
    answer = no_server(balancer_of(*events), "r.1", service_type=ServiceType(service_type))

    assert answer.reason == reason


def test_empty_service_type_is_anybodys() -> None:
    balancer = balancer_of(added("a", ("image",)), up("a"))

    assert chosen(balancer, service_type=ServiceType("")) == "a"


def test_selection_obeys_the_strategy_in_force() -> None:
    balancer = balancer_of(
        *[added("all", ("image", "avatar")), up("all"), added("one", ("image",)), up("one")]
    )

    assert chosen(balancer, "r1.1") == "one"

    balancer.take_event(strategy("weighted_round_robin"))

    found = [chosen(balancer, f"w{number}.1") for number in range(4)]
    assert found == ["all", "one", "all", "one"]


def test_strategy_of_a_later_version_gives_way_to_the_default() -> None:
    balancer = balancer_of(added("a"), up("a"), strategy("oracle"))

    answer = select_server(balancer, wanted(), ONE, NOON)

    assert isinstance(answer, Selected)
    assert answer.strategy == "capability_based"


def test_removed_server_keeps_its_exchanges_until_they_end() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1")

    balancer.take_event(ServerRemoved(server_id=ServerId("a")))
    balancer.take_event(ServerRemoved(server_id=ServerId("b")))

    assert in_flight(balancer) == {"a": 1}
    assert no_server(balancer, "s.1").reason == "no server is configured"
    balancer.take_event(added("a"))
    assert in_flight(balancer) == {"a": 1}


def test_moved_server_is_judged_anew() -> None:
    balancer = well("a")
    chosen(balancer, failed=unreachable("a"))

    balancer.take_event(ServerChanged(server=server("a", url="http://elsewhere")))

    assert balancer.standings[ServerId("a")].unreachable == 0


def test_service_types_remembered_are_bounded() -> None:
    balancer = well("a")

    for number in range(SERVICE_TYPES_MAX + 10):
        chosen(balancer, service_type=ServiceType(f"type-{number}"))

    assert len(balancer.options) <= SERVICE_TYPES_MAX


def test_events_that_concern_no_server_leave_everything_as_it_was() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")
    before = balancer.options

    balancer.take_event(up("gone"))

    assert balancer.options is before
    assert in_flight(balancer) == {"a": 1}


def test_new_leader_starts_with_nothing_in_flight() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")

    balancer.start_anew()

    assert in_flight(balancer) == {"a": 0}
    assert chosen(balancer, "s.1") == "a"


def test_server_that_cannot_say_a_request_is_passed_over_and_says_why() -> None:
    balancer = well("a", "b")
    speaking = msgspec.structs.replace(server("b"), dialect="jimeng")
    balancer.take_event(ServerChanged(server=speaking))
    asked = msgspec.structs.replace(wanted("r.1"), dialects=["jimeng"])

    found = select_server(balancer, asked, ONE, NOON)
    other = select_server(balancer, msgspec.structs.replace(asked, dialects=["drraw"]), ONE, NOON)

    assert isinstance(found, Selected)
    assert (found.server_id, found.dialect) == ("b", "jimeng")
    assert Candidate(server_id=ServerId("a"), refused="cannot do this request (plain)") in (
        found.candidates
    )
    assert other == found
    unsayable = msgspec.structs.replace(wanted("r.2"), dialects=["drraw"])
    nobody_can = select_server(balancer, unsayable, ONE, NOON)
    assert isinstance(nobody_can, NoServer)
    assert "cannot do this request" in nobody_can.reason


def test_strategy_of_a_service_type_chooses_for_it_a_rules_before_it_and_the_pin_before_all() -> (
    None
):
    balancer = well("a", by="least_connections")

    def chosen_by() -> list[str]:
        asked = [
            select_server(balancer, wanted("", service_type), ONE, NOON)
            for service_type in (IMAGE, AVATAR)
        ]
        return [answer.strategy for answer in asked if isinstance(answer, Selected)]

    own = StrategyChanged(strategy="round_robin", reason="test", service_type=AVATAR)
    balancer.take_event(own)
    assert chosen_by() == ["least_connections", "round_robin"]
    rule = StrategySwitched(service_type=AVATAR, strategy="capability_based", rule="out > 0 for 1s")
    balancer.take_event(rule)
    assert chosen_by() == ["least_connections", "capability_based"]
    balancer.take_event(StrategyPinned(strategy="weighted_round_robin"))
    assert chosen_by() == ["weighted_round_robin"] * 2
    balancer.take_event(StrategyUnpinned())
    balancer.take_event(StrategySwitched(service_type=AVATAR, strategy="round_robin"))
    assert chosen_by() == ["least_connections", "round_robin"]


def test_only_one_server_is_named_though_it_is_drained_and_out() -> None:
    balancer = well("a", "b")
    balancer.take_event(ServerDrained(server_id=ServerId("a")))
    balancer.take_event(down("a"))

    for number in range(2):
        asked = msgspec.structs.replace(wanted(f"r{number}.1"), only=ServerId("a"))
        answer = select_server(balancer, asked, ONE, NOON)
        assert isinstance(answer, Selected)
        assert answer.server_id == "a"
    assert in_flight(balancer) == {"a": 2, "b": 0}


@pytest.mark.parametrize(
    ("name", "service_type", "why"),
    [
        ("c", IMAGE, "there is no server c"),
        ("a", AVATAR, "a: cannot do avatar"),
        ("b", IMAGE, "b: full: 0 of 0 exchanges"),
    ],
)
def test_no_other_is_named_where_only_one_is_wanted(
    name: str, service_type: ServiceType, why: str
) -> None:
    balancer = balancer_of(added("a", ("image",)), added("b", max_sessions=0), up("a"), up("b"))
    asked = msgspec.structs.replace(wanted("r.1", service_type), only=ServerId(name))

    answer = select_server(balancer, asked, ONE, NOON)

    assert isinstance(answer, NoServer)
    assert answer.reason == why


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"avoid": [ServerId("a")]}, "already tried"),
        ({"dialects": ["drraw"]}, "cannot do this request (plain)"),
        ({"only": ServerId("none")}, "there is no server none"),
    ],
)
def test_the_one_server_that_is_wanted_is_refused_by_its_reason(
    more: dict[str, object], why: str
) -> None:
    asked = msgspec.structs.replace(wanted("r.1"), **{"only": ServerId("a"), **more})

    answer = select_server(well("a"), asked, ONE, NOON)

    assert isinstance(answer, NoServer)
    assert answer.reason.endswith(why)


def test_who_has_no_room_at_this_moment_is_not_waited_for_as_long_as_who_is_ejected() -> None:
    balancer = well("a", "b")
    fail_calls(balancer, "a", 5)
    settle_health(balancer)
    fail_calls(balancer, "b", 4)
    chosen(balancer, "r.1")

    assert no_server(balancer, "r.2").back_in_s == 0
    assert no_server(balancer, "r.3", avoid=("b",)).back_in_s == 30


def test_who_may_be_chosen_is_kept_until_the_fleet_changes() -> None:
    balancer = well("a")
    options = options_for(balancer, IMAGE)

    assert options_for(balancer, IMAGE) is options


def test_at_a_silent_server_nobody_is_chosen_and_the_reason_says_why() -> None:
    balancer = well("a", "b")
    for number in range(60):
        see(balancer, usage_at("a", lease=f"o.{number}"), at=after(-60))
    select_server(balancer, wanted("r.1", avoid=(ServerId("b"),)), ONE, NOON)
    still_waits(balancer, "a", 40)
    silenced = [*silence_events(balancer, after(40))]
    for event in silenced:
        balancer.take_event(event, after(40))

    refused = options_for(balancer, IMAGE).out
    assert [event.server_id for event in silenced] == ["a"]
    assert [one.server_id for one in refused if (one.refused or "").startswith("silent")] == ["a"]


def test_a_server_that_is_drained_is_refused_as_that() -> None:
    balancer = well("a", "b")
    balancer.take_event(ServerDrained(server_id=ServerId("a")))

    (refused,) = options_for(balancer, IMAGE).out

    assert (refused.server_id, refused.refused) == ("a", "draining")
