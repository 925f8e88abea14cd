"""How long those who wait are told that it takes, beside how long it took: in virtual time."""

import heapq
from collections.abc import Callable
from random import Random

import pytest

from contracts.base import KeyId, LeaseId, ServiceType
from contracts.pool import PoolStatus, Verdict, Waiting
from services.pool.domain import (
    Pool,
    decide_end,
    decide_lease,
    estimates,
    pool_status,
    serve_waiting,
)
from tests.unit.pool.builders import (
    IMAGE,
    NOON,
    ONE,
    VIDEO,
    after,
    folded,
    grant,
    lease_granted,
    lease_named,
    lease_wanted,
    policy_changed,
    session_added,
    usage,
)

SESSIONS, KEYS, CALLS = 8, 5, 400
LOOK_EVERY_S = 2.0
ServiceTime = Callable[[Random], float]


def eta_of(
    pool: Pool,
    request: str,
    *,
    service_type: ServiceType = IMAGE,
    key: str = "key-1",
    seconds: float = 0,
) -> float | None:
    """Wait for a lease for an hour, and hear how long it will take."""
    wanted = lease_wanted(service_type, request, key_id=KeyId(key), wait_ms=3_600_000)
    answer = decide_lease(pool, wanted, after(seconds)).answer
    assert isinstance(answer, Waiting)
    return answer.eta_s


def end_exchanges(pool: Pool, *lasted_s: float, idle_s: float = 10.0) -> None:
    """Have exchanges run one by one, and then none until noon."""
    at = -idle_s - sum(lasted_s)
    for number, seconds in enumerate(lasted_s):
        granted = grant(pool, request=f"before{number}", now=after(at))
        at += seconds
        decide_end(pool, usage(granted), after(at))


def estimates_and_truth(
    service_time: ServiceTime, seed: int, *, calls: int = CALLS, idle_s: float = 0.0
) -> list[tuple[float, float]]:
    """Let keys of fixed loads wait, and nobody come later; what each was told, and what it was.

    Whoever stands at position 10 or later and is told five seconds or more counts, every two
    seconds, as its gateway asks. A pool that idled served some, one by one, and then nobody.
    """
    chance = Random(seed)
    pool = folded(
        policy_changed(session_concurrency=1, daily_limits={IMAGE: 10_000}),
        *(session_added(f"session-{number}") for number in range(SESSIONS)),
    )
    ends: list[tuple[float, LeaseId]] = []
    granted_at: dict[LeaseId, float] = {}
    told: list[tuple[LeaseId, float, float]] = []

    def begin_exchange(name: LeaseId, at: float) -> None:
        granted_at[name] = at
        heapq.heappush(ends, (at + service_time(chance), name))

    if idle_s:
        end_exchanges(pool, *(service_time(chance) for _ in range(20)), idle_s=idle_s)
    for number in range(calls):
        key = f"key-{number % KEYS}" if number % 3 else "key-0"
        request = f"r{number:04}"
        wanted = lease_wanted(request=request, key_id=KeyId(key), wait_ms=3_600_000)
        decide_lease(pool, wanted, after(0))
        if lease_named(request) in pool.leases:
            begin_exchange(lease_named(request), 0.0)
    look_at = LOOK_EVERY_S
    while ends:
        while ends[0][0] > look_at:
            for wait in pool.line.waits.values():
                wait.heard_at = after(look_at)
            views = pool_status(pool, PoolStatus(waits=True, limit=calls), after(look_at), 1, 1)
            told += [
                (view.lease_id, look_at, view.eta_s)
                for view in views.waits
                if view.position >= 10 and view.eta_s is not None and view.eta_s >= 5
            ]
            look_at += LOOK_EVERY_S
        at, name = heapq.heappop(ends)
        session_id = pool.leases[name].session.session_id
        lease = lease_granted(request=name.partition(".")[0], session_id=session_id)
        decide_end(pool, usage(lease), after(at))
        for served in serve_waiting(pool, after(at)):
            begin_exchange(served.granted.lease_id, at)
    return [(eta_s, granted_at[name] - at) for name, at, eta_s in told]


EVEN_TIMES: dict[str, ServiceTime] = {
    "even": lambda _: 3.0,
    "uniform": lambda chance: chance.uniform(1, 9),
    "exponential": lambda chance: chance.expovariate(1 / 4),
}
SERVICE_TIMES: dict[str, ServiceTime] = EVEN_TIMES | {
    "some are long": lambda chance: chance.choice([1.0, 1.0, 1.0, 20.0]),
}


@pytest.mark.parametrize("service_time", SERVICE_TIMES.values(), ids=SERVICE_TIMES)
def test_nine_estimates_of_ten_are_within_half_and_twice(service_time: ServiceTime) -> None:
    pairs = [pair for seed in range(3) for pair in estimates_and_truth(service_time, seed)]

    good = sum(eta_s / 2 <= truth <= eta_s * 2 for eta_s, truth in pairs)
    assert len(pairs) > 500
    assert good >= 0.9 * len(pairs)


