"""Lists of records: which rows, in which order, in which columns.

What a list verb takes beside its own arguments is the same everywhere: `--where`, `--sort`,
`--columns`, `--wide`. Rows and their order hold for `--json`, too; columns are the table's.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import typer

from runtime.settings import SettingsError
from runtime.texts import as_quoted
from tidegate.console import output
from tidegate.console.moments import duration_words, moment_words, parsed_moment
from tidegate.console.tables import TableShape

LISTED_MAX = 1_000_000
OFFSET_MAX = 1_000_000_000
LIMIT = typer.Option(1000, min=1, max=LISTED_MAX, help="At most so many.")
CURSOR = typer.Option("", "--cursor", help="Where a list before this one stopped.")
OFFSET = typer.Option(
    0, "--offset", min=0, max=OFFSET_MAX, help="So many of the list's first are passed over."
)
WIDE = typer.Option(False, "--wide", help="Every column, however narrow the terminal.")
COLUMNS = typer.Option("", "--columns", help="These columns alone, with commas.")
SORT = typer.Option("", "--sort", help="First what is least in this column; `-name`: greatest.")
WHERE = typer.Option(
    [],
    "--where",
    help="Only rows such as `status=active`, `weight>2`, `region!=us`, `name~lap` (it has that in"
    " it), by a column or a field of --json; repeatable: all hold.",
)
Record = Mapping[str, Any]
_CONDITION = re.compile(r"(?s)([\w.-]+?)(!=|>=|<=|=|~|>|<)(.*)")
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class ListedColumn(NamedTuple):
    """A column of a list: what it is called, and what stands in it."""

    name: str
    read: Callable[[Record], Any] | None = None
    """What is sorted and compared by; None: the record's field of that name."""
    text: Callable[[Record], str] | None = None
    """What is shown; None: what is read, instants relative where somebody looks."""
    short: bool = False
    """Whether its beginning is enough where there is little room."""
    right: bool = False
    """Whether its texts are numbers."""


class ListOptions(NamedTuple):
    """What was asked for."""

    wide: bool = False
    columns: str = ""
    sort: str = ""
    where: Sequence[str] = ()


def moment_column(name: str, field: str) -> ListedColumn:
    """A column of instants: relative on a terminal, exact in a pipe."""
    return ListedColumn(name, lambda record: record.get(field), lambda record: _age(record[field]))


def span_column(name: str, field: str) -> ListedColumn:
    """A column of durations, in seconds."""
    return ListedColumn(
        name,
        lambda record: record.get(field),
        lambda record: duration_words(record[field]),
        right=True,
    )


def listed_rows(
    columns: Sequence[ListedColumn],
    records: Iterable[Record],
    options: ListOptions,
    last: Callable[[Record], bool] = lambda _: False,
) -> list[Record]:
    """Choose and order records; those that are `last` come behind all others.

    Raises `SettingsError` for what is no condition, or no column.
    """
    rows = list(records)
    for condition in options.where:
        rows = _rows_where(condition, columns, rows)
    if options.sort:
        rows = _sorted_rows(options.sort, columns, rows)
    elif any(map(last, rows)):
        rows.sort(key=last)
    return rows


def print_list(
    columns: Sequence[ListedColumn],
    rows: Sequence[Record],
    options: ListOptions,
    empty: str,
    *,
    kept: int = 1,
) -> None:
    """Print rows, the first `kept` columns whatever room there is; `empty` when there are none."""
    chosen = _chosen_columns(columns, options.columns)
    if not rows:
        output.print_text(empty)
        return
    if not options.wide and not options.columns and output.terminal_width():
        # A column in which nothing stands says nothing.
        chosen = [column for column in chosen if any(_shown(column, row) for row in rows)]
    names = [column.name for column in chosen]
    output.print_table(
        names,
        [[_shown(column, row) for column in chosen] for row in rows],
        shape=TableShape(
            kept=range(len(chosen)) if options.columns else range(min(kept, len(chosen))),
            right=[at for at, column in enumerate(chosen) if _is_right(column, rows)],
            short=[at for at, column in enumerate(chosen) if column.short],
            one_line=True,
        ),
        wide=options.wide,
        hint="--wide",
    )


