"""A 4xx that no table lists: whose fault it was is found out by comparing."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.base import KeyId, RequestId, ServerId, ServiceType, SessionId
from contracts.pool import (
    Attempt,
    ChangeSession,
    Granted,
    PoolEvent,
    Refusal,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    UsageRecorded,
    Verdict,
)
from services.pool.domain import Pool, decide_admin, decide_end, decide_lease
from services.pool.domain.evidence import KEYS_KEPT, KeyPlace
from services.pool.domain.evolve.blame import FAILURES_KEPT
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    IMAGE,
    NOON,
    ONE,
    VIDEO,
    after,
    folded,
    grant,
    lease_granted,
    lease_wanted,
    policy_changed,
    session_added,
    usage,
)

TWO = SessionId("two")
PLACE = KeyPlace(KeyId("key-1"), IMAGE, ServerId("server-1")).name
"""Where the first key's calls are compared."""


def pool_sized(*names: str, **policy: int) -> Pool:
    """Sessions of these names; of ten images each."""
    return folded(policy_changed(**policy), *(session_added(name) for name in names))


def lease_of(
    pool: Pool,
    request: str,
    session_id: str,
    now: float = 0,
    service_type: ServiceType = IMAGE,
) -> Granted:
    """A lease of one session, whatever the pool would choose."""
    others = [name for name in pool.sessions if name != session_id]
    return grant(pool, service_type, request, now=after(now), avoid_sessions=others)


def answer_events(
    pool: Pool,
    request: str,
    session_id: str,
    status: int,
    *,
    key: str = "key-1",
    server: str = "server-1",
    service_type: ServiceType = IMAGE,
    path: str = "/v1/images/generations",
) -> list[PoolEvent]:
    """What follows from a call that a server answers with this status."""
    verdict = Verdict.SUCCESS if status == 200 else Verdict.REJECTED
    lease = lease_of(pool, request, session_id, service_type=service_type)
    attempt = Attempt(server_id=ServerId(server), verdict=verdict, status=status)
    told = usage(
        lease,
        verdict,
        attempts=[attempt],
        key_id=KeyId(key),
        service_type=service_type,
        path=path,
        session_doubt=verdict is Verdict.REJECTED,
    )
    return decide_end(pool, told, NOON).events[1:]


def ended_by_key(
    pool: Pool, lease: Granted, key: str, verdict: Verdict, now: float
) -> list[PoolEvent]:
    """What follows from a usage."""
    doubt = verdict is Verdict.REJECTED
    told = usage(lease, verdict, key_id=KeyId(key), session_doubt=doubt)
    return decide_end(pool, told, after(now)).events[1:]


def succeed_with(
    pool: Pool, request: str, session_id: str, key: str = "key-1", now: float = 0
) -> None:
    lease = lease_of(pool, request, session_id, now)
    assert ended_by_key(pool, lease, key, Verdict.SUCCESS, now) == []


def fail_with(
    pool: Pool, request: str, session_id: str = "one", key: str = "key-1", now: float = 0
) -> list[PoolEvent]:
    lease = lease_of(pool, request, session_id, now)
    return ended_by_key(pool, lease, key, Verdict.REJECTED, now)


def doubt_of_one(request: str, reason: str, key: str = "key-1", **fields: int) -> SessionDoubted:
    """That the first session is doubted."""
    return SessionDoubted(
        session_id=ONE,
        request_id=RequestId(request),
        key_id=KeyId(key),
        reason=f"answered 0; {reason}",
        **fields,  # type: ignore[arg-type]
    )


# ------------------------------------------------------------------- when it is doubted


def test_a_failure_with_nothing_to_compare_it_with_costs_the_session_nothing() -> None:
    pool = pool_sized("one", "two")

    assert [fail_with(pool, f"r{number}") for number in range(5)] == [[]] * 5
    assert fail_with(pool, "r5", "two") == []


def test_a_session_is_doubted_when_the_same_key_succeeded_with_another() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")

    events = fail_with(pool, "r2", now=600)

    assert events == [doubt_of_one("r2", "its key succeeded with session two")]
    assert pool.sessions[ONE].doubts == 1


