"""Half open, readmitted, slow: how a server comes back, and what a new leader makes of it."""

import pytest

from contracts.balancer import (
    ServerAdded,
    ServerDrained,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHeardAgain,
    ServerReadmitted,
    ServerRemoved,
)
from contracts.base import ServerId, ServiceType, SessionId
from contracts.pool import SessionRecovered, Verdict
from services.balancer.domain import (
    Balancer,
    HealthBounds,
    awaited_probes,
    lighten_memory,
    memory_of,
    recall,
    release_overdue,
    select_server,
    server_views,
    silence_events,
    state_troubles,
    take_probe,
)
from services.balancer.domain.health.words import duration_words
from services.balancer.domain.latency import FirstBytes
from tests.moments import NOON
from tests.unit.balancer.builders import (
    ONE,
    added,
    after,
    balancer_of,
    chosen,
    down,
    eject,
    fail_calls,
    no_server,
    see,
    server,
    settle_health,
    still_waits,
    up,
    usage_at,
    wanted,
    well,
)

A = ServerId("a")
IMAGE, VIDEO = ServiceType("image"), ServiceType("video")


def half_open() -> Balancer:
    """One server, out for 30 s after five failures, that has answered a probe since."""
    balancer = well("a")
    fail_calls(balancer, "a", 5)
    settle_health(balancer)
    take_probe(balancer, A, None, after(31))
    assert settle_health(balancer, 31) == [ServerHalfOpened(server_id=A, reason="answered a probe")]
    return balancer


def state(balancer: Balancer, seconds: float) -> str:
    return server_views(balancer, after(seconds))[0].state


def test_no_probe_no_return_and_one_is_asked_for_when_time_is_up() -> None:
    balancer = well("a")
    take_probe(balancer, A, None, NOON)
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    assert [*awaited_probes(balancer, after(29))] == []

    assert settle_health(balancer, 30) == []
    assert [*awaited_probes(balancer, after(30))] == [A]
    assert server_views(balancer, after(30))[0].words.endswith("back once it answers a probe")
    take_probe(balancer, A, "refused", after(31))
    assert settle_health(balancer, 31) == []


def test_half_open_takes_one_call_at_a_time() -> None:
    balancer = half_open()

    chosen(balancer, "r.1")

    why = no_server(balancer, "r.2").candidates[0].refused
    assert why == "one call at a time shows whether it is well again"
    assert state(balancer, 32) == "half_open"


def test_a_call_that_is_answered_readmits_it_slowly() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")

    see(balancer, usage_at("a", lease="r.1"), at=after(33))

    assert settle_health(balancer, 33) == [
        ServerReadmitted(server_id=A, reason="a call was answered", at=after(33), slow_start_s=30.0)
    ]
    assert server_views(balancer, after(48))[0].words == "starts slowly: 50%"
    assert state(balancer, 63) == "up"


def test_an_answer_that_blames_nobody_passes_the_trial_and_a_client_that_left_does_not() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")
    see(balancer, usage_at("a", Verdict.CLIENT_GONE, lease="r.1"), at=after(32))

    assert settle_health(balancer, 32) == []

    chosen(balancer, "r.2")
    see(balancer, usage_at("a", Verdict.REJECTED, lease="r.2"), at=after(33))

    assert [type(event) for event in settle_health(balancer, 33)] == [ServerReadmitted]


def test_one_failure_puts_it_out_again_for_longer() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")

    fail_calls(balancer, "a", lease="r.1", seconds=33)

    (event,) = settle_health(balancer, 33)

    assert event == ServerEjected(
        server_id=A,
        until=after(93),
        times=2,
        reason="failed again",
        costs_units=True,
        failures=1,
        outcomes=1,
    )


