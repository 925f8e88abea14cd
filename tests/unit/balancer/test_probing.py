"""Probes, and connections that could not be made, take a server up and down."""

from contracts.balancer import Health, ServerFailed, ServerHealthChanged
from contracts.base import ServerId
from contracts.pool import Verdict
from services.balancer.domain import Balancer, server_views, take_probe
from tests.moments import NOON
from tests.unit.balancer.builders import (
    added,
    balancer_of,
    chosen,
    settle_health,
    unreachable,
    well,
)

A, B = ServerId("a"), ServerId("b")


def changes(balancer: Balancer) -> list[tuple[str, Health]]:
    """Journal what is due; say which server and what."""
    events = settle_health(balancer)
    return [
        (str(event.server_id), event.health)
        for event in events
        if isinstance(event, ServerHealthChanged)
    ]


def test_one_good_probe_brings_a_server_up() -> None:
    balancer = balancer_of(added("a"))

    assert settle_health(balancer) == []

    take_probe(balancer, A, None, NOON)

    assert changes(balancer) == [("a", Health.UP)]
    assert settle_health(balancer) == []


def test_three_bad_probes_in_a_row_take_a_server_down() -> None:
    balancer = well("a")
    for failure in ["refused", "refused", None, "refused", "refused"]:
        take_probe(balancer, A, failure, NOON)
        assert settle_health(balancer) == []

    take_probe(balancer, A, "no answer", NOON)

    assert changes(balancer) == [("a", Health.DOWN)]
    assert server_views(balancer, NOON)[0].reason == "down for 0 s: probe: no answer"
    take_probe(balancer, A, "no answer", NOON)
    assert settle_health(balancer) == []


def test_server_that_never_answered_is_said_to_be_down_once() -> None:
    balancer = balancer_of(added("a"))

    assert server_views(balancer, NOON)[0].reason == "not probed yet"
    for _ in range(4):
        take_probe(balancer, A, "refused", NOON)

    assert changes(balancer) == [("a", Health.DOWN)]
    assert settle_health(balancer) == []


def test_three_connections_that_fail_take_a_server_down_until_the_next_good_probe() -> None:
    balancer = well("a")
    take_probe(balancer, A, None, NOON)
    for _ in range(2):
        chosen(balancer, failed=unreachable("a"))

    assert settle_health(balancer) == []

    chosen(balancer, failed=unreachable("a"))

    assert changes(balancer) == [("a", Health.DOWN)]
    take_probe(balancer, A, None, NOON)
    assert changes(balancer) == [("a", Health.UP)]


def test_only_connections_that_fail_speak_against_a_server_at_once() -> None:
    balancer = well("a")
    for _ in range(5):
        chosen(balancer, failed=ServerFailed(server_id=A, verdict=Verdict.RATE_LIMITED))

    assert settle_health(balancer) == []


def test_reports_of_servers_that_are_gone_are_ignored() -> None:
    balancer = well("a")

    take_probe(balancer, B, "refused", NOON)
    chosen(balancer, failed=unreachable("b"))

    assert [*balancer.standings] == ["a"]