@pytest.mark.parametrize(
    ("key", "session_id", "now"), [("key-2", "two", 1), ("key-1", "one", 1), ("key-1", "two", 601)]
)
def test_another_keys_success_or_its_own_or_an_old_one_proves_nothing(
    key: str, session_id: str, now: float
) -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", session_id, key)

    assert fail_with(pool, "r2", now=now) == []


def test_a_success_with_another_session_is_remembered_beside_a_later_one_with_the_same() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    succeed_with(pool, "r2", "one", now=60)
    succeed_with(pool, "r3", "one", now=120)

    assert fail_with(pool, "r4", now=600) == [
        doubt_of_one("r4", "its key succeeded with session two")
    ]
    assert fail_with(pool, "r5", "one", now=601) == []


def test_a_session_is_doubted_when_the_failures_of_two_keys_agree() -> None:
    pool = pool_sized("one", "two")
    fail_with(pool, "r1", key="key-1")
    fail_with(pool, "r2", key="key-1")

    events = fail_with(pool, "r3", key="key-2", now=600)

    assert events == [doubt_of_one("r3", "key key-1 failed with it, too", "key-2")]
    assert fail_with(pool, "r4", key="key-1", now=601)


@pytest.mark.parametrize(("success", "now"), [("one", 1), (None, 601)])
def test_failures_of_two_keys_do_not_agree_across_a_success_or_ten_minutes(
    success: str | None, now: float
) -> None:
    pool = pool_sized("one", "two")
    fail_with(pool, "r1", key="key-1")
    if success:
        succeed_with(pool, "r2", success, "key-3")

    assert fail_with(pool, "r3", key="key-2", now=now) == []


def test_what_a_gateway_does_not_doubt_and_what_has_no_key_is_not_compared() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    lease = lease_of(pool, "r2", "one")
    told = usage(lease, Verdict.REJECTED, key_id=KeyId("key-1"))

    assert decide_end(pool, told, NOON).events == [told]
    succeed_with(pool, "r3", "two", "")
    assert fail_with(pool, "r4", key="") == []


def test_the_status_that_was_answered_is_told() -> None:
    pool = pool_sized("one", "two")
    answer_events(pool, "r1", "two", 200)

    (event,) = answer_events(pool, "r2", "one", 403)

    assert isinstance(event, SessionDoubted)
    assert event.reason == "answered 403; its key succeeded with session two"


# ------------------------------------------------------------- only like is compared with like


def test_what_no_server_answered_is_compared_with_nothing() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    lease = lease_of(pool, "r2", "one")
    told = usage(lease, Verdict.REJECTED, key_id=KeyId("key-1"), session_doubt=True, attempts=[])

    assert decide_end(pool, told, NOON).events == [told]
    assert pool.sessions[ONE].failures == ()


@pytest.mark.parametrize("elsewhere", [{"server": "server-2"}, {"service_type": VIDEO}])
def test_a_success_at_another_server_or_of_another_type_proves_nothing(
    elsewhere: dict[str, Any],
) -> None:
    pool = pool_sized("one", "two")
    answer_events(pool, "r1", "two", 200, **elsewhere)

    assert answer_events(pool, "r2", "one", 403) == []


@pytest.mark.parametrize("elsewhere", [{"server": "server-2"}, {"service_type": VIDEO}])
def test_failures_of_two_keys_agree_only_at_one_server_and_of_one_type(
    elsewhere: dict[str, Any],
) -> None:
    pool = pool_sized("one", "two")
    answer_events(pool, "r1", "one", 403, key="key-1", **elsewhere)

    assert answer_events(pool, "r2", "one", 403, key="key-2") == []
    assert answer_events(pool, "r3", "one", 403, key="key-2", **elsewhere) == [
        SessionDoubted(
            session_id=ONE,
            request_id=RequestId("r3"),
            key_id=KeyId("key-2"),
            reason="answered 403; key key-1 failed with it, too",
        )
    ]


