"""How long those who wait are told that it takes, beside how long it took: in virtual time."""

import heapq
from collections.abc import Callable
from random import Random

import pytest

from contracts.base import KeyId, LeaseId
from contracts.pool import PoolStatus
from services.pool.domain import decide_end, decide_lease, pool_status, serve_waiting
from tests.unit.pool.builders import (
    IMAGE,
    after,
    folded,
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


def estimates_and_truth(service_time: ServiceTime, seed: int) -> list[tuple[float, float]]:
    """Let keys of fixed loads wait, and nobody come later; what each was told, and what it was.

    Whoever stands at position 10 or later and is told five seconds or more counts, every two
    seconds, as its gateway asks.
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

    for number in range(CALLS):
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
            views = pool_status(pool, PoolStatus(waits=True, limit=CALLS), after(look_at), 1, 1)
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


@pytest.mark.parametrize(
    "service_time",
    [
        lambda _: 3.0,
        lambda chance: chance.uniform(1, 9),
        lambda chance: chance.expovariate(1 / 4),
        lambda chance: chance.choice([1.0, 1.0, 1.0, 20.0]),
    ],
    ids=["even", "uniform", "exponential", "some are long"],
)
def test_nine_estimates_of_ten_are_within_half_and_twice(service_time: ServiceTime) -> None:
    pairs = [pair for seed in range(3) for pair in estimates_and_truth(service_time, seed)]

    good = sum(eta_s / 2 <= truth <= eta_s * 2 for eta_s, truth in pairs)
    assert len(pairs) > 500
    assert good >= 0.9 * len(pairs)
