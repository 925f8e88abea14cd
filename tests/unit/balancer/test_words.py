"""What the words of a server's state are made of is said beside them, for another language."""

from contracts.balancer import (
    ServerDrained,
    ServerFellSilent,
    ServerView,
    StateDetail,
)
from contracts.base import ServerId, ServiceType
from services.balancer.domain import Balancer, server_views, take_probe
from tests.moments import NOON
from tests.unit.balancer.builders import (
    IMAGE,
    after,
    chosen,
    down,
    fail_calls,
    see,
    settle_health,
    usage_at,
    well,
)

A = ServerId("a")
VIDEO = ServiceType("video")


def only_view(balancer: Balancer, seconds: float) -> ServerView:
    (view,) = server_views(balancer, after(seconds))
    return view


def test_a_server_that_is_up_counts_its_failures_in_a_row() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 3)

    view = only_view(balancer, 1)

    assert (view.state, view.detail) == ("up", StateDetail(failures=3))


def test_an_ejected_server_says_since_when_why_and_until_when() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    view = only_view(balancer, 10)
    expected = StateDetail(cause="5 failures in a row", lasts_s=10.0, back_in_s=20.0)

    assert (view.state, view.detail) == ("ejected", expected)
    assert only_view(balancer, 40).detail.back_in_s == 0.0, "until it answers a probe"


def test_a_server_on_its_way_back_says_how_far_it_is() -> None:
    balancer = well("a")
    fail_calls(balancer, "a", 5)
    settle_health(balancer)
    take_probe(balancer, A, None, after(31))
    settle_health(balancer, 31)

    trial = only_view(balancer, 32)
    chosen(balancer, "r.1", seconds=32)
    see(balancer, usage_at("a", lease="r.1"), at=after(33))
    settle_health(balancer, 33)
    slow = only_view(balancer, 48)

    assert (trial.state, trial.detail.cause) == ("half_open", "5 failures in a row")
    assert (slow.state, slow.detail) == ("slow_start", StateDetail(share=0.5, lasts_s=15.0))


def test_one_service_type_that_is_out_says_so_for_itself() -> None:
    balancer = well("a")
    see(balancer, usage_at("a", service_type=VIDEO))
    fail_calls(balancer, "a", 5)
    settle_health(balancer)

    view = only_view(balancer, 3)
    out = StateDetail(cause="5 failures in a row", lasts_s=3.0, back_in_s=27.0)

    assert (view.state, view.detail) == ("up", StateDetail())
    assert [(one.service_type, one.state, one.detail) for one in view.service_types] == [
        (IMAGE, "ejected", out),
        (VIDEO, "up", StateDetail()),
    ]


def test_down_draining_and_silent_say_for_how_long() -> None:
    fallen, drained, silent = well("a"), well("a"), well("a")
    for seconds in (0, 30):
        fallen.take_event(down("a"), after(seconds))
    drained.take_event(ServerDrained(server_id=A, by="operator"), NOON)
    waits = ServerFellSilent(server_id=A, service_type=IMAGE, waited_s=20.0, expected_s=9.0)
    silent.take_event(waits, NOON)

    details = [only_view(balancer, 180).detail for balancer in (fallen, drained, silent)]

    assert details == [
        StateDetail(cause="test", lasts_s=180.0),
        StateDetail(lasts_s=180.0),
        StateDetail(lasts_s=200.0, silent_to=IMAGE),
    ]