@pytest.mark.parametrize("service_time", EVEN_TIMES.values(), ids=EVEN_TIMES)
def test_estimates_are_as_good_after_a_pool_idled(service_time: ServiceTime) -> None:
    pairs = [
        pair
        for seed in range(30)
        for pair in estimates_and_truth(service_time, seed, calls=60, idle_s=600.0)
    ]

    good = sum(eta_s / 2 <= truth <= eta_s * 2 for eta_s, truth in pairs)
    assert len(pairs) > 500
    assert good >= 0.9 * len(pairs)


def test_who_stands_first_is_told_when_the_first_exchange_ends_however_many_run() -> None:
    pool = folded(
        policy_changed(session_concurrency=1, daily_limits={IMAGE: 100}),
        *(session_added(f"session-{number}") for number in range(4)),
    )
    end_exchanges(pool, *[30.0] * 10)
    for number in range(4):
        grant(pool, request=f"busy{number}", now=after(0))

    told = [eta_of(pool, f"r{number}", seconds=10) for number in range(6)]

    assert told == [20.0] * 4 + [50.0] * 2


def test_whom_no_exchange_serves_before_the_units_are_used_up_is_told_of_the_reset() -> None:
    limits = {IMAGE: 12}
    pool = folded(policy_changed(session_concurrency=1, daily_limits=limits), session_added())
    end_exchanges(pool, *[1.0] * 10)
    grant(pool, request="busy", now=after(0))

    told = [eta_of(pool, f"r{number}") for number in range(2)]

    assert told == [1.0, 43_200.0]


def test_a_session_that_cools_is_a_place_that_comes_free() -> None:
    pool = folded(policy_changed(session_concurrency=1, daily_limits={IMAGE: 50}), session_added())
    end_exchanges(pool, *[1.0] * 10)
    granted = grant(pool, request="limited", now=after(-1))
    decide_end(pool, usage(granted, Verdict.RATE_LIMITED), after(0))
    cools_s = (pool.sessions[ONE].cooling_until - NOON).total_seconds()

    told = [eta_of(pool, f"r{number}") for number in range(2)]

    assert told == [cools_s, cools_s + 1.0]


def test_types_that_share_their_sessions_take_turns_by_their_keys() -> None:
    """One session; each exchange of it takes a second; two keys wait for a video besides."""
    limits = {IMAGE: 50, VIDEO: 50}
    pool = folded(policy_changed(session_concurrency=1, daily_limits=limits), session_added())
    end_exchanges(pool, *[1.0] * 10)
    grant(pool, request="video", service_type=VIDEO, now=after(0))

    alone = [eta_of(pool, f"r{number}") for number in range(2)]
    for key in ("a", "b"):
        eta_of(pool, f"v{key}", service_type=VIDEO, key=key)
    beside = [eta_of(pool, f"r{number}", seconds=0.5) for number in range(2)]
    later = [eta_of(pool, f"r{number}", seconds=1.0) for number in range(2)]

    assert alone == [1.0, 2.0]
    assert beside == [0.5, 1.5], "as it was told a moment ago"
    assert later == [2.0, 5.0]


def test_types_that_have_sessions_of_their_own_do_not_wait_for_each_other() -> None:
    pool = folded(
        policy_changed(session_concurrency=1, daily_limits={IMAGE: 50, VIDEO: 50}),
        session_added("images", limits={VIDEO: 0}),
        session_added("videos", limits={IMAGE: 0}),
    )
    end_exchanges(pool, *[1.0] * 10)
    grant(pool, request="image", now=after(0))
    grant(pool, request="video", service_type=VIDEO, now=after(0))
    eta_of(pool, "v1", service_type=VIDEO)

    told = [eta_of(pool, f"r{number}") for number in range(2)]

    assert told == [1.0, 2.0]


def test_of_very_many_places_some_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "PLAYED_MAX", 4)
    pool = folded(
        policy_changed(session_concurrency=1, daily_limits={IMAGE: 100}),
        *(session_added(f"session-{number}") for number in range(12)),
    )
    end_exchanges(pool, *[30.0] * 10)
    for number in range(12):
        grant(pool, request=f"busy{number}", now=after(number))

    told = [eta_of(pool, f"r{number}", seconds=12) for number in range(6)]

    # The first, fourth, seventh and tenth stand for all of them.
    assert told == [18.0] * 3 + [21.0] * 3


def test_sessions_of_several_leases_at_once_are_as_many_places() -> None:
    pool = folded(policy_changed(session_concurrency=2, daily_limits={IMAGE: 100}), session_added())
    end_exchanges(pool, *[30.0] * 10)
    for number in range(2):
        grant(pool, request=f"busy{number}", now=after(number))

    told = [eta_of(pool, f"r{number}", seconds=2) for number in range(3)]

    assert told == [28.0, 29.0, 58.0]


def test_whoever_stands_further_behind_than_is_played_hears_as_much_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estimates, "AHEAD_MAX", 2)
    pool = folded(policy_changed(session_concurrency=1, daily_limits={IMAGE: 100}), session_added())
    end_exchanges(pool, *[10.0] * 10)
    grant(pool, request="busy", now=after(0))

    told = [eta_of(pool, f"r{number}") for number in range(4)]

    assert told == [10.0, 20.0, 30.0, 40.0]
