"""How each server is, since when and why: in the report and in SQL, in words, by the clock."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.balancer import (
    Health,
    Server,
    ServerChanged,
    ServerDrained,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerHeardAgain,
    ServerReadmitted,
    ServerRemoved,
)
from contracts.base import ServerId, ServiceType
from services.analytics.store import Database, LedgerWriter, Readers
from tests.integration.analytics.parts import MEMORY, named, stored
from tests.moments import NOON
from tests.unit.analytics.builders import Story, batch_of, policy, server_added, session, used

A, VIDEO = ServerId("server-1"), ServiceType("video")


def before(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def ejected_until(left_s: float, **rest: Any) -> ServerEjected:
    until = NOON + timedelta(seconds=left_s)
    return ServerEjected(server_id=A, until=until, times=1, reason="5 failures in a row", **rest)


def health(state: Health, reason: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=A, health=state, reason=reason)


UP = health(Health.UP, "answered a probe")
HALF_OPEN = ServerHalfOpened(server_id=A, reason="answered a probe")
HALF_OPEN_VIDEO = ServerHalfOpened(server_id=A, reason="answered a probe", service_type=VIDEO)
READMITTED = ServerReadmitted(server_id=A, slow_start_s=30.0)
READMITTED_VIDEO = ServerReadmitted(server_id=A, slow_start_s=30.0, service_type=VIDEO)
SILENT = ServerFellSilent(server_id=A, service_type=ServiceType("image"), waited_s=40, expected_s=9)
HEARD = ServerHeardAgain(server_id=A, service_type=ServiceType("image"))
MOVED = ServerChanged(server=Server(server_id=A, url="http://elsewhere"))
BACK_VIDEO = "video: ejected 2 min ago: 5 failures in a row, back in 28 s"


@pytest.mark.parametrize(
    ("told", "health", "why"),
    [
        ([], "", "not probed yet"),
        ([(9, UP)], "up", ""),
        ([(9, UP), (180, health(Health.DOWN, "probe: status 404"))], "up", ""),
        ([(180, health(Health.DOWN, "x"))], "down", "down for 3 min: x"),
        (
            [(180, health(Health.DOWN, "x")), (9, health(Health.DOWN, "y"))],
            *("down", "down for 3 min: y"),
        ),
        (
            [(120, ejected_until(28))],
            "ejected",
            "ejected 2 min ago: 5 failures in a row, back in 28 s",
        ),
        (
            [(120, ejected_until(28)), (60, health(Health.DOWN, "x")), (9, UP)],
            *("ejected", "ejected 2 min ago: 5 failures in a row, back in 28 s"),
        ),
        (
            [(120, ejected_until(-1))],
            *("ejected", "ejected 2 min ago: 5 failures in a row, back once it answers a probe"),
        ),
        (
            [(120, ejected_until(-60)), (50, HALF_OPEN)],
            *("half_open", "half open, one call at a time after: 5 failures in a row"),
        ),
        ([(120, ejected_until(-60)), (15, READMITTED)], "slow_start", "starts slowly: 50%"),
        ([(120, ejected_until(-60)), (30, READMITTED)], "up", ""),
        (
            [(120, ejected_until(28, service_type=VIDEO))],
            *('ejected for ["video"]', BACK_VIDEO),
        ),
        (
            [(120, ejected_until(-60, service_type=VIDEO)), (50, HALF_OPEN_VIDEO)],
            *("up", "video: half open, one call at a time after: 5 failures in a row"),
        ),
        (
            [(120, ejected_until(-60, service_type=VIDEO)), (15, READMITTED_VIDEO)],
            *("up", "video: starts slowly: 50%"),
        ),
        ([(120, ejected_until(-60, service_type=VIDEO)), (31, READMITTED_VIDEO)], "up", ""),
        (
            [(20, SILENT)],
            *("silent", "silent for 20 s: image waited for 40 s, and nothing else was answered"),
        ),
        ([(20, SILENT), (9, HEARD)], "up", ""),
        (
            [(40, SILENT), (20, ejected_until(10)), (9, HEARD)],
            *("ejected", "ejected 20 s ago: 5 failures in a row, back in 10 s"),
        ),
        (
            [(300, ServerDrained(server_id=A, by="op"))],
            *("draining", "draining for 5 min: an operator drained it"),
        ),
        ([(120, ejected_until(28)), (9, MOVED)], "", "not probed yet"),
        ([(9, ServerRemoved(server_id=A))], "removed", ""),
    ],
)
def test_report_and_sql_say_the_state_and_why_in_words(
    tmp_path: Path, told: list[tuple[float, Any]], health: str, why: str
) -> None:
    """A lease at noon, so that the report of that day has the server; the clock stands at noon."""
    story = Story().tell(policy(), session(), server_added(), at=before(7200))
    if told and not isinstance(told[0][1], ServerHealthChanged):
        story.tell(UP, at=before(7000), subject="evt.balancer")
    for seconds, event in sorted(told, key=lambda pair: -pair[0]):
        story.tell(event, at=before(seconds), subject="evt.balancer")
    story.lease("a", used("a"), at=NOON)

    with stored(tmp_path / "a.duckdb", story) as readers:
        (row,) = named(readers, "report_servers", since="2026-01-01", until="2026-01-02")
        ((condition, words, state),) = readers.ask_rows(
            "select condition, why, state from servers", 9
        ).rows

    assert (row["health"], row["why"]) == (condition, words) == (health, why)
    assert state == (health if health in {"ejected", "half_open", "slow_start", "silent"} else "")


def told_of_old_rows(path: Path, story: Story, statement: str) -> list[Any]:
    """What is said of rows that an earlier version wrote, as `statement` makes them."""
    database = Database(path, MEMORY)
    try:
        ledger = LedgerWriter(database)
        ledger.begin_anew("a stream")
        ledger.write_batch(batch_of(story))
        database.writer.execute(statement)
        question = "select condition, why, state, healthy from servers"
        (row,) = Readers(database, lambda: NOON, 5.0).ask_rows(question, 9).rows
    finally:
        database.close()
    return list(row)


def test_of_an_ejection_of_an_earlier_version_is_told_what_is_known(tmp_path: Path) -> None:
    story = Story().tell(policy(), session(), server_added(), UP, ejected_until(28))
    old = "update ledger.servers set state_at = null, state_reason = '', type_states = '[]'"

    said = told_of_old_rows(tmp_path / "a.duckdb", story, old)

    words = "ejected: 5 failures in a row, back in 28 s"
    assert said == ["ejected", words, "ejected", False]


def test_a_slow_start_that_an_earlier_version_wrote_down_is_over(tmp_path: Path) -> None:
    story = Story().tell(policy(), session(), server_added(), UP)
    old = "update ledger.servers set state = 'slow_start'"

    assert told_of_old_rows(tmp_path / "a.duckdb", story, old) == ["up", "", "", True]
