"""A request's life on a time axis, of rows as the projections have them."""

from typing import Any

from services.gateway.routes.ledger.lane import LifeLane, lane_of

ZERO = "2026-01-01T12:00:00Z"


def moment_at(ms: int) -> str:
    return f"2026-01-01T12:00:{ms // 1000:02d}.{ms % 1000:03d}000Z"


def asked_row(number: int = 1, ms: int = 0) -> dict[str, Any]:
    return {"number": number, "asked_at": moment_at(ms)}


def leased_row(number: int = 1, ms: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "lease_id": f"r.{number}",
        "asked_at": moment_at(ms),
        "granted_at": moment_at(ms + 3),
        "ended_at": moment_at(ms + 1500),
        "lease_ms": 3.25,
        "outcome": "settled",
        "status": 200,
        "error_code": "",
        "session_id": "ses_1",
        "service_type": "image",
        "units_reserved": 1,
        "reason": "",
        **changes,
    }


def attempt_row(number: int = 1, lease_number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "attempt": number,
        "lease_id": f"r.{lease_number}",
        "started_ms": 5.0,
        "connect_ms": 1.5,
        "first_byte_ms": 900.0,
        "total_ms": 1000.0,
        "verdict": "success",
        "status": 200,
        "failure": "",
        "meaning": "",
        "server_id": "one",
        "region": "here",
        "sent": True,
        **changes,
    }


def refusal_row(number: int = 1, ms: int = 0) -> dict[str, Any]:
    return {
        "number": number,
        "asked_at": moment_at(ms),
        "ts": moment_at(ms + 20),
        "reason": "pool_saturated",
        "status": 503,
    }


def bars(lane: LifeLane | None) -> list[tuple[str, float, float | None, str]]:
    assert lane is not None
    return [(span.kind, span.from_ms, span.to_ms, span.verdict) for span in lane.spans]


def test_a_plain_call_waits_holds_a_lease_and_tries_once() -> None:
    lane = lane_of([asked_row()], [leased_row()], [attempt_row()], [])

    assert bars(lane) == [
        ("wait", 0.0, 3.25, "granted"),
        ("lease", 3.25, 1005.0, "settled"),
        ("attempt", 5.0, 1005.0, "success"),
    ]
    assert lane is not None
    assert (lane.began_at, lane.length_ms, lane.ended) == (moment_at(0), 1005.0, True)
    assert (lane.outcome, lane.status, lane.code) == ("settled", 200, "")
    tried = lane.spans[2]
    assert (tried.connected_ms, tried.first_byte_ms) == (6.5, 905.0)
    assert tried.words == "success 200 from one"


def test_of_a_call_under_way_nothing_has_an_end() -> None:
    lane = lane_of([asked_row()], [leased_row(outcome="open", ended_at=None, status=0)], [], [])

    assert bars(lane) == [("wait", 0.0, 3.25, "granted"), ("lease", 3.25, None, "open")]
    assert lane is not None
    assert (lane.ended, lane.outcome) == (False, "open")


def test_one_that_waits_has_a_wait_without_an_end() -> None:
    lane = lane_of([asked_row()], [], [], [])

    assert bars(lane) == [("wait", 0.0, None, "")]


def test_a_refusal_ends_the_wait_and_the_call() -> None:
    lane = lane_of([asked_row()], [], [], [refusal_row()])

    assert bars(lane) == [("wait", 0.0, 20.0, "refused")]
    assert lane is not None
    assert (lane.outcome, lane.status, lane.code) == ("refused", 503, "pool_saturated")


def test_a_second_lease_begins_where_it_was_asked_for() -> None:
    """The first attempt failed; of the second, as of earlier versions, nobody said the start."""
    first = leased_row(outcome="released", status=0)
    failed = attempt_row(verdict="unreachable", status=0, failure="connect", total_ms=100.0)
    failed |= {"connect_ms": 0.0, "first_byte_ms": 0.0, "sent": False, "region": None}
    second = leased_row(2, 200)
    again = attempt_row(1, 2, started_ms=None)

    lane = lane_of([asked_row(), asked_row(2, 200)], [first, second], [failed, again], [])

    assert bars(lane) == [
        ("wait", 0.0, 3.25, "granted"),
        ("lease", 3.25, 105.0, "released"),
        ("attempt", 5.0, 105.0, "unreachable"),
        ("wait", 200.0, 203.25, "granted"),
        ("lease", 203.25, 1203.25, "settled"),
        ("attempt", 203.25, 1203.25, "success"),
    ]
    assert lane is not None
    assert lane.spans[2].words == "unreachable (connect) from one"
    assert lane.spans[2].connected_ms is lane.spans[2].first_byte_ms is None


def test_what_was_given_up_before_a_grant_holds_nothing() -> None:
    given_up = leased_row(
        granted_at=None, outcome="cancelled", ended_at=moment_at(40), error_code="x"
    )

    lane = lane_of([], [given_up], [], [])

    assert bars(lane) == [("wait", 0.0, 40.0, "gone")]


def test_a_lease_without_an_attempt_ends_where_the_log_says() -> None:
    lane = lane_of(
        [], [leased_row(outcome="cancelled", lease_ms=0.0, ended_at=moment_at(50))], [], []
    )

    assert bars(lane) == [("wait", 0.0, 3.0, "granted"), ("lease", 3.0, 50.0, "cancelled")]


def test_without_a_moment_to_count_from_there_is_no_lane() -> None:
    assert lane_of([], [leased_row(asked_at=None)], [attempt_row()], []) is None