def test_without_calls_three_probes_let_it_in_until_its_first_failure() -> None:
    balancer = half_open()
    take_probe(balancer, A, None, after(41))

    assert settle_health(balancer, 41) == []

    take_probe(balancer, A, None, after(51))

    assert settle_health(balancer, 51) == [
        ServerReadmitted(
            server_id=A,
            reason="3 probes were answered, and no call came",
            at=after(51),
            slow_start_s=30.0,
            unproven=True,
        )
    ]
    assert server_views(balancer, after(90))[0].words == (
        "let in by probes; the first call shows whether it works"
    )
    chosen(balancer, "r.1")
    no_server(balancer, "r.2")
    fail_calls(balancer, "a", lease="r.1", seconds=91)
    assert [type(event) for event in settle_health(balancer, 91)] == [ServerEjected]


def test_while_its_bounds_grow_it_takes_no_more_than_they_allow() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")
    see(balancer, usage_at("a", lease="r.1"), at=after(33))
    settle_health(balancer, 33)

    for seconds, most in ((0, 1), (3, 10), (15, 50), (30, 100)):
        chosen_at(balancer, 33 + seconds)
        assert balancer.standings[A].max_sessions == most
    assert not balancer.warming


def test_a_service_type_starts_slowly_alone() -> None:
    balancer = well("a")
    see(balancer, usage_at("a", service_type=VIDEO))
    fail_calls(balancer, "a", 5)
    settle_health(balancer)
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)
    chosen(balancer, "r.1")
    see(balancer, usage_at("a", lease="r.1"), at=after(33))
    settle_health(balancer, 33)

    chosen_at(balancer, 33)

    assert balancer.standings[A].max_sessions == 100
    chosen(balancer, "i.1")
    assert no_server(balancer, "i.2").candidates[0].refused == "starts slowly: 1 of 100 exchanges"
    chosen(balancer, "v.1", service_type=VIDEO)
    chosen(balancer, "v.2", service_type=VIDEO)


def chosen_at(balancer: Balancer, seconds: float) -> None:
    """Ask for a server without a lease, at that time."""
    select_server(balancer, wanted(), ONE, after(seconds))


def test_who_is_out_for_nothing_that_costs_units_is_let_in_when_nobody_else_is_left() -> None:
    balancer = well("a", "b", "c")
    eject(balancer, "a")
    eject(balancer, "b", seconds=1)
    balancer.take_event(down("b"))

    assert settle_health(balancer, 2) == []

    balancer.take_event(down("c"))

    assert settle_health(balancer, 2) == [
        ServerReadmitted(server_id=A, reason="nobody else is well", at=after(2))
    ]
    assert settle_health(balancer, 2) == []


def test_whom_an_operator_drains_is_nobody_who_is_left() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    balancer.take_event(ServerDrained(server_id=ServerId("b")))

    assert [type(event) for event in settle_health(balancer, 2)] == [ServerReadmitted]


def test_who_lost_units_stays_out_though_nobody_else_is_left() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    assert settle_health(balancer, 2) == []


def test_ejected_server_that_is_down_helps_nobody() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    balancer.take_event(down("a"))
    balancer.take_event(down("b"))

    assert settle_health(balancer, 2) == []


def test_a_new_leader_goes_on_from_half_open() -> None:
    balancer = half_open()

    balancer.start_anew()

    balancer.take_event(up("a"))
    chosen(balancer, "r.1")
    no_server(balancer, "r.2")
    fail_calls(balancer, "a", lease="r.1", seconds=40)

    assert [type(event) for event in settle_health(balancer, 40)] == [ServerEjected]


def fallen_silent() -> Balancer:
    """One server of which 60 answers began after 100 ms each, and an exchange now waits 40 s."""
    balancer = well("a", "b")
    for number in range(60):
        see(balancer, usage_at("b", lease=f"o.{number}"))
    chosen(balancer, "r.1", avoid=("b",))
    still_waits(balancer, "a", 40)
    for event in silence_events(balancer, after(40)):
        balancer.take_event(event, after(40))
    return balancer


def test_who_answers_nothing_for_long_gets_nothing_more() -> None:
    balancer = fallen_silent()

    assert balancer.fleet.members[A].silence is not None
    assert state(balancer, 41) == "silent"
    assert chosen(balancer, "r.2") == "b"
    why = {
        one.server_id: one.refused for one in no_server(balancer, "r.3", avoid=("b",)).candidates
    }
    assert why[A] == "silent: an exchange there waits for long, and nothing else is answered"


