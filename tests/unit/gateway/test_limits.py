"""The bounds of a key: never more than they say, never less for no reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.base import KeyId
from contracts.gateway import KeyBounds, Scope
from services.gateway.clients.keys import Key
from services.gateway.clients.limits import (
    FREE,
    WINDOW_S,
    Admitted,
    KeyLimits,
    Throttled,
    seconds_text,
)

BUSY = Throttled(retry_after_s=1.0)
"""As a key without a rate is refused that is over its concurrency."""


def key(rate: int = 0, concurrency: int = 0, name: str = "one") -> Key:
    bounds = KeyBounds(requests_per_minute=rate, concurrency=concurrency)
    return Key(key_id=KeyId(name), name=name, scope=Scope.CLIENT, bounds=bounds, hash="")


def test_key_without_bounds_is_admitted_without_trace() -> None:
    limits = KeyLimits()

    for moment in range(1000):
        assert limits.admit_request(key(), moment / 1000) is FREE
    limits.leave_request(key())

    assert len(limits) == 0
    assert FREE.as_headers() == {}


def test_rate_admits_exactly_its_bound_at_once() -> None:
    limits = KeyLimits()

    answers = [limits.admit_request(key(rate=3), 10.0) for _ in range(5)]

    assert [answer.remaining for answer in answers if isinstance(answer, Admitted)] == [2, 1, 0]
    assert answers[3:] == [Throttled(3, 0, WINDOW_S, retry_after_s=WINDOW_S)] * 2


def test_refused_client_that_waits_as_told_is_admitted() -> None:
    limits = KeyLimits()

    for moment in (0.0, 20.0):
        assert isinstance(limits.admit_request(key(rate=2), moment), Admitted)

    refused = limits.admit_request(key(rate=2), 50.0)

    assert refused == Throttled(2, 0, 30.0, retry_after_s=10.0)
    assert isinstance(limits.admit_request(key(rate=2), 60.0), Admitted)
    assert limits.admit_request(key(rate=2), 60.0) == Throttled(2, 0, WINDOW_S, retry_after_s=20.0)


def test_refusal_takes_nothing_from_the_window() -> None:
    limits = KeyLimits()
    limits.admit_request(key(rate=1), 0.0)

    for moment in range(1, 60):
        assert isinstance(limits.admit_request(key(rate=1), float(moment)), Throttled)

    assert isinstance(limits.admit_request(key(rate=1), 60.0), Admitted)


def test_lowered_rate_holds_at_once() -> None:
    limits = KeyLimits()
    for moment in (0.0, 1.0, 2.0):
        limits.admit_request(key(rate=5), moment)

    assert limits.admit_request(key(rate=2), 3.0) == Throttled(2, 0, 59.0, retry_after_s=58.0)


def test_concurrency_admits_as_many_as_left() -> None:
    limits = KeyLimits()
    bound = key(concurrency=2)

    assert limits.admit_request(bound, 0.0) is FREE
    assert limits.admit_request(bound, 0.0) is FREE
    assert limits.admit_request(bound, 0.0) == BUSY

    limits.leave_request(bound)

    assert limits.admit_request(bound, 0.0) is FREE
    assert limits.admit_request(bound, 0.0) == BUSY


def test_request_refused_for_concurrency_does_not_count_for_the_rate() -> None:
    limits = KeyLimits()
    bound = key(rate=2, concurrency=1)
    limits.admit_request(bound, 0.0)

    assert limits.admit_request(bound, 0.0) == Throttled(2, 1, WINDOW_S, retry_after_s=1.0)

    limits.leave_request(bound)

    assert limits.admit_request(bound, 0.0) == Admitted(2, 0, WINDOW_S)


def test_request_refused_for_its_rate_holds_no_place() -> None:
    limits = KeyLimits()
    bound = key(rate=1, concurrency=1)
    limits.admit_request(bound, 0.0)
    limits.leave_request(bound)

    assert limits.admit_request(bound, 30.0) == Throttled(1, 0, 30.0, retry_after_s=30.0)
    assert isinstance(limits.admit_request(bound, 60.0), Admitted)


def test_bound_set_while_requests_are_open_counts_only_those_after() -> None:
    limits = KeyLimits()
    before, after = key(), key(concurrency=1)
    limits.admit_request(before, 0.0)

    assert limits.admit_request(after, 0.0) is FREE

    limits.leave_request(before)

    assert limits.admit_request(after, 0.0) == BUSY


def test_keys_do_not_share_their_bounds() -> None:
    limits = KeyLimits()
    limits.admit_request(key(rate=1), 0.0)

    assert isinstance(limits.admit_request(key(rate=1, name="two"), 0.0), Admitted)


def test_idle_keys_are_forgotten_and_open_ones_are_not() -> None:
    limits = KeyLimits()
    for number in range(50):
        limits.admit_request(key(rate=5, name=f"idle-{number}"), 0.0)
    limits.admit_request(key(concurrency=1, name="open"), 0.0)

    limits.admit_request(key(rate=1, name="later"), 3 * WINDOW_S)

    assert len(limits) == 2
    assert limits.admit_request(key(concurrency=1, name="open"), 3 * WINDOW_S) == BUSY


def test_key_that_is_swept_with_the_rest_starts_anew_in_the_books() -> None:
    limits = KeyLimits()
    limits.admit_request(key(rate=1), 0.0)

    assert isinstance(limits.admit_request(key(rate=1), 60.0), Admitted)
    assert isinstance(limits.admit_request(key(rate=1), 119.0), Throttled)


def test_clock_that_goes_back_forgives_nothing() -> None:
    limits = KeyLimits()
    limits.admit_request(key(rate=1), 100.0)

    assert limits.admit_request(key(rate=1), 10.0) == Throttled(
        1, 0, WINDOW_S, retry_after_s=WINDOW_S
    )


def test_headers_tell_bound_rest_and_reset() -> None:
    limits = KeyLimits()
    admitted = limits.admit_request(key(rate=2), 0.0)

    assert isinstance(admitted, Admitted)

    assert admitted.as_headers() == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "1m0s",
    }


def test_key_over_its_concurrency_hears_how_it_stands_within_its_rate() -> None:
    limits = KeyLimits()
    bound = key(rate=2, concurrency=1)
    limits.admit_request(bound, 0.0)

    assert limits.admit_request(bound, 48.0) == Throttled(2, 1, 12.0, retry_after_s=1.0)
    assert limits.admit_request(bound, 60.0) == Throttled(2, 2, 0.0, retry_after_s=1.0)


def test_leaving_what_was_never_entered_is_a_fault() -> None:
    limits = KeyLimits()
    bound = key(concurrency=1)
    limits.admit_request(bound, 0.0)
    limits.leave_request(bound)

    with pytest.raises(AssertionError):
        limits.leave_request(bound)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60, "1m0s"),
        (125.2, "2m6s"),
        (59.0004, "59s"),
        (12, "12s"),
        (1, "1s"),
        (0.35, "350ms"),
        (0, "0s"),
        (-1, "0s"),
        (0.9999, "1s"),
    ],
)
def test_durations_are_spelled_as_openai_spells_them(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


steps = some.lists(some.integers(0, 200), max_size=120)
"""Quarters of a second between requests: exact as floats."""


@given(some.integers(1, 5), steps)
def test_no_sixty_seconds_wherever_they_begin_hold_more_than_the_bound(
    rate: int, gaps: list[int]
) -> None:
    limits = KeyLimits()
    now = 0.0
    admitted: list[float] = []
    for gap in gaps:
        now += gap / 4
        if isinstance(limits.admit_request(key(rate=rate), now), Admitted):
            admitted.append(now)

    for first, past in zip(admitted, admitted[rate:], strict=False):
        assert past - first >= WINDOW_S


@given(some.integers(1, 5), steps)
def test_request_is_refused_only_when_the_window_is_full(rate: int, gaps: list[int]) -> None:
    limits = KeyLimits()
    now = 0.0
    admitted: list[float] = []
    for gap in gaps:
        now += gap / 4
        answer = limits.admit_request(key(rate=rate), now)
        within = [moment for moment in admitted if moment > now - WINDOW_S]
        if isinstance(answer, Admitted):
            admitted.append(now)
            assert answer.remaining == rate - len(within) - 1
        else:
            assert len(within) == rate
            assert answer == Throttled(
                rate,
                0,
                within[-1] + WINDOW_S - now,
                retry_after_s=within[0] + WINDOW_S - now,
            )


@given(some.integers(1, 3), some.integers(0, 3), some.lists(some.booleans(), max_size=60))
def test_never_more_are_open_than_the_concurrency(
    concurrency: int, rate: int, arrivals: list[bool]
) -> None:
    limits = KeyLimits()
    bound = key(rate=rate, concurrency=concurrency)
    opened = 0
    for second, arrives in enumerate(arrivals):
        if arrives:
            opened += isinstance(limits.admit_request(bound, float(second)), Admitted)
        elif opened:
            limits.leave_request(bound)
            opened -= 1
        assert opened <= concurrency
