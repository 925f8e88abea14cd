"""How reports are written: figures, axes, plots, Markdown and the page."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from services.analytics import sql
from services.analytics.reports import markdown, page
from services.analytics.reports.findings import Report, ReportFinding
from services.analytics.reports.plots import section_plot
from services.analytics.reports.scale import axis_ticks, label_places
from services.analytics.reports.wording import change_text, column_label, figure_text, size_text

HOSTILE = '</text><script>alert(1)</script>|[x](y)"'


def report_section(**changes: object) -> ReportFinding:
    given: dict[str, object] = {
        "name": "report_x",
        "title": "By thing",
        "shape": "bars",
        "over": "thing",
        "plotted": ["settled", "failed"],
        "columns": ["thing", "settled", "failed", "latency_p50_ms"],
        "rows": [["one", 30, 2, 120.0], [HOSTILE, 0, 5, None]],
    }
    return ReportFinding(**(given | changes))  # type: ignore[arg-type]


def report(*sections: ReportFinding) -> Report:
    return Report(
        period="daily",
        since="2026-01-01",
        last="2026-01-01",
        unfinished=True,
        quota_timezone="UTC",
        written_at="2026-01-01T12:00:00Z",
        sequence=7,
        sections=list(sections),
    )


def drawn(found: ReportFinding) -> ET.Element:
    """The plot as a tree: it must be well-formed."""
    svg = section_plot(found)
    return ET.fromstring(svg[svg.index("<svg") : -len("</div>")])


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("units", 1234567, "1,234,567"),
        ("share_rate", 0.125, "12.5 %"),
        ("latency_p50_ms", 999.4, "999 ms"),
        ("latency_p50_ms", 1500.0, "1.50 s"),
        ("latency_p50_ms", 90_000.0, "1.5 min"),
        ("bytes_out", 999, "999 B"),
        ("bytes_out", 1_500_000, "1.5 MB"),
        ("ended_at", "2026-01-01T12:34:56Z", "2026-01-01 12:34"),
        ("hour", "2026-01-01T12:00:00Z", "2026-01-01 12:00"),
        ("health_score", 95.25, "95.2"),
        ("idempotent", True, "yes"),
        ("idempotent", False, "no"),
        ("name", "", "—"),
        ("latency_p50_ms", None, "—"),
        ("name", "x", "x"),
    ],
)
def test_a_figure_is_written_by_the_name_of_its_column(
    column: str, value: object, shown: str
) -> None:
    assert figure_text(column, value) == shown


def test_sizes_have_no_end() -> None:
    assert size_text(5e15) == "5000.0 TB"
    assert column_label("latency_p50_ms") == "latency p50"


@pytest.mark.parametrize(
    ("column", "now", "before", "shown"),
    [
        ("units", 150, 100, "▲ 50 %"),
        ("units", 50, 100, "▼ 50 %"),
        ("units", 5, 5, "as before"),
        ("units", 5, 0, "▲ from 0"),
        ("failure_rate", 0.25, 0.20, "▲ 5.0 points"),
        ("units", None, 5, ""),
        ("units", 5, None, ""),
    ],
)
def test_a_change_is_told_in_shares_or_in_points(
    column: str, now: object, before: object, shown: str
) -> None:
    assert change_text(column, now, before) == shown


@pytest.mark.parametrize(
    ("greatest", "marks"),
    [
        (0, [0.0, 1.0]),
        (3, [0.0, 1.0, 2.0, 3.0]),
        (445, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]),
        (0.5, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    ],
)
def test_axes_have_round_marks_that_reach_the_greatest(greatest: float, marks: list[float]) -> None:
    assert axis_ticks(greatest) == pytest.approx(marks)


def test_labels_are_thinned_to_the_room_there_is() -> None:
    assert label_places(5, 12) == [0, 1, 2, 3, 4]
    assert len(label_places(168, 8)) == 8


@pytest.mark.parametrize("shape", ["bars", "line"])
@pytest.mark.parametrize("over", ["day", "hour", "thing"])
def test_every_plot_is_well_formed_with_a_title_on_each_mark(shape: str, over: str) -> None:
    rows = [[f"2026-01-0{n}T05:00:00Z", n, 9 - n, 1.0] for n in range(1, 9)]
    rows[3][1] = None
    found = report_section(
        shape=shape, over=over, columns=[over, "settled", "failed", "latency_p50_ms"], rows=rows
    )
    titles = [title.text for title in drawn(found).iter("title")]

    assert len(titles) == 15
    assert all("settled" in str(title) or "failed" in str(title) for title in titles)


def test_a_plot_of_times_has_time_on_its_axis() -> None:
    rows = [["2026-01-01", 100.0, 2500.0], ["2026-01-02", None, 3000.0]]
    columns = ["day", "latency_p50_ms", "latency_p95_ms"]
    found = report_section(shape="line", over="day", columns=columns, rows=rows, plotted=[])
    texts = [text.text for text in drawn(found).iter("text")]

    assert {"time", "quota day", "1 s", "01-02"} <= set(texts)


def test_nothing_to_see_draws_nothing() -> None:
    assert section_plot(report_section(rows=[["one", 0, 0, 1.0]])) == ""
    assert section_plot(report_section(rows=[])) == ""


def test_long_names_are_cut_and_told_whole() -> None:
    title = next(drawn(report_section(rows=[["x" * 60, 1, 0, 1.0]])).iter("title"))

    assert title.text == "x" * 60


def test_markdown_keeps_what_clients_wrote_inside_its_cell() -> None:
    text = markdown.as_markdown(
        report(report_section(), report_section(rows=[], title="Empty", prose="Why."))
    )
    lines = text.splitlines()

    assert lines[0] == "# Tidegate daily report: 2026-01-01"
    assert "the last day goes on" in text
    assert "&lt;script&gt;" in text
    assert "<" not in text
    assert "\\[x\\](y)" in text
    assert text.endswith("## Empty\n\nWhy.\n\nNothing.\n")
    widths = {len(line) for line in lines if line.startswith("|")}
    assert len(widths) == 1


def test_days_without_anything_share_a_line_in_markdown() -> None:
    """Three and more in a row do; what is no span of time, or has something, stands as it is."""
    days = [[f"2026-01-0{day}", 0, 0, None] for day in range(1, 8)]
    days[3] = ["2026-01-04", 2, 0, 8.0]
    of_days: dict[str, Any] = {"over": "day", "columns": ["day", "settled", "failed", "ms"]}
    trend, short = (report_section(**of_days, rows=rows) for rows in (days, days[:2]))
    things = report_section(rows=[[f"thing-{n}", 0, 0, None] for n in range(4)])

    def first_cells(section: ReportFinding) -> list[str]:
        lines = markdown.as_markdown(report(section)).splitlines()
        return [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:]

    assert first_cells(trend) == [
        "2026-01-01 to 2026-01-03",
        "2026-01-04",
        "2026-01-05 to 2026-01-07",
    ]
    assert first_cells(short) == ["2026-01-01", "2026-01-02"]
    assert first_cells(things) == ["thing-0", "thing-1", "thing-2", "thing-3"]


@pytest.mark.parametrize("write", [markdown.as_markdown, page.as_page])
def test_report_holds_nothing_that_commands_a_terminal_or_a_reader(write: Any) -> None:
    evil = "`</code><img src=x onerror=alert(1)>`\x1b[2J\u202e&lt;"
    text = write(report(report_section(rows=[[evil, 1, 2, 3.0]])))

    assert "<img" not in text
    assert "&amp;lt;" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_figures_stand_beside_those_of_the_period_before() -> None:
    figures = report_section(
        shape="figures", columns=["units", "failure_rate"], rows=[[150, 0.5]], before=[100, None]
    )
    told = markdown.as_markdown(report(figures))
    shown = page.as_page(report(figures))

    assert re.search(r"\| units +\| +150 \| +100 \| +▲ 50 % \|", told)
    assert re.search(r"\| failure rate +\| 50.0 % \| +— \| +\|", told)
    assert "before: 100" in shown
    assert "▲ 50 %" in shown


def test_the_page_loads_and_runs_nothing() -> None:
    long = report_section(rows=[[f"n{n}", n, 1, 1.0] for n in range(9)])
    told = report_section(prose="`tidegate leases` settles")
    text = page.as_page(
        report(told, long, report_section(shape="table", rows=[]), report_section(rows=[]))
    )

    assert "<script" not in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    assert "&lt;script&gt;" in text
    assert "<details><summary>9 rows</summary>" in text
    assert "<code>tidegate leases</code> settles" in text
    assert text.count('<p class="nothing">Nothing.</p>') == 2


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("-- section ten table: Ten", "expected `-- section"),
        ("-- section 10 pie thing: Pie", "expected `-- section"),
        ("-- section 10 bars: Bars over nothing", "expected `-- section"),
        ("-- section 10 table thing: A table over something", "expected `-- section"),
    ],
)
def test_a_section_line_that_does_not_fit_is_refused(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "q.sql"
    path.write_text(f"-- q: a query.\n{line}\nselect 1")

    with pytest.raises(sql.SourceError, match=wrong):
        sql.read_source(path)


def test_every_report_section_takes_the_period_and_names_columns_it_has() -> None:
    sources = sql.sources_of("reports")

    assert {"report_totals", "report_unknown"} <= {source.name for source in sources}
    for source in sources:
        assert source.section is not None, source.name
        assert set(source.parameters) == {"since", "until"}, source.name
    places = [source.section.place for source in sources if source.section]
    assert len(set(places)) == len(places)