def test_nobody_is_silent_who_has_answered_since_nor_before_the_fleet_is_known() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")
    still_waits(balancer, "a", 4000)

    assert silence_events(balancer, after(4000)) == []
    for number in range(60):
        see(balancer, usage_at("a", lease=f"o.{number}"), at=after(1))

    assert silence_events(balancer, after(4000)) == []
    chosen(balancer, "r.2")
    assert silence_events(balancer, after(9)) == []


def test_it_is_heard_when_it_answers() -> None:
    balancer = fallen_silent()

    see(balancer, usage_at("a", lease="r.1"), at=after(50))

    assert settle_health(balancer, 50) == [ServerHeardAgain(server_id=A, service_type=IMAGE)]
    assert state(balancer, 50) == "up"


def test_when_its_exchanges_are_over_without_an_answer_it_is_half_open() -> None:
    balancer = fallen_silent()

    assert settle_health(balancer, 50) == []

    see(balancer, usage_at("a", Verdict.CLIENT_GONE, lease="r.1"), at=after(50))

    assert settle_health(balancer, 50) == [
        ServerHalfOpened(server_id=A, reason="its exchanges are over without an answer")
    ]
    chosen(balancer, "r.2", avoid=("b",))
    no_server(balancer, "r.3", avoid=("b",))


def test_silence_tells_what_was_waited_for() -> None:
    balancer = well("a")
    for number in range(60):
        see(balancer, usage_at("a", lease=f"o.{number}", first_byte_ms=5000.0))
    chosen(balancer, "r.1")
    balancer.standings[A].answered_at = None
    still_waits(balancer, "a", 18)

    assert silence_events(balancer, after(15)) == []

    (event,) = silence_events(balancer, after(20))

    assert event == ServerFellSilent(
        server_id=A, service_type=IMAGE, waited_s=20.0, expected_s=event.expected_s
    )
    assert 15 <= event.expected_s <= 15 * 1.19


def test_sweep_of_leases_leaves_health_alone() -> None:
    balancer = well("a", "b")
    eject(balancer, "a")
    balancer.take_event(up("a"))

    assert release_overdue(balancer, after(40)) == []
    assert not server_views(balancer, after(40))[0].healthy


def test_whoever_left_the_fleet_starts_slowly_no_more() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")
    see(balancer, usage_at("a", lease="r.1"), at=after(33))
    settle_health(balancer, 33)
    balancer.take_event(ServerRemoved(server_id=A))
    balancer.take_event(added("b"))
    balancer.take_event(up("b"))

    chosen_at(balancer, 34)

    assert not balancer.warming


def test_three_probes_of_before_it_was_half_open_let_nobody_in() -> None:
    balancer = half_open()
    balancer.standings[A].probed_at = [after(second) for second in (11, 21, 31)]

    assert settle_health(balancer, 32) == []


def test_a_call_under_way_shows_more_than_probes_do() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")
    for seconds in (41, 51, 61):
        take_probe(balancer, A, None, after(seconds))

    assert settle_health(balancer, 61) == []


def test_half_open_is_nobody_who_is_down_nor_who_is_silent_and_still_busy() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1", avoid=("b",))
    balancer.take_event(
        ServerFellSilent(server_id=A, service_type=IMAGE, waited_s=40.0, expected_s=10.0), NOON
    )
    eject(balancer, "a")
    take_probe(balancer, A, None, after(31))

    assert settle_health(balancer, 31) == []
    balancer.take_event(down("a"), after(32))
    balancer.standings[A].answers_probes = False
    assert settle_health(balancer, 33) == []


