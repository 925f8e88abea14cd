"""Figures beside lists, and figures compared with those before, against small stories."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.analytics import Statistics
from contracts.gateway import KeyIssued, Scope
from services.analytics.queries import Catalogue, StoreQuestion
from services.analytics.store import Readers
from tests.integration.analytics.parts import named, stored
from tests.integration.analytics.test_queries_true import GATEWAY_REFUSED, story
from tests.unit.analytics.builders import Story, policy, server_added, session, used

YESTERDAY = "2025-12-31"


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    told = story()
    issued = KeyIssued(key_id="k1", key_hash="x", name="app", scope=Scope.CLIENT, by="op")  # type: ignore[arg-type]
    told.tell(issued, subject="evt.keys")
    with stored(tmp_path_factory.mktemp("lists") / "a.duckdb", told) as opened:
        yield opened


def test_attempts_at_servers_are_told_by_the_minute(readers: Readers) -> None:
    rows: list[dict[str, Any]] = named(readers, "server_minutes")
    whole = readers.ask_rows("select count(*) from attempts", 1).rows[0][0]

    assert {row["server_id"] for row in rows} == {"server-1"}
    assert sum(row["attempts"] for row in rows) == whole
    assert all(str(row["minute"]).endswith("Z") for row in rows)
    assert named(readers, "server_minutes", minutes=0) == []


def test_a_key_says_what_it_did_today_and_when_it_was_seen(readers: Readers) -> None:
    (row,) = named(readers, "key_use")

    assert (row["key_id"], row["issued_by"]) == ("k1", "op")
    assert (
        row["calls"]
        == readers.ask_rows("select sum(calls)::int from call_facts where key = 'k1'", 1).rows[0][0]
    )
    assert isinstance(row["calls"], int)
    assert row["calls"] > GATEWAY_REFUSED
    assert str(row["last_seen_at"]).startswith("2026-01-01T12:")


def test_units_stand_against_limits_on_every_day(readers: Readers) -> None:
    rows: list[dict[str, Any]] = named(
        readers, "limits_by_day", since=YESTERDAY, until="2026-01-01"
    )
    by_day = {(row["day"], row["service_type"]): row for row in rows}

    image = by_day["2026-01-01", "image"]
    assert (image["limit"], image["sessions"]) == (30, 3)
    assert image["share"] == image["used"] / 30
    assert image["used"] > 0
    before = by_day[YESTERDAY, "image"]
    assert (before["used"], before["limit"], before["share"]) == (0, 0, None)
    assert len(named(readers, "limits_by_day")) == 31 * 3


def compared_rows(readers: Readers, measures: str, by: str = "", **days: str) -> list[list[Any]]:
    """Ask for measures by dimensions, compared with the days before."""
    asked = Statistics(measures=measures.split(), dimensions=by.split(), compare=True, **days)
    question = Catalogue().as_question(asked)
    assert isinstance(question, StoreQuestion), question
    return readers.ask_rows(question.sql, 1000, question.parameters).rows


def test_figures_are_compared_with_those_of_as_many_days_before(tmp_path: Path) -> None:
    """Two leases on the first day, one on the second, none on the third."""
    told = Story().tell(policy(), session("s1"), server_added("server-1"))
    for name, day in (("a", 0), ("b", 0), ("c", 1)):
        told.lease(name, used(name), quota_day=f"2026-01-0{1 + day}")
    with stored(tmp_path / "compared.duckdb", told) as readers:
        second = compared_rows(readers, "leases units_used", since="2026-01-02", until="2026-01-02")
        third = compared_rows(readers, "leases", "day", since="2026-01-03", until="2026-01-03")
        by_day = compared_rows(readers, "leases", "day", since="2026-01-02", until="2026-01-03")

    assert second == [[1, 2, 1, 2]]
    assert third == [["2026-01-03", None, 1]]
    assert by_day == [["2026-01-02", 1, None], ["2026-01-03", None, 2]]
