"""Which events no row can hold: named with the value, and only those."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from contracts.balancer import Server, ServerAdded
from contracts.gateway import KeyBounds, KeyChanged
from contracts.pool import Verdict
from services.analytics.domain.fold import SET_ASIDE, RowFold
from services.analytics.fitness import INTEGER_MAX, event_misfit
from services.analytics.folding import fold_batch
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    calls_refused,
    cancelled,
    granted,
    reconciled,
    refused,
    renewed,
    requested,
    rows_of,
    session,
    used,
)

LAST = datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))
FIRST = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))


def server_with(**changes: Any) -> ServerAdded:
    return ServerAdded(server=Server(server_id="x", url="http://x", **changes))


@pytest.mark.parametrize(
    "event",
    [
        requested("r", units=INTEGER_MAX),
        requested("r", units=-INTEGER_MAX, number=INTEGER_MAX),
        used("r", units=INTEGER_MAX, attempts=[attempt(upstream_code=10**31, inner_code=10**99)]),
        used("r", model="x\0y", user_agent="\x1b[2J"),
        server_with(priority=2**62),
        KeyChanged(key_id="k"),
        refused("r", count=INTEGER_MAX),
        calls_refused(count=INTEGER_MAX),
        granted("r", expires_at=datetime(9998, 12, 31, tzinfo=UTC)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_a_row_holds_is_fit(event: Any) -> None:
    assert event_misfit(event) is None


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (requested("r", units=2**63), "units: a number of 19 digits"),
        (requested("r", number=10**4000), "number: a number of 4001 digits"),
        (requested("r", asked_at=FIRST), "asked_at: 0001-01-01"),
        (requested("r", waiting_since=FIRST), "waiting_since: 0001-01-01"),
        (refused("r", count=-1), "count: -1 is less than none"),
        (calls_refused(count=-3), "count: -3 is less than none"),
        (refused("r", since=FIRST), "since: 0001-01-01"),
        (refused("r", until=LAST), "until: 9999-12-31"),
        (calls_refused(count=2**63), "count: a number of 19 digits"),
        (calls_refused(status=-(10**31)), "status: a number of 32 digits"),
        (calls_refused(since=FIRST), "since: 0001-01-01"),
        (calls_refused(until=LAST), "until: 9999-12-31"),
        (cancelled("r", status=2**63), "status: a number of 19 digits"),
        (granted("r", quota_day="2026-02-30"), "quota_day: '2026-02-30' is no date"),
        (granted("r", quota_day="2026-W01-1"), "quota_day: '2026-W01-1' is no date"),
        (granted("r", quota_day="２０２６-01-01"), "quota_day: '２０２６-01-01' is no date"),  # noqa: RUF001
        (granted("r", quota_day="infinity"), "quota_day: 'infinity' is no date"),
        (granted("r", expires_at=LAST), "expires_at: 9999-12-31"),
        (renewed("r", LAST), "expires_at: 9999-12-31"),
        (refused("r", count=2**63), "count: a number of 19 digits"),
        (used("r", bytes_in=2**64), "bytes_in: a number of 20 digits"),
        (used("r", total_ms=1e300), "total_ms: 1e+300 is more than 1e+15"),
        (used("r", attempts=[attempt(), attempt(status=-(2**63))]), "attempts.status: a number"),
        (reconciled("r", 2**63), "units: a number of 19 digits"),
        (server_with(priority=2**63), "server.priority: a number of 19 digits"),
        (KeyChanged(key_id="k", bounds=KeyBounds(concurrency=2**70)), "bounds.concurrency: a"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_no_row_holds_is_named(event: Any, why: str) -> None:
    assert (event_misfit(event) or "").startswith(why)


def test_what_does_not_fit_is_set_aside_and_its_neighbours_are_not() -> None:
    story = Story().tell(session(), requested("r", units=2**63), refused("r"))
    story.lease("s", used("s", verdict=Verdict.SUCCESS))

    batch = fold_batch(RowFold(), story.stored, lambda *_: None)

    (aside,) = rows_of(batch, "anomalies")

    assert (aside.sequence, aside.position, aside.kind, aside.ts > 0) == (1, 1, SET_ASIDE, True)
    assert aside.reason.startswith("session_requested: units: a number of 19 digits")
    assert batch.set_aside == 1
    assert [row.request_id for row in rows_of(batch, "refusals")] == ["r"]
    assert [row.lease_id for row in rows_of(batch, "leases")] == ["s.1"]


@pytest.mark.parametrize("at", [FIRST, LAST])
def test_an_envelope_of_no_day_is_set_aside_whole(at: datetime) -> None:
    story = Story().tell(session("first"))
    story.tell(session("lost"), at=at, subject="evt.pool.1").tell(session("last"), at=NOON)
    told: list[str] = []

    batch = fold_batch(RowFold(), story.stored, lambda _, why: told.append(why))

    assert [row.session_id for row in rows_of(batch, "sessions")] == ["first", "last"]
    assert [row.position for row in rows_of(batch, "anomalies")] == [-1]
    assert "is not between the years" in told[0]
