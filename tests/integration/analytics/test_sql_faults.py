"""A `.sql` file that is not as it must be: named and set aside, and nothing else stops."""

import shutil
from pathlib import Path

import pytest

from contracts.analytics import Document, NamedQuery, ReportPeriod, WriteReport
from contracts.base import Failed
from services.analytics import sql
from services.analytics.queries import Catalogue, Question
from services.analytics.reports import Reporter
from services.analytics.sql import sources
from services.analytics.store import Database, StoreError
from tests.integration.analytics.parts import MEMORY, history, named, stored


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `.sql` files, to be spoiled."""
    there = tmp_path / "sql"
    shutil.copytree(Path(sources.__file__).parent, there)
    monkeypatch.setattr(sources, "_HERE", there)
    return there


@pytest.mark.parametrize(
    "body", [b"", b"select 1", b"\xff\xfe", b"-- daily: of one too few.\nselect $what"]
)
def test_query_of_a_bad_header_is_named_and_the_others_answer(folder: Path, body: bytes) -> None:
    (folder / "queries" / "daily.sql").write_bytes(body)

    catalogue = Catalogue()
    refused = catalogue.question(NamedQuery(name="daily"))

    assert sql.faults().keys() == {"daily"}
    assert isinstance(refused, Failed)
    assert refused.message.startswith("daily is set aside: daily.sql: ")
    assert isinstance(catalogue.question(NamedQuery(name="summary")), Question)


@pytest.mark.parametrize("kind", ["schema", "macros", "rollups"])
def test_statements_that_rows_need_are_taken_without_their_header(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    for path in (folder / kind).glob("*.sql"):
        path.write_text("-- no header\n" + path.read_text())

    assert sql.faults().keys() == {source.name for source in sql.folder(kind)}
    with stored(tmp_path / "a.duckdb", history()) as readers:
        assert named(readers, "audit_rollups") == []


@pytest.mark.parametrize("body", ["select 1", "-- leases: broken.\nselect nothing from nowhere"])
def test_view_that_cannot_be_made_takes_only_those_with_it_that_stand_on_it(
    folder: Path, tmp_path: Path, body: str
) -> None:
    (folder / "views" / "servers.sql").write_text(body.replace("leases", "servers"))
    (folder / "views" / "keys.sql").write_text("-- keys: stands on it.\nselect * from servers")

    database = Database(tmp_path / "a.duckdb", MEMORY)
    refused = {*database.set_aside, *sql.faults()}
    found = database.cursor().execute("from sessions").fetchall()
    database.close()

    assert refused == {"servers", "keys"}
    assert found == []


def test_without_the_view_of_today_current_date_is_told_to_be_duckdbs_own(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "views" / "today.sql").write_text("select 1")

    database = Database(tmp_path / "a.duckdb", MEMORY)
    refused = {*database.set_aside, *sql.faults()}
    found = database.cursor().execute("select current_date is not null").fetchall()
    database.close()

    assert {"today", "current_date"} <= refused
    assert found == [(True,)]


def test_views_that_stand_in_a_circle_are_set_aside(folder: Path, tmp_path: Path) -> None:
    (folder / "views" / "servers.sql").write_text("-- servers: of keys.\nselect * from keys")
    (folder / "views" / "keys.sql").write_text("-- keys: of servers.\nselect * from servers")

    database = Database(tmp_path / "a.duckdb", MEMORY)
    refused = {*database.set_aside}
    database.close()

    assert {"servers", "keys"} <= refused
    assert "progress" not in refused


@pytest.mark.parametrize("kind", ["schema", "macros"])
def test_statement_that_rows_need_and_that_fails_is_named(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    path = max((folder / kind).glob("*.sql"))
    path.write_text(f"-- {path.stem}: broken.\nselect nothing from nowhere")

    with pytest.raises(StoreError, match=rf"^{path.name}: "):
        Database(tmp_path / "a.duckdb", MEMORY)


def test_rollup_that_fails_is_named(folder: Path, tmp_path: Path) -> None:
    path = folder / "rollups" / "days.sql"
    path.write_text("-- days: broken.\ninsert into ledger.nowhere select 1")

    with (
        pytest.raises(StoreError, match=r"^days\.sql: Catalog"),
        stored(tmp_path / "a.duckdb", history()),
    ):
        pass


def test_section_that_fails_says_so_and_the_report_has_the_others(
    folder: Path, tmp_path: Path
) -> None:
    path = folder / "reports" / "report_hours.sql"
    path.write_text(path.read_text().replace("from lease_facts", "from nowhere"))

    with stored(tmp_path / "a.duckdb", history()) as readers:
        written = Reporter(readers, Catalogue()).write(WriteReport(period=ReportPeriod.DAILY))

    assert isinstance(written, Document)
    assert written.text.count("Not answered") == 1
    assert "At a glance" in written.text
