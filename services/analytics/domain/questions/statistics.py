"""From a question in the words of `measures` to SQL: pure, and never a client's text in it.

Names are looked up, values travel as parameters; so nothing a client writes can become SQL.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from contracts.analytics import Statistics
from contracts.base import day_of
from services.analytics.domain.questions.measures import DIMENSIONS, MEASURES

_FILTERS_MAX = 20
_VALUES_MAX = 100
_DAYS = 7
"""What is asked about when no day is named: so many quota days, today's included."""


class StatisticsError(Exception):
    """A question in words there are not; the message names the wrong one and those there are."""


class Statement(msgspec.Struct, frozen=True):
    """One SELECT and its parameters."""

    sql: str
    parameters: dict[str, Any]


class _Filter(msgspec.Struct, frozen=True):
    dimension: str
    values: list[str]
    excluding: bool


def statement(asked: Statistics) -> Statement:
    """Write the SELECT that answers. Raises `StatisticsError`."""
    measures = _known("measures", asked.measures, MEASURES)
    if not measures:
        there = ", ".join(MEASURES)
        raise StatisticsError(f"measures: expected at least one; there are: {there}")
    dimensions = _known("dimensions", asked.dimensions, DIMENSIONS)
    filters = _filters(asked.filters)
    parameters: dict[str, Any] = {
        "since": _day("from", asked.since),
        "until": _day("to", asked.until),
    }
    if asked.since and asked.until and parameters["since"] > parameters["until"]:
        message = f"from: expected a day no later than to ({asked.until}), got {asked.since}"
        raise StatisticsError(message)
    parameters |= {f"values_{place}": one.values for place, one in enumerate(filters)}
    where = " and ".join([_WITHIN, *map(_condition, range(len(filters)), filters)])
    facts = dict.fromkeys(MEASURES[name].facts for name in measures)
    parts = [_part(view, dimensions, measures, where) for view in facts]
    columns = [*map(_quoted, dimensions), *map(_shown, measures)]
    ordered = ", ".join(_order(asked.order, dimensions, measures))
    return Statement(
        f"select {', '.join(columns)}\nfrom (\n{_UNION.join(parts)}\n)\ngroup by all"
        + (f"\norder by {ordered}" if ordered else ""),
        parameters,
    )


_TODAY = "(select day from today)"
_UNION = "\nunion all by name\n"
_UNTIL = f"coalesce($until::date, {_TODAY})"
_WITHIN = f"day <= {_UNTIL} and day >= coalesce($since::date, {_UNTIL} - {_DAYS - 1})"


def _part(view: str, dimensions: list[str], measures: list[str], where: str) -> str:
    """Sum up the rows of one view."""
    figures = [
        f"{MEASURES[name].expression} as {_quoted(name)}"
        for name in measures
        if MEASURES[name].facts == view
    ]
    columns = ", ".join([*map(_quoted, dimensions), *figures])
    return f"select {columns}\nfrom {view}\nwhere {where}\ngroup by all"


def _shown(name: str) -> str:
    """Take a figure from the one part that has it."""
    found = f"any_value({_quoted(name)})"
    if name.endswith("_ms"):
        found = f"round({found}, 3)"
    return f"{f'coalesce({found}, 0)' if MEASURES[name].counted else found} as {_quoted(name)}"


def _order(wanted: list[str], dimensions: list[str], measures: list[str]) -> Iterable[str]:
    """Order by what is wanted (`-` before it: the greatest first), then by the dimensions."""
    among = [*dimensions, *measures]
    named = set[str]()
    for one in wanted:
        name = one.removeprefix("-")
        if name not in among:
            message = f"order: expected one of those asked for ({', '.join(among)}), got {name!r}"
            raise StatisticsError(message)
        named.add(name)
        yield f"{_quoted(name)} {'desc' if one.startswith('-') else 'asc'} nulls last"
    yield from (_quoted(name) for name in dimensions if name not in named)


def _filters(texts: list[str]) -> list[_Filter]:
    """Read `service:image,video` (any of these) or `outcome:!settled` (none of these)."""
    if len(texts) > _FILTERS_MAX:
        raise StatisticsError(f"filter: expected at most {_FILTERS_MAX}, got {len(texts)}")
    found = []
    for text in texts:
        name, colon, given = text.partition(":")
        if not colon:
            message = f"filter: expected <dimension>:<value>[,<value>…], got {text!r}"
            raise StatisticsError(message)
        _known("filter", [name], DIMENSIONS)
        values = given.removeprefix("!").split(",")
        if len(values) > _VALUES_MAX:
            message = f"filter: expected at most {_VALUES_MAX} values of {name}, got {len(values)}"
            raise StatisticsError(message)
        found.append(_Filter(name, values, given.startswith("!")))
    return found


def _condition(place: int, one: _Filter) -> str:
    column = _quoted(one.dimension)
    text = f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')" if one.dimension == "hour" else column
    found = f"list_contains($values_{place}, {text}::varchar)"
    return f"not {found}" if one.excluding else found


def _known(what: str, names: list[str], there: Iterable[str]) -> list[str]:
    """Let names through that there are, each once, in their order."""
    for name in names:
        if name not in there:
            singular = "dimension" if what == "filter" else what.removesuffix("s")
            message = f"{what}: there is no {singular} {name!r}; there are: {', '.join(there)}"
            raise StatisticsError(message)
    return list(dict.fromkeys(names))


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    found = day_of(text)
    if found is None:
        raise StatisticsError(f"{name}: expected a date such as 2026-01-31, got {text!r}")
    return found


def _quoted(name: str) -> str:
    return f'"{name}"'
