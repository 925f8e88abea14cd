"""Questions by name, their parameters checked and typed; and statistics, in words of their own.

Named queries are the files of `sql/queries` and `sql/reports`.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from contracts.analytics import NamedQuery, Statistics
from contracts.base import Failed, day_of
from runtime.texts import as_quoted
from services.analytics import sql
from services.analytics.domain.questions.statistics import StatisticsError, statistics_statement
from services.analytics.sql import Parameter, Source


class StoreQuestion(msgspec.Struct, frozen=True):
    """What the store is asked."""

    sql: str
    parameters: dict[str, Any]


class Catalogue:
    """Every named query, read once."""

    def __init__(self) -> None:
        """Read `sql/queries` and `sql/reports`, but for those whose header is wrong."""
        sources = {
            source.name: source
            for kind in ("queries", "reports")
            for source in sql.sources_of(kind)
        }
        faults = {
            name: fault for name, source in sources.items() if (fault := _default_fault(source))
        }
        self.sources: Mapping[str, Source] = {
            name: source for name, source in sources.items() if name not in faults
        }
        self.set_aside: Mapping[str, str] = sql.source_faults() | faults
        """Files that are no source, by name, and why."""

    def as_question(self, asked: NamedQuery | Statistics) -> StoreQuestion | Failed:
        """Say what the store is to be asked, or what was wrong and what there is instead."""
        if isinstance(asked, NamedQuery):
            return self._named_question(asked)
        return _statistics_question(asked)

    def _named_question(self, asked: NamedQuery) -> StoreQuestion | Failed:
        """Look a query up and type its parameters."""
        source = self.sources.get(asked.name)
        if source is None:
            what, why = f"there is no query {as_quoted(asked.name)}", self.set_aside.get(asked.name)
            if why:
                what = f"{asked.name} is set aside: {why}"
            return _unknown_name(what, self.sources)
        unknown = sorted(asked.parameters.keys() - source.parameters.keys())
        if unknown:
            what = f"{asked.name} has no parameter {as_quoted(unknown[0])}"
            return _unknown_name(what, source.parameters)
        typed: dict[str, Any] = {}
        for name, parameter in source.parameters.items():
            value = asked.parameters.get(name, parameter.default)
            if value is None:
                what = f"{asked.name} needs {name}: {parameter.meaning}"
                return _unknown_name(what, source.parameters)
            try:
                typed[name] = _TYPES[parameter.type](value)
            except ValueError:
                return Failed(
                    code="bad_request",
                    message=f"{asked.name}: {_expectation(parameter)}, got {as_quoted(value)}",
                )
        days = sorted(value for value in typed.values() if isinstance(value, date))
        if days and (days[-1] - days[0]).days > _DAYS_MAX:
            return Failed(
                code="bad_request",
                message=f"{asked.name}: expected days at most {_DAYS_MAX} apart,"
                f" got {days[0]} and {days[-1]}",
            )
        return StoreQuestion(source.sql, typed)


def _statistics_question(asked: Statistics) -> StoreQuestion | Failed:
    try:
        statement = statistics_statement(asked)
    except StatisticsError as error:
        return Failed(code="bad_request", message=str(error))
    return StoreQuestion(statement.sql, statement.parameters)


def _unknown_name(what: str, existing: Mapping[str, object]) -> Failed:
    there = ", ".join(sorted(existing)) or "none"
    return Failed(code="bad_request", message=f"{what}; there are: {there}")


def _default_fault(source: Source) -> str | None:
    """Say which parameter has a default that is none; None when all can be taken."""
    for parameter in source.parameters.values():
        try:
            if parameter.default is not None:
                _TYPES[parameter.type](parameter.default)
        except ValueError:
            fault = f"{_expectation(parameter)}, its default is {parameter.default!r}"
            return f"{source.name}.sql: {fault}"
    return None


def _expectation(parameter: Parameter) -> str:
    return f"expected {parameter.name} to be {_EXPECTED[parameter.type]}"


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(value)


def _as_integer(value: object) -> int:
    """Take a whole number that is not negative, also written as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _INTEGER_MAX:
        raise ValueError(value)
    return value


def _as_date(value: object) -> date:
    day = day_of(_as_text(value))
    if day is None:
        raise ValueError(value)
    return day


_INTEGER_MAX = 1_000_000
_DAYS_MAX = 36_600
"""A century: a trend has a row for each day, and DuckDB's memory is shared with ingest."""
_TYPES: dict[str, Callable[[object], object]] = {
    "text": _as_text,
    "integer": _as_integer,
    "date": _as_date,
}
_EXPECTED = {
    "text": "text",
    "integer": f"a whole number from 0 to {_INTEGER_MAX}",
    "date": "a date such as 2026-01-31",
}
