"""What a client owes: it may be slow, but not for ever."""

from collections.abc import Iterable

import pytest

from services.gateway.wire.dues import (
    BYTES_PER_S_MIN,
    HEAD_S,
    IDLE_S,
    LINGER_S,
    WINDOW_S,
    Debt,
    Due,
    Owed,
    carry_debt,
    is_overdue,
    next_window,
)

SEND_TIMEOUT_S = 60.0


def ended_at(sweeps: Iterable[tuple[float, Owed]]) -> float | None:
    """Sweep over one connection; the moment at which it is ended, if it is."""
    debt: Debt | None = None
    for now_s, owed in sweeps:
        debt = carry_debt(debt, owed, now_s)
        if debt is None:
            continue
        if is_overdue(debt, SEND_TIMEOUT_S, now_s):
            return now_s
        debt = next_window(debt, now_s)
    return None


@pytest.mark.parametrize(
    ("due", "within_s"),
    [(Due.HEAD, HEAD_S), (Due.NEXT, IDLE_S), (Due.LINGERING, LINGER_S), (Due.LEAVING, 0.0)],
)
def test_debt_with_a_time_of_its_own_ends_then(due: Due, within_s: float) -> None:
    assert ended_at((float(second), Owed(due)) for second in range(100)) == within_s


def test_nothing_is_owed_for_ever() -> None:
    assert ended_at((float(second), Owed(Due.NOTHING)) for second in range(1000)) is None


def test_debt_of_another_head_begins_anew() -> None:
    sweeps = [(float(second), Owed(Due.HEAD, key=second // 20)) for second in range(200)]

    assert ended_at(sweeps) is None


def test_upload_in_which_nothing_moves_has_the_send_timeout() -> None:
    sweeps = ((float(second), Owed(Due.UPLOAD, 1, 5)) for second in range(200))

    assert ended_at(sweeps) == SEND_TIMEOUT_S


def test_upload_that_trickles_ends_with_its_half_minute() -> None:
    slow = BYTES_PER_S_MIN - 1
    sweeps = ((float(second), Owed(Due.UPLOAD, 1, second * slow)) for second in range(200))

    assert ended_at(sweeps) == WINDOW_S


def test_upload_that_is_fast_enough_goes_on() -> None:
    fast = BYTES_PER_S_MIN
    sweeps = ((float(second), Owed(Due.UPLOAD, 1, second * fast)) for second in range(200))

    assert ended_at(sweeps) is None


def test_haste_of_an_earlier_half_minute_counts_for_nothing() -> None:
    """What came in the first half minute is much; of the second one is asked anew."""
    moved = [1_000_000 if second <= WINDOW_S else 1_000_000 + second for second in range(200)]
    sweeps = ((float(second), Owed(Due.UPLOAD, 1, moved[second])) for second in range(200))

    assert ended_at(sweeps) == 2 * WINDOW_S


def test_debt_that_a_sweep_has_seen_is_not_changed_by_the_next() -> None:
    before = carry_debt(None, Owed(Due.TAKING), 0.0)
    assert before is not None

    after = carry_debt(before, Owed(Due.TAKING, moved=7), 1.0)

    assert before == Debt(Due.TAKING, 0.0, 0, 0, 0.0, 0)
    assert after == Debt(Due.TAKING, 0.0, 0, 7, 1.0, 0)
