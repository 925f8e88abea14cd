"""From a question in the words of `measures` to SQL: pure, and never a client's text in it.

Names are looked up, values travel as parameters; so nothing a client writes can become SQL.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from contracts.analytics import Statistics, Word, Words
from contracts.base import day_of
from runtime.texts import as_quoted
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


def statistics_words() -> Words:
    """List the measures and dimensions there are."""
    return Words(
        measures=[Word(name=name, meaning=one.meaning) for name, one in MEASURES.items()],
        dimensions=[Word(name=name, meaning=meaning) for name, meaning in DIMENSIONS.items()],
    )


def statistics_statement(asked: Statistics) -> Statement:
    """Write the SELECT that answers. Raises `StatisticsError`."""
    measures = _checked_names("measures", asked.measures, MEASURES)
    if not measures:
        there = ", ".join(MEASURES)
        raise StatisticsError(f"measures: expected at least one; there are: {there}")
    dimensions = _checked_names("dimensions", asked.dimensions, DIMENSIONS)
    filters = _read_filters(asked.filters)
    parameters: dict[str, Any] = {
        "since": _read_day("from", asked.since),
        "until": _read_day("to", asked.until),
    }
    if asked.since and asked.until and parameters["since"] > parameters["until"]:
        message = f"from: expected a day no later than to ({asked.until}), got {asked.since}"
        raise StatisticsError(message)
    parameters |= {f"values_{place}": part.values for place, part in enumerate(filters)}
    conditions = "".join(
        f" and {_filter_condition(place, part)}" for place, part in enumerate(filters)
    )
    ordered = ", ".join(_order_terms(asked.order, dimensions, measures))
    columns = dict(zip(dimensions, map(_quoted_name, dimensions), strict=True))
    chosen = _figures_select(columns, measures, f"{_WITHIN}{conditions}")
    if asked.compare:
        shifted = {name: _SHIFTED.get(name, column) for name, column in columns.items()}
        before = _figures_select(shifted, measures, f"{_BEFORE}{conditions}")
        chosen = _compared_select(chosen, before, dimensions, measures)
    return Statement(chosen + (f"\norder by {ordered}" if ordered else ""), parameters)


_TODAY = "(select day from today)"
_UNION = "\nunion all by name\n"
_UNTIL = f"coalesce($until::date, {_TODAY})"
_SINCE = f"coalesce($since::date, {_UNTIL} - {_DAYS - 1})"
_LENGTH = f"({_UNTIL} - {_SINCE} + 1)::integer"
"""In days."""
_WITHIN = f"day <= {_UNTIL} and day >= {_SINCE}"
_BEFORE = f"day < {_SINCE} and day >= {_SINCE} - {_LENGTH}"
_SHIFTED = {
    "day": f'("day" + {_LENGTH})',
    "hour": f'("hour" + to_days({_LENGTH}))',
}
"""What was before stands beside what it is compared with."""


def _figures_select(columns: dict[str, str], measures: list[str], where: str) -> str:
    """Put the figures of all views side by side; `columns` says of each dimension what it is."""
    # Each view once, in the order of the measures: so the same question is the same SQL.
    facts = dict.fromkeys(MEASURES[name].facts for name in measures)
    parts = [_facts_select(view, columns, measures, where) for view in facts]
    shown = ", ".join([*map(_quoted_name, columns), *map(_shown_column, measures)])
    return f"select {shown}\nfrom (\n{_UNION.join(parts)}\n)\ngroup by all"


def _compared_select(chosen: str, before: str, dimensions: list[str], measures: list[str]) -> str:
    """Put beside each figure what it was before; rows that only one side has stay."""
    names = [_quoted_name(name) for name in dimensions]
    pairs = [
        f'chosen.{quoted}, before.{quoted} as "{name}_before"'
        for name, quoted in zip(measures, map(_quoted_name, measures), strict=True)
    ]
    joined = f"full join before using ({', '.join(names)})" if names else "cross join before"
    shown = ", ".join([*names, *pairs])
    parts = f"with chosen as (\n{chosen}\n), before as (\n{before}\n)"
    return f"{parts}\nselect {shown}\nfrom chosen {joined}"


def _facts_select(view: str, columns: dict[str, str], measures: list[str], where: str) -> str:
    """Sum up the rows of one view."""
    figures = [
        f"{MEASURES[name].expression} as {_quoted_name(name)}"
        for name in measures
        if MEASURES[name].facts == view
    ]
    # A view of its own, where no name of a dimension that was shifted hides the column.
    source = f"(from {view} where {where})"
    named = [f"{column} as {_quoted_name(name)}" for name, column in columns.items()]
    return f"select {', '.join([*named, *figures])}\nfrom {source}\ngroup by all"


def _shown_column(name: str) -> str:
    """Take a figure from the one part that has it."""
    # In the rows of the other parts it is null, and `any_value` passes over nulls.
    figure = f"any_value({_quoted_name(name)})"
    if name.endswith("_ms"):
        figure = f"round({figure}, 3)"
    return (
        f"{f'coalesce({figure}, 0)' if MEASURES[name].counted else figure} as {_quoted_name(name)}"
    )


def _order_terms(wanted: list[str], dimensions: list[str], measures: list[str]) -> Iterable[str]:
    """Order by what is wanted (`-` before it: the greatest first), then by the dimensions."""
    among = [*dimensions, *measures]
    named = set[str]()
    for term in wanted:
        name = term.removeprefix("-")
        if name not in among:
            message = f"order: expected one of those asked for ({', '.join(among)})"
            raise StatisticsError(f"{message}, got {as_quoted(name)}")
        named.add(name)
        yield f"{_quoted_name(name)} {'desc' if term.startswith('-') else 'asc'} nulls last"
    # Rows that are equal by what was wanted must not change places from one answer to the next.
    yield from (_quoted_name(name) for name in dimensions if name not in named)


def _read_filters(texts: list[str]) -> list[_Filter]:
    """Read `service:image,video` (any of these) or `outcome:!settled` (none of these)."""
    if len(texts) > _FILTERS_MAX:
        raise StatisticsError(f"filter: expected at most {_FILTERS_MAX}, got {len(texts)}")
    filters = []
    for text in texts:
        name, colon, given = text.partition(":")
        if not colon:
            message = f"filter: expected <dimension>:<value>[,<value>…], got {as_quoted(text)}"
            raise StatisticsError(message)
        _checked_names("filter", [name], DIMENSIONS)
        values = given.removeprefix("!").split(",")
        if len(values) > _VALUES_MAX:
            message = f"filter: expected at most {_VALUES_MAX} values of {name}, got {len(values)}"
            raise StatisticsError(message)
        filters.append(_Filter(name, values, given.startswith("!")))
    return filters


def _filter_condition(place: int, wanted: _Filter) -> str:
    column = _quoted_name(wanted.dimension)
    # An hour is named as an answer writes it: what was read there can be asked for.
    text = f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')" if wanted.dimension == "hour" else column
    condition = f"list_contains($values_{place}, {text}::varchar)"
    return f"not {condition}" if wanted.excluding else condition


def _checked_names(what: str, names: list[str], there: Iterable[str]) -> list[str]:
    """Let names through that there are, each once, in their order."""
    for name in names:
        if name not in there:
            singular = "dimension" if what == "filter" else what.removesuffix("s")
            message = (
                f"{what}: there is no {singular} {as_quoted(name)}; there are: {', '.join(there)}"
            )
            raise StatisticsError(message)
    return list(dict.fromkeys(names))


def _read_day(name: str, text: str) -> date | None:
    if not text:
        return None
    day = day_of(text)
    if day is None:
        raise StatisticsError(f"{name}: expected a date such as 2026-01-31, got {as_quoted(text)}")
    return day


def _quoted_name(name: str) -> str:
    return f'"{name}"'
