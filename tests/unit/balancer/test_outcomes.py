"""Failures of sessions that the pool doubts say nothing of servers."""

import pytest

from contracts.base import Event, KeyId, RequestId, ServerId, SessionId
from contracts.events import UnknownEvent
from contracts.pool import (
    SessionChanged,
    SessionDoubted,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    Verdict,
)
from services.balancer.domain import Balancer, memory_of, observe_envelope, recall, server_views
from services.balancer.domain.observation import DOUBTED_KEPT
from tests.moments import NOON
from tests.unit.balancer.builders import (
    after,
    eject,
    fail_calls,
    pool_envelope,
    see,
    settle_health,
    usage_at,
    well,
)

A, ONE = ServerId("a"), SessionId("s0")


def doubt_told(name: str = "s0", **fields: bool) -> SessionDoubted:
    """The pool's word about a session."""
    return SessionDoubted(
        session_id=SessionId(name),
        request_id=RequestId("r"),
        key_id=KeyId("k"),
        reason="answered 403",
        **fields,
    )


def health_told(balancer: Balancer) -> tuple[list[str], int]:
    """What is journalled of the servers' health, and how many failures are shown."""
    events = [type(event).__name__ for event in settle_health(balancer)]
    view = server_views(balancer, after(0))[0]
    return events, round(view.attempts * (1 - view.success_rate)) if view.attempts else 0


def test_failures_of_a_doubted_session_put_no_server_out() -> None:
    balancer = well("a", "b")
    see(balancer, doubt_told())

    fail_calls(balancer, "a", 9, session="s0")

    assert health_told(balancer) == ([], 0)
    assert balancer.standings[A].recent == {}


def test_failures_of_others_are_counted_beside_them() -> None:
    balancer = well("a", "b")
    see(balancer, doubt_told("s9"))

    fail_calls(balancer, "a", 5)

    assert health_told(balancer) == (["ServerEjected"], 5)


def test_that_a_server_cannot_be_reached_is_no_sessions_fault() -> None:
    balancer = well("a", "b")
    see(balancer, doubt_told(), doubt_told("s1"))

    fail_calls(balancer, "a", 1, session="s0", verdict=Verdict.UNREACHABLE)
    fail_calls(balancer, "a", 4, verdict=Verdict.UNREACHABLE)

    assert health_told(balancer) == (["ServerEjected"], 5)


def test_where_most_sessions_are_doubted_their_failures_count_as_anybodys() -> None:
    balancer = well("a", "b")
    see(balancer, doubt_told("s0"), doubt_told("s0", many=True), doubt_told("s1", many=True))

    fail_calls(balancer, "a", 5)

    assert health_told(balancer) == (["ServerEjected"], 5)


def test_a_doubted_sessions_failure_leaves_a_servers_trial_undecided() -> None:
    balancer = well("a", "b")
    (ejected,) = eject(balancer, "a")
    see(balancer, doubt_told())
    before = dict(balancer.standings[A].streaks)

    fail_calls(balancer, "a", 1, session="s0", seconds=31)

    assert ejected.server_id == A
    assert balancer.standings[A].streaks == before


@pytest.mark.parametrize(
    "event",
    [
        usage_at("b", session="s0"),
        SessionChanged(session_id=ONE, status=SessionStatus.ACTIVE),
        SessionRevived(session_id=ONE),
        SessionRetired(session_id=ONE, reason=""),
        SessionRecovered(session_id=ONE, reason="trial_succeeded"),
    ],
)
def test_what_ends_the_doubt_makes_its_failures_count_again(event: Event) -> None:
    balancer = well("a", "b")
    see(balancer, doubt_told(), SessionChanged(session_id=ONE, limits={}))
    before = dict(balancer.doubted)

    see(balancer, event)

    assert (before, balancer.doubted) == ({ONE: None}, {})


def test_another_leader_is_told_of_them_and_they_are_bounded() -> None:
    balancer = well("a", "b")
    see(balancer, *(doubt_told(f"s{number}") for number in range(DOUBTED_KEPT + 1)))
    other = well("a", "b")

    recall(other, memory_of(balancer, 1, after(0)))

    assert (len(other.doubted), ONE in other.doubted) == (DOUBTED_KEPT, False)
    other.start_anew()
    assert other.doubted == {}


def test_events_of_a_later_version_are_counted_and_change_nothing() -> None:
    balancer = well("a")
    unknown = UnknownEvent(tag="server_sold", raw=b"{}")
    fleet = balancer.fleet

    observe_envelope(balancer, pool_envelope(unknown), NOON)
    balancer.take_event(unknown)

    assert (balancer.unknown_events, balancer.skipped) == (2, {"server_sold"})
    assert balancer.fleet is fleet
