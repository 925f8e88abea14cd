"""The oracle convicts of what may not befall those who wait."""

from typing import Any

import pytest

from contracts.base import ServiceType
from tests.simulation.pool.ledger import Wait
from tests.simulation.pool.oracle import Oracle
from tests.simulation.pool.test_oracle import (
    BEGINNING,
    findings_of,
    grant_event,
    log_of,
    usage_event,
)
from tests.simulation.pool.witness import Delivered


def wait_event(name: str, **fields: Any) -> dict[str, Any]:
    moments = {"since": "2026-03-01T12:00:00Z", "deadline": "2026-03-01T12:01:00Z"}
    return {
        "type": "lease_queued",
        "lease_id": name,
        "requested": {"key_id": "k"},
        **moments,
        **fields,
    }


def ended_event(name: str, reason: str = "deadline") -> dict[str, Any]:
    return {"type": "waits_ended", "items": [{"lease_id": name, "reason": reason}]}


def test_waits_that_end_by_name_are_lawful() -> None:
    events = [
        wait_event("a.1"),
        wait_event("b.1"),
        wait_event("c.1"),
        grant_event("a.1"),
        ended_event("b.1"),
        {"type": "lease_cancelled", "lease_id": "c.1"},
    ]

    oracle = Oracle()
    oracle.read(log_of(BEGINNING, events))

    assert (oracle.findings, oracle.queue.waiting) == ([], {})


@pytest.mark.parametrize(
    ("events", "word"),
    [
        ([wait_event("a.1"), wait_event("a.1")], "though it did so before"),
        ([wait_event("a.1", deadline="2026-03-01T11:00:00Z")], "is to wait from"),
        ([ended_event("a.1")], "though it did not wait"),
        ([wait_event("a.1"), ended_event("a.1", "whim")], "waits no more: whim"),
        (
            [
                wait_event("a.1"),
                {
                    "type": "lease_refused",
                    "request_id": "a",
                    "number": 1,
                    "reason": "pool_saturated",
                    "service_type": "image",
                },
            ],
            "a.1 was refused, and its wait has no end",
        ),
        ([wait_event(f"a.{number}") for number in range(41)], "41 waits journalled"),
    ],
)
def test_wait_that_cannot_be_is_named(events: list[dict[str, Any]], word: str) -> None:
    (finding,) = findings_of(log_of(BEGINNING, events))

    assert word in finding


def wait_from(began_at: float, *told_at: float, units: int = 1) -> Wait:
    """One that waits for ever, and was told to at these moments."""
    wait = Wait(began_at, ServiceType("image"), units)
    wait.heard = [(told - 0.1, told) for told in told_at]
    return wait


def oracle_of(*batches: list[dict[str, Any]]) -> Oracle:
    oracle = Oracle()
    oracle.read(log_of(BEGINNING, *batches))
    return oracle


TWO = [grant_event("x.1"), grant_event("y.1")]


def test_who_waits_beside_a_free_session_starves() -> None:
    # Two units are all that there are; from the third second on one is free again.
    oracle = oracle_of(TWO, [usage_event("x.1", "released")])
    waits = {
        "fed": wait_from(2.0, 2.0, 4.0),
        "starved": wait_from(2.0, 2.0, 4.0, 6.0),
        "unheard": wait_from(2.0, 2.0, 4.0, 8.0),
        "greedy": wait_from(2.0, 2.0, 4.0, 6.0, units=2),
    }

    assert [*oracle.queue.starvation(waits, 0.0)] == [
        "starved waited from 3.00 to 6.00 beside a free session"
    ]
    assert [*oracle.queue.starvation(waits, 5.0)] == []
    waits["starved"].end(4.5)
    assert [*oracle.queue.starvation(waits, 0.0)] == []


def test_who_does_not_wait_is_served_after_those_who_do() -> None:
    asked = {"type": "session_requested", "request_id": "x", "number": 1, "wait_ms": 0}
    oracle = oracle_of([asked, grant_event("x.1")])
    waits = {"first": wait_from(1.0, 1.5), "silent": wait_from(0.0, 0.1)}

    assert [*oracle.queue.overtaking(waits, 0.0)] == ["x.1 was served at 2.00 before first"]
    assert [*oracle.queue.overtaking(waits, 3.0)] == []
    assert [
        *oracle_of([asked | {"wait_ms": 5}, grant_event("x.1")]).queue.overtaking(waits, 0)
    ] == []


def test_who_was_told_to_wait_on_is_not_unheard_of() -> None:
    oracle = oracle_of([wait_event("a.1")], [ended_event("a.1", "unheard")])

    assert [*oracle.queue.forgotten({"a.1": wait_from(0.0, 1.0)}, 0.0)] == [
        "a.1 was called unheard of at 3.00, and was told to wait before"
    ]
    assert [*oracle.queue.forgotten({"a.1": wait_from(0.0)}, 0.0)] == []


@pytest.mark.parametrize(
    ("delivered", "wrong"),
    [
        (Delivered("one", 2.5, "x.1", "s"), 0),
        (Delivered("one", 1.5, "x.1", "s"), 1),
        (Delivered("two", 2.5, "x.1", "s"), 1),
        (Delivered("one", 2.5, "x.1", "t"), 1),
        (Delivered("one", 2.5, "z.1", "s"), 1),
    ],
)
def test_what_was_delivered_is_a_grant_that_the_log_had(delivered: Delivered, wrong: int) -> None:
    oracle = oracle_of(TWO)

    oracle.check_deliveries([delivered])

    assert len(oracle.findings) == wrong
