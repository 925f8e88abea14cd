"""A report: the sections of a period, asked one after the other, and written as wanted."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import msgspec

from contracts.analytics import Document, NamedQuery, ReportFormat, ReportPeriod, WriteReport
from contracts.base import Failed, day_of
from services.analytics.queries import Catalogue, Question
from services.analytics.reports import markdown, page
from services.analytics.reports.findings import Finding, Report
from services.analytics.sql import Source
from services.analytics.store import QuestionError, Readers

_ROWS_MAX = 1000
_DAYS = {ReportPeriod.DAILY: 1, ReportPeriod.WEEKLY: 7}
_TODAY = "select day, zone, now from today"
_WRITERS: dict[ReportFormat, Callable[[Report], str]] = {
    ReportFormat.HTML: page.written,
    ReportFormat.MARKDOWN: markdown.written,
    ReportFormat.JSON: lambda report: msgspec.json.encode(report).decode(),
}


class Reporter:
    """Writes reports from the projections."""

    def __init__(self, readers: Readers, catalogue: Catalogue) -> None:
        """Find the sections."""
        self._readers = readers
        self._catalogue = catalogue
        found = [source for source in catalogue.sources.values() if source.section is not None]
        self._sources = sorted(found, key=_place)

    def write(self, wanted: WriteReport) -> Document | Failed:
        """Write one report, or say what was wrong with the question."""
        try:
            report = self._report(wanted)
        except QuestionError as error:
            return Failed(code="bad_request", message=str(error))
        except OverflowError:
            what = "date: expected one with a few weeks of the calendar on either side"
            return Failed(code="bad_request", message=f"{what}, got {wanted.day!r}")
        return Document(text=_WRITERS[wanted.format](report), sequence=report.sequence)

    def _report(self, wanted: WriteReport) -> Report:
        found = self._readers.ask(_TODAY, 1)
        today, zone = date.fromisoformat(found.rows[0][0]), str(found.rows[0][1])
        last = _day(wanted.day) if wanted.day else today
        days = _DAYS[wanted.period]
        since, until = last - timedelta(days=days - 1), last + timedelta(days=1)
        return Report(
            period=wanted.period,
            since=since.isoformat(),
            last=last.isoformat(),
            unfinished=last >= today,
            quota_timezone=zone,
            written_at=str(found.rows[0][2]),
            sequence=found.sequence,
            sections=[self._finding(source, since, until) for source in self._sources],
        )

    def _finding(self, source: Source, since: date, until: date) -> Finding:
        section = source.section
        assert section is not None
        before: list[Any] = []
        prose = section.prose
        try:
            columns, rows = self._asked(source, since, until)
            if section.shape == "figures":
                earlier = self._asked(source, since - (until - since), since)[1]
                before = earlier[0] if earlier else []
        except QuestionError as error:  # one section that fails is no reason for no report
            columns, rows, prose = [], [], _unanswered(str(error))
        found = Finding(
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
        fault = found.fault() if rows else ""
        if fault:
            prose = _unanswered(f"{source.name}.sql: {fault}")
            found = msgspec.structs.replace(found, prose=prose, columns=[], rows=[])
        return found

    def _asked(self, source: Source, since: date, until: date) -> tuple[list[str], list[list[Any]]]:
        given = {"since": since.isoformat(), "until": until.isoformat()}
        parameters = {name: given[name] for name in source.parameters if name in given}
        question = self._catalogue.question(NamedQuery(name=source.name, parameters=parameters))
        if not isinstance(question, Question):
            raise QuestionError(question.message)
        found = self._readers.ask(question.sql, _ROWS_MAX, question.parameters)
        return found.columns, found.rows


def _unanswered(why: str) -> str:
    return f"Not answered: {' '.join(why.split())}"


def _place(source: Source) -> tuple[int, str]:
    assert source.section is not None
    return source.section.place, source.name


def _day(text: str) -> date:
    found = day_of(text)
    if found is None:
        raise QuestionError(f"date: expected a date such as 2026-01-31, got {text!r}")
    return found