def print_cursor(answer: Mapping[str, Any]) -> None:
    """Say where the list goes on, where it may."""
    if answer.get("next"):
        output.print_note(f"there may be more: --cursor {answer['next']}")


def _age(value: Any) -> str:
    moment = parsed_moment(value)
    if moment is None or not output.terminal_width():
        return str(value)
    return moment_words(moment, datetime.now(UTC))


def _read(column: ListedColumn, row: Record) -> Any:
    return column.read(row) if column.read else row.get(column.name)


def _shown(column: ListedColumn, row: Record) -> str:
    value = _read(column, row)
    if value is None or column.text is None:
        return output.table_cell(value)
    return output.table_cell(column.text(row))


def _is_right(column: ListedColumn, rows: Sequence[Record]) -> bool:
    return column.right or output.are_numbers(_read(column, row) for row in rows)


def _chosen_columns(columns: Sequence[ListedColumn], wanted: str) -> list[ListedColumn]:
    """Choose the columns that `wanted` names, in its order; all when it is empty."""
    if not wanted:
        return list(columns)
    by_name = {column.name: column for column in columns}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in by_name:
            raise SettingsError(f"--columns: {_expected(by_name, name)}")
    return [by_name[name] for name in names]


def _expected(names: Iterable[str], name: str) -> str:
    return f"expected some of {', '.join(names)}; got {as_quoted(name)}"


def _rows_where(
    condition: str, columns: Sequence[ListedColumn], rows: Sequence[Record]
) -> list[Record]:
    """Choose the rows for which a condition holds."""
    match = _CONDITION.fullmatch(condition)
    if match is None:
        example = "`status=active`, `weight>2`, `region!=us` or `name~lap`"
        raise SettingsError(
            f"--where: expected a condition such as {example}; got {as_quoted(condition)}"
        )
    name, sign, wanted = match.groups()
    reads = _reader(name, columns, rows, "--where")
    return [row for row in rows if _holds(reads(row), sign, wanted)]


def _holds(value: Any, sign: str, wanted: str) -> bool:
    """Tell whether a value is what a condition wants; of several, whether one of them is."""
    if sign == "!=":
        return not _holds(value, "=", wanted)
    if isinstance(value, (list, tuple)):
        return any(_holds(item, sign, wanted) for item in value)
    text = output.table_cell(value)
    if sign == "~":
        return wanted.casefold() in text.casefold()
    number = _number(wanted)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and number is not None:
        return value == number if sign == "=" else _COMPARED[sign](value, number)
    if isinstance(value, bool):
        wanted = {"true": "yes", "false": "no"}.get(wanted, wanted)
    if sign == "=":
        return text == wanted
    return value is not None and _COMPARED[sign](text, wanted)


def _number(text: str) -> float | None:
    with suppress(ValueError):
        return float(text)
    return None


def _sorted_rows(
    sort: str, columns: Sequence[ListedColumn], rows: Sequence[Record]
) -> list[Record]:
    """Sort by a column: numbers before texts, and what has nothing there last in either order."""
    reads = _reader(sort.removeprefix("-"), columns, rows, "--sort")
    there = [row for row in rows if reads(row) not in (None, "")]
    there.sort(key=lambda row: _sort_key(reads(row)), reverse=sort.startswith("-"))
    return there + [row for row in rows if reads(row) in (None, "")]


def _sort_key(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, (int, float))
    return (not number, value if number else 0.0, "" if number else output.table_cell(value))


def _reader(
    name: str, columns: Sequence[ListedColumn], rows: Sequence[Record], option: str
) -> Callable[[Record], Any]:
    """Find what a name reads: a column, or a field of the records, `left.image` one within it.

    Raises `SettingsError` when no row has it.
    """
    for column in columns:
        if column.name == name:
            return lambda row: _read(column, row)
    path = name.split(".")
    if rows and not any(_has_field(row, path) for row in rows):
        fields = [column.name for column in columns]
        fields += [field for row in rows[:1] for field in row if field not in fields]
        raise SettingsError(f"{option}: {_expected(fields, name)}")
    return lambda row: _field(row, path)


def _has_field(row: Record, path: Sequence[str]) -> bool:
    return path[0] in row and (len(path) == 1 or _field(row, path) is not None)


def _field(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row
