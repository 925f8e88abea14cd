"""What is counted of those who wait: how many, for how long, and how it ended."""

from datetime import timedelta

from contracts.pool import DropWaits, Granted, PoolStatus
from services.pool.domain import decide_admin, decide_cancel, pool_status
from services.pool.domain.leading.line import WaitOver
from services.pool.metrics import Metrics
from tests.unit.pool.builders import IMAGE, NOON, after, cancel
from tests.unit.pool.test_waiting import (
    ask_to_wait,
    busy,
    end_exchange,
    serve_line,
    tend,
)


def ended_waits(metrics: Metrics, how: str) -> tuple[float, float]:
    """How many waits ended so, and how long they took in all."""
    labels = {"service_type": IMAGE, "end": how}
    count, seconds = (
        metrics.registry.get_sample_value(f"tidegate_pool_wait_seconds_{name}", labels)
        for name in ("count", "sum")
    )
    return count or 0.0, seconds or 0.0


def test_how_waits_end_is_counted_with_their_time() -> None:
    pool = busy()
    for name in ("first", "left", "dropped", "deadline", "last"):
        wait_ms = 1500 if name == "deadline" else 60_000
        ask_to_wait(pool, name, wait_ms=wait_ms, key=name)
    decide_cancel(pool, cancel("left"), after(1))
    decide_admin(pool, DropWaits(key_id="dropped", by="op"), after(1), "admin")
    tend(pool, 2)
    end_exchange(pool, seconds=2)
    serve_line(pool, 2)
    end_exchange(pool, "first", 3)
    # It asks before anybody is served: for the last time.
    assert isinstance(ask_to_wait(pool, "last", seconds=3, wait_ms=0), Granted)
    metrics = Metrics()

    metrics.count_waits(pool.line)
    metrics.count_waits(pool.line)

    assert ended_waits(metrics, "granted") == (2, 5)
    assert ended_waits(metrics, "left") == (1, 1)
    assert ended_waits(metrics, "dropped") == (1, 1)
    assert ended_waits(metrics, "deadline") == (1, 2)
    assert pool.line.over == []


def test_what_is_taken_back_is_not_counted() -> None:
    pool = busy()
    ask_to_wait(pool, "r1")
    end_exchange(pool)
    pool.commit()

    pool.begin()
    serve_line(pool)
    before = [*pool.line.over]
    pool.rollback()

    assert before == [WaitOver(IMAGE, "granted", 0.0)]
    assert pool.line.over == []


def test_how_many_wait_is_told_by_type_and_of_none_no_more() -> None:
    pool, metrics = busy(), Metrics()
    ask_to_wait(pool, "r1")

    name, labels = "tidegate_pool_waiting_by_type", {"service_type": IMAGE}

    metrics.count_waits(pool.line)
    told = pool_status(pool, PoolStatus(), NOON + timedelta(seconds=1), 1, 1)

    assert metrics.registry.get_sample_value(name, labels) == 1
    assert (told.waiting_by_type, told.queue_max) == ({IMAGE: 1}, 10_000)

    pool.begin_line()
    metrics.count_waits(pool.line)

    assert metrics.registry.get_sample_value(name, labels) == 0
