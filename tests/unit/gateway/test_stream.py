"""How many events a stream sends in a second, and what it says of the others."""

from typing import Any

from services.gateway.routes.ledger.stream import EVENTS_PER_SECOND, Allowance


class Watch:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def records(count: int, since: int = 0) -> list[dict[str, Any]]:
    return [{"event": f"{since + number}.0", "type": "x"} for number in range(count)]


def test_beyond_what_may_be_sent_in_a_second_events_are_counted_and_told_after_it() -> None:
    watch = Watch()
    allowance = Allowance(watch)

    first = allowance.lines_of(records(EVENTS_PER_SECOND - 1))
    second = allowance.lines_of(records(3, 900))

    assert first.count(b"event: x") == EVENTS_PER_SECOND - 1
    assert second == b'id: 900.0\nevent: x\ndata: {"event":"900.0","type":"x"}\n\n'
    assert allowance.skipped_line() == b""
    assert allowance.waits_s() == 1.0
    watch.now_s = 1.0
    line = allowance.skipped_line()
    assert line == b'id: 902.0\nevent: skipped\ndata: {"skipped":2,"next":"902.0"}\n\n'
    assert allowance.skipped_line() == b""


def test_the_count_stands_before_what_is_sent_after_it() -> None:
    watch = Watch()
    allowance = Allowance(watch)
    allowance.lines_of(records(EVENTS_PER_SECOND + 1))
    watch.now_s = 2.0

    lines = allowance.lines_of(records(1, 900))

    assert lines.startswith(b"id: 200.0\nevent: skipped\n")
    assert lines.endswith(b'{"event":"900.0","type":"x"}\n\n')


def test_where_nothing_was_skipped_nothing_is_told() -> None:
    watch = Watch()
    allowance = Allowance(watch)
    watch.now_s = 5.0

    assert allowance.skipped_line() == b""
    assert allowance.waits_s() == 5.0