def test_a_silent_server_is_told_once_and_one_that_is_gone_not_at_all() -> None:
    balancer = well("a", "b")
    for number in range(60):
        see(balancer, usage_at("b", lease=f"o.{number}"))
    chosen(balancer, "r.1", avoid=("b",))
    chosen(balancer, "r.2", avoid=("b",))
    still_waits(balancer, "a", 40)

    assert len(silence_events(balancer, after(40))) == 1
    balancer.take_event(ServerRemoved(server_id=A))
    assert silence_events(balancer, after(40)) == []


def test_of_nothing_counted_no_part_began_within_any_time() -> None:
    assert FirstBytes().quantile_ms(0.99) == 0.0


def test_a_silence_that_nobody_dated_is_as_long_as_its_event_says() -> None:
    balancer = well("a")

    balancer.take_event(
        ServerFellSilent(server_id=A, service_type=IMAGE, waited_s=20.0, expected_s=9.0)
    )

    assert server_views(balancer, after(3600))[0].words == (
        "silent: image has waited 20 s, and nothing else is answered"
    )


def test_a_draining_server_says_how_many_exchanges_it_still_has() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")

    balancer.take_event(ServerDrained(server_id=A, by="operator"), NOON)

    (view,) = server_views(balancer, after(7))

    assert (view.state, view.words) == ("draining", "draining for 7 s: 1 exchange still open")


def test_a_server_that_is_down_says_since_when() -> None:
    balancer = well("a")
    for seconds in (0, 30):
        balancer.take_event(down("a"), after(seconds))

    (view,) = server_views(balancer, after(180))

    assert view.words == "down for 3 min: test"


def test_who_is_ejected_again_while_it_starts_slowly_has_its_whole_bounds_behind_it() -> None:
    balancer = half_open()
    chosen(balancer, "r.1")
    see(balancer, usage_at("a", lease="r.1"), at=after(33))
    settle_health(balancer, 33)

    again = ServerEjected(server_id=A, reason="failed again", failures=5, times=2, until=after(99))
    balancer.take_event(again, after(40))

    assert balancer.fleet.members[A].ejections[ServiceType("")].warm_share(after(41)) == 1.0
    assert server_views(balancer, after(41))[0].words == (
        "ejected 1 s ago: failed again, back in 58 s"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (9000, "2 h")],
)
def test_durations_are_worded_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_a_memory_is_made_lighter_by_what_is_seen_anew_soonest() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 2)
    see(balancer, usage_at("a", lease="o.1"))
    memory = memory_of(balancer, 7, after(1))

    lighter = lighten_memory(memory)
    lightest = lighten_memory(lighter) if lighter else None

    assert lightest is not None
    assert [(one.latencies, one.recent) for one in lightest.servers] == [({}, {})]
    assert lighten_memory(lightest) is None


def test_what_is_remembered_of_a_server_at_another_address_is_of_another() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 2)
    memory = memory_of(balancer, 7, after(1))
    moved = balancer_of(ServerAdded(server=server("a", url="http://elsewhere")), up("a"))

    recall(moved, memory)

    assert moved.standings[A].streaks == {}


def test_what_the_pool_said_before_a_server_went_out_was_heard() -> None:
    balancer = well("a", "b")
    eject(balancer, "a", seconds=10)
    blame = SessionRecovered(session_id=SessionId("s"), reason="server_blamed", server_id=A)

    see(balancer, blame, at=after(5))

    assert balancer.accused == {}


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 10])
def test_another_bound_leaves_a_trial_one_failure_short(limit: int) -> None:
    balancer = half_open()

    balancer.judge_by(HealthBounds(consecutive_failures=limit))

    assert settle_health(balancer, 32) == []
    chosen(balancer, "r.1")
    no_server(balancer, "r.2")
    fail_calls(balancer, "a", lease="r.1", seconds=40)
    assert [type(event) for event in settle_health(balancer, 40)] == [ServerEjected]


@pytest.mark.parametrize("limit", [1, 3, 5, 10])
def test_a_new_leader_with_another_bound_leaves_it_so_too(limit: int) -> None:
    before = half_open()
    memory = memory_of(before, 7, after(33))
    balancer = Balancer(fleet=before.fleet, bounds=HealthBounds(consecutive_failures=limit))
    balancer.start_anew()

    recall(balancer, memory)

    assert settle_health(balancer, 34) == []
    chosen(balancer, "r.1")
    no_server(balancer, "r.2")


