"""A `.sql` file that is not as it must be: named and set aside, and nothing else stops."""

import html
import shutil
from pathlib import Path

import pytest

from contracts.analytics import Document, NamedQuery, ReportFormat, ReportPeriod, WriteReport
from contracts.base import Failed
from services.analytics import sql
from services.analytics.queries import Catalogue, StoreQuestion
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
    refused = catalogue.as_question(NamedQuery(name="daily"))

    assert sql.source_faults().keys() == {"daily"}
    assert isinstance(refused, Failed)
    assert refused.message.startswith("daily is set aside: daily.sql: ")
    assert isinstance(catalogue.as_question(NamedQuery(name="summary")), StoreQuestion)


@pytest.mark.parametrize("kind", ["schema", "macros", "rollups"])
def test_statements_that_rows_need_are_taken_without_their_header(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    for path in (folder / kind).glob("*.sql"):
        path.write_text("-- no header\n" + path.read_text())

    assert sql.source_faults().keys() == {source.name for source in sql.sources_of(kind)}
    with stored(tmp_path / "a.duckdb", history()) as readers:
        assert named(readers, "audit_rollups") == []


@pytest.mark.parametrize("body", ["select 1", "-- leases: broken.\nselect nothing from nowhere"])
def test_view_that_cannot_be_made_takes_only_those_with_it_that_stand_on_it(
    folder: Path, tmp_path: Path, body: str
) -> None:
    (folder / "views" / "servers.sql").write_text(body.replace("leases", "servers"))
    (folder / "views" / "keys.sql").write_text("-- keys: stands on it.\nselect * from servers")

    database = Database(tmp_path / "a.duckdb", MEMORY)
    refused = {*database.set_aside, *sql.source_faults()}
    found = database.cursor().execute("from sessions").fetchall()
    database.close()

    assert refused == {"servers", "keys"}
    assert found == []


def test_without_the_view_of_today_current_date_is_told_to_be_duckdbs_own(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "views" / "today.sql").write_text("select 1")

    database = Database(tmp_path / "a.duckdb", MEMORY)
    refused = {*database.set_aside, *sql.source_faults()}
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
        written = Reporter(readers, Catalogue()).write_report(
            WriteReport(period=ReportPeriod.DAILY)
        )

    assert isinstance(written, Document)
    assert written.text.count("Not answered") == 1
    assert "At a glance" in written.text


HOURS = "-- report_hours: broken.\n-- section 30 {}: Hour by hour\n{}"
CODES = "('a', 1), ('b', 2)"


@pytest.mark.parametrize(
    ("section", "select", "why"),
    [
        ("bars T", "select 1 as a", "its section names the column 'T', which it does not select"),
        ("line hour T", "select 1 as hour, 2 as a", "the column 'T', which it does not select"),
        ("bars a b", "select 1 as a, 'b' as b", "plots the column 'b', which holds more"),
        ("line a b", "select 1 as a, [1] as b", "plots the column 'b', which holds more"),
        ("bars a b", "select 1 as a, -1 as b", "plots the column 'b', which holds more"),
        ("bars a b", "select 1 as a, 'inf' as b", "plots the column 'b', which holds more than"),
        ("bars a b", "select 1 as a, 1e308 as b", "plots the column 'b', which holds more than"),
        ("bars a b", "select $x as a", "report_hours needs x: what it is"),
    ],
)
@pytest.mark.parametrize("form", ReportFormat)
def test_section_that_cannot_be_drawn_is_named_in_every_form_and_the_others_stand(
    folder: Path, tmp_path: Path, section: str, select: str, why: str, form: ReportFormat
) -> None:
    header = "-- $x (text): what it is\n" if "$x" in select else ""
    (folder / "reports" / "report_hours.sql").write_text(HOURS.format(section, header + select))

    with stored(tmp_path / "a.duckdb", history()) as readers:
        wanted = WriteReport(period=ReportPeriod.DAILY, format=form)
        written = Reporter(readers, Catalogue()).write_report(wanted)

    assert isinstance(written, Document)
    assert why in html.unescape(written.text)
    assert written.text.count("Not answered") == 1
    assert "At a glance" in written.text


@pytest.mark.parametrize("form", ReportFormat)
@pytest.mark.parametrize(
    ("section", "select"),
    [
        ("bars a", "select a, b from (values ('x', 1), ('y', -1), (null, -2)) as t (a, b)"),
        ("line a", "select 1 as a, null as b, 'inf'::double as c, true as d"),
        ("bars day b", "select null as day, 0 as b union all select '2026-01-01', 2**80"),
        ("table", f"select *, {{'a': [1]}} as s, interval 1 year as i from (values {CODES})"),
        ("figures", "select null as a, 'x' as b, 2**100 as c, [1, 2] as d, 0 as e_rate"),
        ("figures", "select 1 as a where false"),
    ],
)
def test_any_rows_are_written_in_every_form(
    folder: Path, tmp_path: Path, section: str, select: str, form: ReportFormat
) -> None:
    (folder / "reports" / "report_hours.sql").write_text(HOURS.format(section, select))

    with stored(tmp_path / "a.duckdb", history()) as readers:
        wanted = WriteReport(period=ReportPeriod.WEEKLY, format=form)
        written = Reporter(readers, Catalogue()).write_report(wanted)

    assert isinstance(written, Document)
    assert "Not answered" not in written.text
    assert "Hour by hour" in written.text


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "-- $what (number): any",
            "expected the parameters $what to be text, integer or date, got",
        ),
        ("-- $what (integer = many): any", "expected what to be a whole number from 0"),
        ("-- $what (date = 2026-W01-1): any", "expected what to be a date such as 2026-01-31"),
        ("-- section " + "9" * 5000 + " table: any", "expected `-- section <number>"),
    ],
)
def test_query_whose_header_promises_what_is_not_there_is_named(
    folder: Path, line: str, why: str
) -> None:
    used = "$what" if "$what" in line else "1"
    (folder / "queries" / "daily.sql").write_text(f"-- daily: spoiled.\n{line}\nselect {used}")

    catalogue = Catalogue()
    refused = catalogue.as_question(NamedQuery(name="daily", parameters={"what": "1"}))

    assert catalogue.set_aside.keys() == {"daily"}
    assert isinstance(refused, Failed)
    assert refused.message.startswith("daily is set aside: daily.sql: ")
    assert why in refused.message
    assert isinstance(catalogue.as_question(NamedQuery(name="summary")), StoreQuestion)
