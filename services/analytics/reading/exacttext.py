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
    cast = _cast_type(kind)
    told = f"{column}::{cast}" if cast else column
    is_long = _long_interval(column, kind)  # in nanoseconds, longer ones come as others
    return f"case when {is_long} then {_LONG} else {told} end" if is_long else told


def _long_interval(value: str, kind: Any, depth: int = 0) -> str:
    """Write whether there is an interval too long in a value; empty where there can be none."""
    if kind.id == "interval":
        return f"abs(date_part('hour', {value})) >= {_HOURS}"
    if kind.id not in _NESTED or _cast_type(kind) == _VARCHAR:
        return ""
    inside = [(name, part) for name, part in kind.children if name != "size"]
    if kind.id in {"list", "array"}:
        return _any_long(value, inside[0][1], depth)
    if kind.id == "map":
        sides = zip(("map_keys", "map_values"), inside, strict=True)
        parts = [_any_long(f"{side}({value})", part, depth) for side, (_, part) in sides]
    else:
        parts = [
            _long_interval(_member(value, kind.id, place, name), part, depth)
            for place, (name, part) in enumerate(inside, 1)
        ]
    return " or ".join(f"({part})" for part in parts if part)


def _any_long(values: str, kind: Any, depth: int) -> str:
    """Write whether there is one in any value of a list."""
    each = f"each{depth}"
    is_long = _long_interval(each, kind, depth + 1)
    return f"len(list_filter({values}, lambda {each}: {is_long})) > 0" if is_long else ""


def _member(value: str, kind: str, place: int, name: str) -> str:
    """Write a member of a struct, a union or a tuple, whose members have no names."""
    if kind == "tuple":
        return f"struct_extract({value}, {place})"
    quoted = name.replace("'", "''")
    return f"{kind}_extract({value}, '{quoted}')"


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
