"""Who waits, and for whom: streams, and gateways that are no more, silence nobody."""

from contracts.balancer import ServerHalfOpened
from contracts.base import ServerId, ServiceType
from services.balancer.domain import (
    Balancer,
    hear_answers,
    release_overdue,
    server_views,
    silence_events,
    take_probe,
    take_report,
)
from services.balancer.domain.inflight import count_open
from tests.unit.balancer.builders import (
    IMAGE,
    ONE,
    after,
    chosen,
    fail_calls,
    in_flight,
    no_server,
    see,
    settle_health,
    still_waits,
    usage_at,
    well,
)

A = ServerId("a")


def waiting() -> Balancer:
    """A server at which an exchange began, of a fleet whose answers begin after 100 ms."""
    balancer = well("a")
    for number in range(60):
        see(balancer, usage_at("a", lease=f"o.{number}"), at=after(-60))
    chosen(balancer, "r.1")
    return balancer


def test_a_stream_that_has_begun_is_an_answer_though_it_lasts() -> None:
    balancer = waiting()
    still_waits(balancer, "a", 40)
    hear_answers(balancer, {A: 39.5, ServerId("gone"): 1.0}, after(40))

    assert silence_events(balancer, after(40)) == []

    chosen(balancer, "r.2", seconds=50)
    still_waits(balancer, "a", 90)
    hear_answers(balancer, {A: 89.5}, after(90))
    assert [event.server_id for event in silence_events(balancer, after(90))] == [A]


def test_what_a_gateway_says_of_answers_is_never_of_the_future_nor_goes_back() -> None:
    balancer = waiting()
    hear_answers(balancer, {A: -5.0}, after(10))
    hear_answers(balancer, {A: 1e300}, after(11))

    assert balancer.standings[A].answered_at == after(10)


def test_a_gateway_that_is_no_more_waits_for_nothing() -> None:
    balancer = waiting()
    still_waits(balancer, "a", 5)

    assert silence_events(balancer, after(12)) == []

    take_report(balancer, ONE, {}, after(39))
    assert silence_events(balancer, after(40)) == []
    still_waits(balancer, "a", 41)
    assert len(silence_events(balancer, after(42))) == 1


def test_a_silence_ends_with_the_gateway_that_waited() -> None:
    balancer = waiting()
    still_waits(balancer, "a", 11)
    for event in silence_events(balancer, after(12)):
        balancer.take_event(event, after(12))

    assert settle_health(balancer, 20) == []

    release_overdue(balancer, after(27))

    assert settle_health(balancer, 27) == [
        ServerHalfOpened(server_id=A, reason="its exchanges are over without an answer")
    ]
    assert in_flight(balancer) == {"a": 1}
    chosen(balancer, "r.2", seconds=28)
    no_server(balancer, "r.3", seconds=28)


def test_a_trial_of_a_gateway_that_is_no_more_keeps_nobody_away() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 5)
    settle_health(balancer)
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)
    chosen(balancer, "r.1", seconds=32)
    still_waits(balancer, "a", 33)
    no_server(balancer, "r.2", seconds=40)

    release_overdue(balancer, after(49))

    assert chosen(balancer, "r.3", seconds=49) == "a"
    no_server(balancer, "r.4", seconds=49)
    see(balancer, usage_at("a", lease="r.1"), at=after(50))
    assert count_open(balancer, balancer.standings[A], ServiceType("")) == 1
    see(balancer, usage_at("a", lease="r.3"), at=after(51))
    settle_health(balancer, 51)
    assert server_views(balancer, after(51))[0].state == "slow_start"
    assert in_flight(balancer) == {"a": 0}


def test_failures_in_a_row_leave_room_again_when_a_gateway_is_no_more() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 4)
    chosen(balancer, "r.1")
    still_waits(balancer, "a", 0)
    no_server(balancer, "r.2")

    release_overdue(balancer, after(16))

    assert chosen(balancer, "r.3", seconds=16) == "a"
    assert count_open(balancer, balancer.standings[A], IMAGE) == 1