def let_in_by_probes() -> Balancer:
    """Of it nobody knows yet whether it works."""
    balancer = half_open()
    for seconds in (41, 51):
        take_probe(balancer, A, None, after(seconds))
        settle_health(balancer, seconds)
    return balancer


def state_after_restart(before: Balancer, seconds: float) -> str:
    """Let another lead who knows the log and what was handed on."""
    memory = memory_of(before, 7, after(seconds))
    balancer = Balancer(fleet=before.fleet)
    balancer.start_anew()
    recall(balancer, memory)
    return server_views(balancer, after(seconds + 60))[0].state


def test_whoever_was_let_in_by_probes_and_answered_since_is_not_on_trial_again() -> None:
    proven, unproven = let_in_by_probes(), let_in_by_probes()
    chosen(proven, "r.1")
    see(proven, usage_at("a", lease="r.1"), at=after(60))

    states = [state_after_restart(balancer, 61) for balancer in (proven, unproven, half_open())]

    assert states == ["up", "half_open", "half_open"]


def test_what_was_handed_on_before_it_was_let_in_says_nothing_of_its_trial() -> None:
    early = memory_of(half_open(), 7, after(33))
    balancer = Balancer(fleet=let_in_by_probes().fleet)
    balancer.start_anew()
    early.servers[0].streaks = {}

    recall(balancer, early)

    assert server_views(balancer, after(90))[0].state == "half_open"


def test_a_server_that_is_up_says_for_which_service_type_it_is_out() -> None:
    balancer = well("a")
    see(balancer, usage_at("a", service_type=VIDEO))
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    (view,) = server_views(balancer, after(3))

    words = "image: ejected 3 s ago: 5 failures in a row, back in 27 s"
    assert (view.state, view.healthy, view.words, view.reason) == ("up", True, words, words)
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)
    (view,) = server_views(balancer, after(32))
    assert view.words == "image: half open, one call at a time after: 5 failures in a row"
    see(balancer, usage_at("a"), at=after(33))
    settle_health(balancer, 33)
    assert server_views(balancer, after(48))[0].words == "image: starts slowly: 50%"
    assert server_views(balancer, after(64))[0].words == ""


def test_of_very_many_answers_the_older_half_counts_no_more() -> None:
    seen = FirstBytes([2_000])
    seen.count(0.5)

    assert seen.counted == 1_000
    assert seen.quantile_ms(0.5) == 1.0


def test_troubles_are_told_of_servers_and_of_the_types_that_they_are_out_for() -> None:
    balancer = fallen_silent()
    balancer.take_event(ServerDrained(server_id=ServerId("b")), after(41))

    troubles = state_troubles(balancer, after(41))

    assert {(one.server_id, one.service_type, one.state, one.reason) for one in troubles} == {
        (A, "", "silent", "an exchange there waits for long, and nothing else is answered"),
        (ServerId("b"), "", "draining", "an operator drained it"),
    }


def test_a_type_that_is_whole_again_is_no_trouble() -> None:
    balancer = well("a")
    ejected = ServerEjected(
        server_id=A, until=after(60), times=1, reason="r", service_type=IMAGE, costs_units=True
    )
    balancer.take_event(ejected, NOON)
    out = list(state_troubles(balancer, NOON))
    balancer.take_event(ServerHalfOpened(server_id=A, reason="r", service_type=IMAGE), after(60))
    balancer.take_event(
        ServerReadmitted(
            server_id=A, reason="r", service_type=IMAGE, at=after(61), slow_start_s=2.0
        ),
        after(61),
    )

    assert [(one.service_type, one.state) for one in out] == [(IMAGE, "ejected")]
    assert balancer.fleet.members[A].ejections
    assert list(state_troubles(balancer, after(3600))) == []