def test_failures_of_two_keys_agree_across_servers_where_others_are_served() -> None:
    """Keys and servers in turn may keep each key to one server for ever."""
    pool = pool_sized("one", "two")
    answer_events(pool, "r1", "two", 200, key="key-3")
    answer_events(pool, "r2", "one", 403, key="key-1", server="server-2")

    assert answer_events(pool, "r3", "one", 403, key="key-2") == [
        SessionDoubted(
            session_id=ONE,
            request_id=RequestId("r3"),
            key_id=KeyId("key-2"),
            reason="answered 403; key key-1 failed with it, too",
        )
    ]


@pytest.mark.parametrize(
    "leaving",
    [
        lambda name: SessionChanged(session_id=name, status=SessionStatus.DISABLED),
        lambda name: SessionRetired(session_id=name, reason="made up"),
    ],
    ids=["disabled", "retired"],
)
def test_a_session_that_has_left_is_compared_with_none(
    leaving: Callable[[SessionId], PoolEvent],
) -> None:
    """As the demo's are, once servers of one's own are there; of the two noted the other counts."""
    pool = pool_sized("one", "two", "three")
    answer_events(pool, "r1", "three", 200)
    answer_events(pool, "r2", "two", 200)
    evolve(pool, leaving(TWO), NOON, 2)

    (event,) = answer_events(pool, "r3", "one", 403)

    assert isinstance(event, SessionDoubted)
    assert event.reason == "answered 403; its key succeeded with session three"

    evolve(pool, leaving(SessionId("three")), NOON, 2)

    assert answer_events(pool, "r4", "one", 403) == []


@pytest.mark.parametrize("status", [404, 405])
def test_a_path_that_a_server_calls_unknown_is_compared_with_successes_on_that_path_alone(
    status: int,
) -> None:
    pool = pool_sized("one", "two")
    answer_events(pool, "r1", "two", 200)

    assert answer_events(pool, "r2", "one", status, path="/v1/images/edits") == []
    assert answer_events(pool, "r3", "one", status, path="/v1/images/edits", key="key-2") == []
    assert answer_events(pool, "r4", "one", status) == [
        SessionDoubted(
            session_id=ONE,
            request_id=RequestId("r4"),
            key_id=KeyId("key-1"),
            reason=f"answered {status}; its key succeeded with session two",
        )
    ]


def test_two_keys_agree_on_an_unknown_path_where_it_is_known_with_other_sessions() -> None:
    """A third key succeeded there: so the path is there, and the session is not."""
    pool = pool_sized("one", "two")
    answer_events(pool, "r1", "one", 404, key="key-1")

    assert answer_events(pool, "r2", "one", 404, key="key-2") == []

    answer_events(pool, "r3", "two", 200, key="key-3")

    assert answer_events(pool, "r4", "one", 404, key="key-2") == [
        SessionDoubted(
            session_id=ONE,
            request_id=RequestId("r4"),
            key_id=KeyId("key-2"),
            reason="answered 404; key key-1 failed with it, too",
        )
    ]


def test_of_a_session_the_last_failures_of_two_keys_at_four_servers_are_kept() -> None:
    pool = pool_sized("one")
    for number in range(5):
        for key in ("key-1", "key-2", "key-3"):
            lease = lease_granted(request=f"r{number}{key}")
            told = usage(
                lease,
                Verdict.REJECTED,
                server=f"server-{number}",
                key_id=KeyId(key),
                session_doubt=True,
            )
            evolve(pool, lease, NOON, 2)
            evolve(pool, told, NOON, 2)

    kept = [(failure.server_id, failure.key_id) for failure in pool.sessions[ONE].failures]

    assert kept == [
        (f"server-{number}", key) for number in range(1, 5) for key in ("key-2", "key-3")
    ]
    assert len(kept) == FAILURES_KEPT


def test_a_request_that_has_cost_another_session_does_not_cast_doubt() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    cooled = lease_of(pool, "r2", "two")
    ended_by_key(pool, cooled, "key-1", Verdict.RATE_LIMITED, 0)
    second = grant(pool, IMAGE, "r2", number=2)

    assert ended_by_key(pool, second, "key-1", Verdict.REJECTED, 0) == []


