"""Reports over real projections, and over HTTP."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.analytics import Document, ReportFormat, ReportPeriod, WriteReport
from contracts.base import Failed
from services.analytics import sql
from services.analytics.queries import Catalogue
from services.analytics.reports import Reporter
from services.analytics.store import Readers
from tests.integration.analytics.parts import history, named, stored
from tests.integration.gateway.office import office
from tests.moments import NOON
from tests.unit.analytics.builders import used

ADDED = """-- report_busiest: sessions by leases.
-- section 55 bars session leases: Busiest sessions
-- $since, $until (date): quota days, the second one excluded.
select session, count(*) as leases from lease_facts
where day >= $since and day < $until group by session order by leases desc
"""


def report_of(readers: Readers, period: str = "daily", day: str = "2026-01-01") -> dict[str, Any]:
    wanted = WriteReport(period=ReportPeriod(period), day=day, format=ReportFormat.JSON)
    found = Reporter(readers, Catalogue()).write_report(wanted)
    assert isinstance(found, Document), found
    report: dict[str, Any] = json.loads(found.text)
    return report


def figures_section(report: dict[str, Any]) -> dict[str, Any]:
    (section,) = (one for one in report["sections"] if one["shape"] == "figures")
    return dict(zip(section["columns"], section["rows"][0], strict=True))


def test_a_day_is_told_beside_the_day_before(tmp_path: Path) -> None:
    with stored(tmp_path / "a.duckdb", history()) as readers:
        report = report_of(readers)
        week = report_of(readers, "weekly")
        today = report_of(readers, day="")
        later = report_of(readers, day="2030-01-01")

    assert (report["since"], report["last"], report["unfinished"]) == (
        "2026-01-01",
        "2026-01-01",
        True,
    )
    found = figures_section(report)
    assert (found["requests"], found["refused"], found["units_used"]) == (8, 5, 4)
    assert report["sections"][0]["before"][:3] == [2, 0, 2]
    assert (week["since"], figures_section(week)["requests"]) == ("2025-12-26", 10)
    assert today["sections"] == report["sections"]
    assert figures_section(later)["requests"] == 0


def test_sections_stand_in_order_and_hold_what_they_plot(tmp_path: Path) -> None:
    with stored(tmp_path / "a.duckdb", history()) as readers:
        report = report_of(readers)

    titles = [section["title"] for section in report["sections"]]
    by_name = {section["name"]: section for section in report["sections"]}

    assert titles[:2] == ["At a glance", "The last four weeks"]
    for section in report["sections"]:
        assert {section["over"], *section["plotted"]} - {""} <= set(section["columns"]), section
    assert [row[0] for row in by_name["report_unknown"]["rows"]] == ["b.1"]
    assert by_name["report_errors"]["rows"][0] == ["refused · pool_quota_exhausted", 0, 5, 0]
    image = next(row for row in by_name["report_utilisation"]["rows"] if row[0] == "image")
    assert image == ["image", 30, 3, 27, 0.1, 0]


def test_adding_a_statistic_is_adding_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(Path(sql.__file__).parent, folder, ignore=shutil.ignore_patterns("*.py*"))
    (folder / "reports" / "report_busiest.sql").write_text(ADDED)
    monkeypatch.setattr(sql.sources, "_HERE", folder)

    with stored(tmp_path / "a.duckdb", history()) as readers:
        sections = report_of(readers)["sections"]
        asked = named(readers, "report_busiest", since="2026-01-01", until="2026-01-02")
        wanted = WriteReport(period=ReportPeriod.DAILY, day="2026-01-01", format=ReportFormat.HTML)
        page = Reporter(readers, Catalogue()).write_report(wanted)

    titles = [section["title"] for section in sections]
    assert titles.index("Busiest sessions") == titles.index("By service type") + 1
    assert asked == [{"session": "s1", "leases": 8}]
    assert isinstance(page, Document)
    assert "<h2>Busiest sessions</h2>" in page.text


def test_a_section_that_fails_is_named(tmp_path: Path) -> None:
    catalogue = Catalogue()
    wrong = tmp_path / "report_wrong.sql"
    wrong.write_text(ADDED.replace("report_busiest", "report_wrong").replace("lease_facts", "none"))
    catalogue.sources = {"report_wrong": sql.read_source(wrong)}
    daily = WriteReport(period=ReportPeriod.DAILY)

    with stored(tmp_path / "a.duckdb", history()) as readers:
        found = Reporter(readers, catalogue).write_report(daily)
        misdated = Reporter(readers, catalogue).write_report(
            WriteReport(period=ReportPeriod.DAILY, day="2026-02-30")
        )

        ends = [
            Reporter(readers, Catalogue()).write_report(
                WriteReport(period=ReportPeriod.WEEKLY, day=day)
            )
            for day in ("0001-01-01", "9999-12-31")
        ]

    assert [(one.code, one.message[:47]) for one in ends if isinstance(one, Failed)] == [
        ("bad_request", "date: expected one with a few weeks of the cale")
    ] * 2
    assert isinstance(found, Document)
    assert "Not answered: Catalog Error: Table with name none does not exist" in found.text
    assert isinstance(misdated, Failed)
    assert misdated.message == "date: expected a date such as 2026-01-31, got '2026-02-30'"


@pytest.mark.anyio
async def test_reports_are_answered_in_each_format_and_wrong_words_refused(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path) as front:
        headers = {"authorization": f"Bearer {front.admin}"}
        answers = {
            form: await front.http.get(
                f"/api/reports/daily?date=2026-01-01&format={form}", headers=headers
            )
            for form in ReportFormat
        }
        default = await front.http.get("/api/reports/weekly", headers=headers)
        day = await front.refused("GET", "/api/reports/daily?date=today", 400)
        form = await front.refused("GET", "/api/reports/daily?format=pdf", 400)
        yearly = await front.refused("GET", "/api/reports/yearly", 404)

    assert [answer.status_code for answer in answers.values()] == [200, 200, 200]
    assert answers[ReportFormat.HTML].text.startswith("<!doctype html>")
    html_page = answers[ReportFormat.HTML]
    own = html_page.text.partition('Policy" content="')[2].partition('"')[0]
    assert html_page.headers["content-security-policy"] == f"{own}; sandbox"
    assert own.startswith("default-src 'none'; style-src 'sha256-")
    assert " style=" not in html_page.text
    assert answers[ReportFormat.MARKDOWN].text.startswith("# Tidegate daily report: 2026-01-01")
    assert answers[ReportFormat.JSON].json()["since"] == "2026-01-01"
    kinds = [answer.headers["content-type"] for answer in (*answers.values(), default)]
    html, markdown = "text/html; charset=utf-8", "text/markdown; charset=utf-8"
    assert kinds == [html, markdown, "application/json", html]
    assert (day["param"], form["param"]) == ("date", "format")
    assert "there are: daily, weekly" in yearly["message"]


def test_hours_are_those_about_the_days_however_far_off_the_log_dates_one(tmp_path: Path) -> None:
    story = history()
    for name, year in (("past", 3), ("future", 9000)):
        moment = NOON.replace(year=year)
        story.lease(name, used(name, service_type="image"), at=moment)
    with stored(tmp_path / "a.duckdb", story) as readers:
        report = report_of(readers)

    (section,) = (one for one in report["sections"] if one["name"] == "report_hours")
    hours = [row[0] for row in section["rows"]]

    assert "Not answered" not in section["prose"]
    assert (hours[0], hours[-1], len(hours)) == ("2025-12-31T00:00:00Z", "2026-01-03T00:00:00Z", 73)
    noon = section["rows"][hours.index("2026-01-01T12:00:00Z")]
    assert noon[section["columns"].index("settled")] > 0


@pytest.mark.parametrize("day", ["2026-W01-1", "2026-1-1", "20260101", "２０２６-01-01"])  # noqa: RUF001
def test_day_of_a_report_is_written_in_one_way(tmp_path: Path, day: str) -> None:
    wanted = WriteReport(period=ReportPeriod.DAILY, day=day)
    with stored(tmp_path / "a.duckdb", history()) as readers:
        refused = Reporter(readers, Catalogue()).write_report(wanted)

    assert isinstance(refused, Failed)
    assert refused.message == f"date: expected a date such as 2026-01-31, got {day!r}"
