"""A report: the sections of a period, asked one after the other, and written as wanted."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import msgspec

from contracts.analytics import Document, NamedQuery, ReportFormat, ReportPeriod, WriteReport
from contracts.base import Failed, day_of
from runtime.texts import as_quoted
from services.analytics.queries import Catalogue, StoreQuestion
from services.analytics.reports import markdown, page
from services.analytics.reports.findings import Report, ReportFinding
from services.analytics.sql import Source
from services.analytics.store import QuestionError, Readers

_ROWS_MAX = 1000
_DAYS = {ReportPeriod.DAILY: 1, ReportPeriod.WEEKLY: 7}
_TODAY = (
    "select day, if(reset_hour = 0, zone, format('{} from {:02d}:00', zone, reset_hour)), now"
    " from today"
)
_WRITERS: dict[ReportFormat, Callable[[Report], str]] = {
    ReportFormat.HTML: page.as_page,
    ReportFormat.MARKDOWN: markdown.as_markdown,
    ReportFormat.JSON: lambda report: msgspec.json.encode(report).decode(),
}


class Reporter:
    """Writes reports from the projections."""

    def __init__(self, readers: Readers, catalogue: Catalogue) -> None:
        """Find the sections."""
        self._readers = readers
        self._catalogue = catalogue
        sources = [source for source in catalogue.sources.values() if source.section is not None]
        self._sources = sorted(sources, key=_section_order)

    def write_report(self, wanted: WriteReport) -> Document | Failed:
        """Write one report, or say what was wrong with the question."""
        try:
            report = self._build_report(wanted)
        except QuestionError as error:
            return Failed(code="bad_request", message=str(error))
        except OverflowError:
            what = "date: expected one with a few weeks of the calendar on either side"
            return Failed(code="bad_request", message=f"{what}, got {as_quoted(wanted.day)}")
        return Document(text=_WRITERS[wanted.format](report), sequence=report.sequence)

    def _build_report(self, wanted: WriteReport) -> Report:
        """Ask every section of the period. Raises `QuestionError`, `OverflowError`."""
        answer = self._readers.ask_rows(_TODAY, 1)
        today, zone = date.fromisoformat(answer.rows[0][0]), str(answer.rows[0][1])
        last = _read_day(wanted.day) if wanted.day else today
        days = _DAYS[wanted.period]
        since, until = last - timedelta(days=days - 1), last + timedelta(days=1)
        return Report(
            period=wanted.period,
            since=since.isoformat(),
            last=last.isoformat(),
            unfinished=last >= today,
            quota_timezone=zone,
            written_at=str(answer.rows[0][2]),
            sequence=answer.sequence,
            sections=[self._build_finding(source, since, until) for source in self._sources],
        )

    def _build_finding(self, source: Source, since: date, until: date) -> ReportFinding:
        """Ask one section; why it fails, if it does, stands in its prose."""
        section = source.section
        assert section is not None
        before: list[Any] = []
        prose = section.prose
        try:
            columns, rows = self._ask_source(source, since, until)
            if section.shape == "figures":
                earlier = self._ask_source(source, since - (until - since), since)[1]
                before = earlier[0] if earlier else []
        except QuestionError as error:  # one section that fails is no reason for no report
            columns, rows, prose = [], [], _no_answer(str(error))
        finding = ReportFinding(
            name=source.name,
            title=section.title,
            shape=section.shape,
            over=section.over,
            plotted=section.plotted,
            prose=prose,
            columns=columns,
            rows=rows,
            before=before,
        )
        fault = finding.plot_fault() if rows else None
        if fault:
            prose = _no_answer(f"{source.name}.sql: {fault}")
            finding = msgspec.structs.replace(finding, prose=prose, columns=[], rows=[])
        return finding

    def _ask_source(
        self, source: Source, since: date, until: date
    ) -> tuple[list[str], list[list[Any]]]:
        given = {"since": since.isoformat(), "until": until.isoformat()}
        parameters = {name: given[name] for name in source.parameters if name in given}
        question = self._catalogue.as_question(NamedQuery(name=source.name, parameters=parameters))
        if not isinstance(question, StoreQuestion):
            raise QuestionError(question.message)
        result = self._readers.ask_rows(question.sql, _ROWS_MAX, question.parameters)
        return result.columns, result.rows


def _no_answer(why: str) -> str:
    return f"Not answered: {' '.join(why.split())}"


def _section_order(source: Source) -> tuple[int, str]:
    assert source.section is not None
    return source.section.place, source.name


def _read_day(text: str) -> date:
    day = day_of(text)
    if day is None:
        raise QuestionError(f"date: expected a date such as 2026-01-31, got {as_quoted(text)}")
    return day