# ------------------------------------------------------------------ what follows from it


def test_a_doubtful_session_is_countable_and_granted_after_all_others() -> None:
    pool = pool_sized("one", "two", session_concurrency=1)
    succeed_with(pool, "r1", "two")
    fail_with(pool, "r2")
    index = pool.index_at(NOON)

    assert index.units_left(IMAGE) == 19
    # It has been used least, and waits all the same.
    assert [grant(pool, IMAGE, f"r{number}").session_id for number in (3, 4)] == [TWO, ONE]
    refused = decide_lease(pool, lease_wanted(IMAGE, "r5"), NOON).answer
    assert refused.reason is Refusal.SATURATED


def test_its_first_success_clears_a_doubtful_session() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    fail_with(pool, "r2")
    succeed_with(pool, "r3", "one")

    assert (pool.sessions[ONE].doubts, pool.evidence.doubted) == (0, {})
    assert [grant(pool, IMAGE, f"r{number}").session_id for number in (4, 5)] == [TWO, ONE]
    assert fail_with(pool, "r6", key="key-2") == []


def test_three_in_a_row_cool_it_and_then_each_does() -> None:
    pool = pool_sized("one", "two")
    reason = "its key succeeded with session two"
    succeed_with(pool, "r1", "two")
    fail_with(pool, "r2")
    second = fail_with(pool, "r3")

    third, cooled = fail_with(pool, "r4")

    assert second == [doubt_of_one("r3", reason, failures=2)]
    assert third == doubt_of_one("r4", reason, failures=3)
    assert cooled == SessionCooled(
        session_id=ONE, until=after(300), reason="doubted", request_id=RequestId("r4")
    )
    assert [type(event) for event in fail_with(pool, "r5", now=300)] == [
        SessionDoubted,
        SessionCooled,
    ]


def test_content_that_fails_everywhere_cools_no_session() -> None:
    pool = pool_sized("one", "two", "three", "four")
    succeed_with(pool, "good", "four")
    events = [
        event
        for number in range(20)
        for name in ("one", "two", "three", "four")
        for key in ("key-1", "key-2")
        for event in fail_with(pool, f"r{number}{name}{key}", name, key)
    ]

    told = [event for event in events if isinstance(event, SessionDoubted)]
    # Two of four may be doubted; from the third on most are, and nothing speaks against any.
    assert len(pool.evidence.doubted) == 4
    assert {event.session_id for event in told if not event.many} == {ONE, TWO}
    assert not [event for event in events if isinstance(event, SessionCooled)]
    assert grant(pool, IMAGE, "next")


def test_the_only_session_is_never_cooled_for_what_clients_send() -> None:
    pool = pool_sized("one")

    events = [
        event for number in range(9) for event in fail_with(pool, f"r{number}", key=f"k{number}")
    ]

    assert [(type(event), event.many) for event in events if isinstance(event, SessionDoubted)] == [
        (SessionDoubted, True)
    ] * 8
    assert len(events) == 8


@pytest.mark.parametrize(
    "events",
    [
        [SessionChanged(session_id=ONE, status=SessionStatus.ACTIVE)],
        [SessionRecovered(session_id=ONE, reason="", by="me")],
        [SessionRetired(session_id=ONE, reason="")],
        [SessionRetired(session_id=ONE, reason=""), SessionRevived(session_id=ONE)],
    ],
)
def test_an_operators_word_ends_a_doubt(events: list[PoolEvent]) -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    fail_with(pool, "r2")

    for event in events:
        evolve(pool, event, NOON, 2)

    assert (pool.sessions[ONE].doubts, pool.evidence.doubted) == (0, {})


