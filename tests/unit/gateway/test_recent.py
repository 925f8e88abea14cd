"""Answers kept by name: each for a while after it was last used, the oldest gives way."""

import time

import pytest

from services.gateway.routes.recent import RecentByName


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which is moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_answer_is_kept_for_a_while_after_it_was_last_used(clock: list[float]) -> None:
    answers = RecentByName[str](kept_s=60, kept_max=4)
    name = answers.keep_answer("one")
    seen = []
    for passed_s in (59.0, 59.0, 61.0):
        clock[0] += passed_s
        seen.append(answers.answer_named(name))

    assert seen == ["one", "one", None]


def test_whoever_was_used_last_stays(clock: list[float]) -> None:
    answers = RecentByName[int](kept_s=60, kept_max=2)
    first, second = answers.keep_answer(1), answers.keep_answer(2)
    clock[0] += 1
    answers.answer_named(first)
    third = answers.keep_answer(3)

    assert [answers.answer_named(name) for name in (first, second, third)] == [1, None, 3]
    assert answers.answer_named("") is None
