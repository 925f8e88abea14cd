"""Columns that Arrow does not carry as DuckDB means them: told in DuckDB's own text.

Arrow has no such whole numbers (the greatest of a UHUGEINT came as -1), no bits, no time of day
with a zone and none of 24:00; of others it has the bytes that DuckDB stores.
"""

from collections.abc import Callable
from typing import Any

import duckdb

_VARCHAR = "varchar"
_HOURS = 2_500_000
_LONG = f"error('an interval of {_HOURS:,} hours or more cannot be told: cast it to text')"
_TEXT = frozenset(
    {"uhugeint", "bignum", "bit", "time", "time_ns", "time with time zone", "variant", "geometry"}
)


def as_exact_text(asked: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Have such columns cast, and such values inside of others; an answer without is as it was."""
    columns = [_column_expression(f"#{place}", kind) for place, kind in enumerate(asked.types, 1)]
    if columns == [f"#{place}" for place in range(1, len(columns) + 1)]:
        return asked
    named = zip(columns, asked.columns, strict=True)
    return asked.project(", ".join(f"{column} as {_quoted_name(name)}" for column, name in named))


def _column_expression(column: str, kind: Any) -> str:
    """Write how a column is told; itself where Arrow carries it."""
    if kind.id == "interval":  # in nanoseconds, longer ones come as others
        return (
            f"case when abs(date_part('hour', {column})) >= {_HOURS} then {_LONG} else {column} end"
        )
    cast = _cast_type(kind)
    return f"{column}::{cast}" if cast else column


def _cast_type(kind: Any) -> str:
    """Name the type that a value is to be cast to; empty when it is told as it is."""
    if kind.id in _TEXT:
        return _VARCHAR
    written = _NESTED.get(kind.id)
    if written is None:
        return ""
    parts = [(name, part) for name, part in kind.children if name != "size"]
    casts = [_cast_type(part) for _, part in parts]
    if not any(casts):
        return ""
    types = [cast or str(part) for cast, (_, part) in zip(casts, parts, strict=True)]
    return written([name for name, _ in parts], types, dict(kind.children).get("size"))


def _member_types(names: list[str], types: list[str]) -> str:
    """Write the members of a struct or a union; the tag of a union has no name."""
    named = zip(names, types, strict=True)
    return ", ".join(f"{_quoted_name(name)} {kind}" for name, kind in named if name)


def _quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_NESTED: dict[str, Callable[[list[str], list[str], Any], str]] = {
    "list": lambda _, types, __: f"{types[0]}[]",
    "array": lambda _, types, size: f"{types[0]}[{size}]",
    "map": lambda _, types, __: f"map({', '.join(types)})",
    "struct": lambda names, types, _: f"struct({_member_types(names, types)})",
    "union": lambda names, types, _: f"union({_member_types(names, types)})",
    "tuple": lambda *_: _VARCHAR,
}
"""How the types of values that hold others are written, from the names and types of these."""