def test_other_limits_and_a_blamed_server_leave_a_doubt_as_it_is() -> None:
    pool = pool_sized("one", "two")
    succeed_with(pool, "r1", "two")
    fail_with(pool, "r2")
    limits = ChangeSession(session_id=ONE, limits={IMAGE: 20}, by="me")
    decide_admin(pool, limits, NOON)
    evolve(pool, SessionRecovered(session_id=ONE, reason="server_blamed"), NOON, 2)

    assert pool.sessions[ONE].doubts == 1


# --------------------------------------------------------------------- what it may cost


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("first", range(4))
def test_with_two_keys_a_session_that_fails_every_call_costs_three_calls_before_it_stands_last(
    first: int,
    slow: bool,  # noqa: FBT001
) -> None:
    """Keys in turn; the others succeed at once, or so slowly that nobody has succeeded yet."""
    names = ["a", "b", "c", "d"]
    pool = pool_sized(*names[first:], *names[:first], session_concurrency=0)
    lost, served, now = 0, 0, 0.0
    waiting: list[tuple[Granted, str]] = []
    while not pool.sessions[SessionId("a")].doubts:
        key, now = f"key-{(lost + served) % 2}", now + 1
        lease = grant(pool, IMAGE, f"r{lost + served}", now=after(now))
        if lease.session_id == "a":
            ended_by_key(pool, lease, key, Verdict.REJECTED, now)
            lost += 1
        else:
            waiting.append((lease, key))
            served += 1
        while waiting and not slow:
            ended_by_key(pool, *waiting.pop(), Verdict.SUCCESS, now)
    assert lost <= 3

    # From here on it is asked when nothing else is left.
    for number in range(30 - served):
        assert grant(pool, IMAGE, f"s{number}", now=after(now)).session_id != "a"


# ------------------------------------------------------------------------------ bounds


def test_successes_are_noted_every_ten_seconds_once_two_sessions_are_known() -> None:
    pool = pool_sized("one", "two", "three")
    for number, name in enumerate(("one", "two", "three", "one")):
        succeed_with(pool, f"r{number}", name, now=number)
    noted = pool.evidence.successes[PLACE]

    assert (noted.session_id, noted.other_id) == ("two", "one")

    succeed_with(pool, "r4", "three", now=11)
    noted = pool.evidence.successes[PLACE]

    assert (noted.session_id, noted.other_id) == ("three", "two")


def test_success_is_noted_at_once_in_the_place_of_one_with_a_session_that_has_left() -> None:
    pool = pool_sized("one", "two", "three")
    for number, name in enumerate(("one", "two")):
        succeed_with(pool, f"r{number}", name, now=number)
    evolve(pool, SessionRetired(session_id=TWO, reason=""), after(2), 2)

    succeed_with(pool, "r3", "three", now=3)
    succeed_with(pool, "r4", "one", now=4)
    noted = pool.evidence.successes[PLACE]

    assert (noted.session_id, noted.other_id) == ("one", "three")


def test_of_too_many_keys_the_older_half_is_forgotten() -> None:
    pool = folded(session_added())
    lease = lease_granted()
    evolve(pool, lease, NOON, 2)
    for number in range(KEYS_KEPT + 1):
        told: UsageRecorded = usage(lease, key_id=KeyId(f"{number:05}"))
        evolve(pool, told, after(number), 2)
    pool.violations.clear()

    places = [place.partition("\n")[0] for place in pool.evidence.successes]
    kept = [key for key in places if key]

    assert kept == [f"{number:05}" for number in range(KEYS_KEPT // 2, KEYS_KEPT + 1)]


def test_successes_with_one_session_alone_are_noted_every_ten_seconds() -> None:
    pool = pool_sized("one")
    for number, now in enumerate((0, 9, 10)):
        succeed_with(pool, f"r{number}", "one", now=now)
        noted_at = pool.evidence.successes[PLACE].at

        assert noted_at == after(0 if now < 10 else 10)


def test_a_success_without_a_key_is_noted_for_nobody() -> None:
    pool = folded(session_added())
    lease = lease_granted()
    evolve(pool, lease, NOON, 2)
    evolve(pool, usage(lease, key_id=KeyId("")), NOON, 2)

    assert pool.evidence.successes == {}
