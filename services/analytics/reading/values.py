"""Arrow as rows that JSON can carry, and what they weigh there."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_EXACT_MAX = 2**53
_WRITTEN_AT_ONCE = 256_000
_DATE_END, _INSTANT_END = 2**31 - 1, 2**63 - 1
_json = msgspec.json.Encoder()
_NAMELESS = ["", ""]
"""JSON has the pairs of a map as lists."""


def rows_of(batch: pa.RecordBatch) -> list[list[Any]]:
    """Turn a batch into rows of values safe for JSON."""
    columns = [_column_values(column) for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _column_values(column: Any) -> list[Any]:
    try:
        return [json_safe(value) for value in column.to_pylist()]
    except (ValueError, OverflowError):
        return [_scalar_value(scalar) for scalar in column]


def _scalar_value(scalar: Any) -> Any:
    """Tell a value in which there may be moments that Python's calendar may not reach."""
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StructScalar):
        return {name: _scalar_value(inner) for name, inner in scalar.items()}
    if isinstance(scalar, pa.MapScalar):
        pairs = zip(scalar.values.field(0), scalar.values.field(1), strict=True)
        return [[_scalar_value(key), _scalar_value(inner)] for key, inner in pairs]
    if isinstance(scalar, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar):
        return [_scalar_value(inner) for inner in scalar.values]
    if isinstance(scalar, pa.UnionScalar):
        return _scalar_value(scalar.value)
    return _moment_value(scalar) if pa.types.is_temporal(scalar.type) else json_safe(scalar.as_py())


def _moment_value(scalar: Any) -> Any:
    """Tell a moment that Python's calendar may not reach: without end, or in nanoseconds."""
    ends = {_DATE_END: "infinity", -_DATE_END: "-infinity"}
    if not pa.types.is_date(scalar.type):
        ends = {_INSTANT_END: "infinity", -_INSTANT_END: "-infinity"}
    if scalar.is_valid and scalar.value in ends:
        return ends[scalar.value]
    if scalar.is_valid and pa.types.is_timestamp(scalar.type) and scalar.type.unit == "ns":
        whole, rest = divmod(scalar.value, 10**9)
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    return json_safe(scalar.as_py())


def lines_of(batch: pa.RecordBatch, bytes_max: int) -> list[bytes]:
    """Write the first rows of a batch as JSON, each a list, that take so much with their commas.

    A few at a time become objects of Python: these take a hundred times what a row does as JSON.
    """
    lines: list[bytes] = []
    step = max(1, len(batch) * _WRITTEN_AT_ONCE // max(1, json_weight(batch)))
    for start in range(0, len(batch), step):
        for row in rows_of(batch.slice(start, step)):
            line = _json.encode(row)
            bytes_max -= len(line) + 1
            if bytes_max < 0:
                return lines
            lines.append(line)
    return lines


def json_safe(value: Any) -> Any:
    """Turn a value of DuckDB into one that JSON can carry.

    Instants, dates and times are ISO 8601, instants in UTC with `Z`; whole decimals are
    integers, others floats, those that neither holds exactly are text; intervals are ISO 8601
    durations; bytes are hexadecimal; NaN and infinities are null.
    """
    for kinds, convert in _SAFE:
        if isinstance(value, kinds):
            return convert(value)
    return str(value)


def fitting_rows(batch: pa.RecordBatch, bytes_max: int) -> pa.RecordBatch:
    """Cut a batch to the first rows that may weigh so much as JSON: never one too few."""
    if json_weight(batch) <= bytes_max:
        return batch
    fit = bisect_right(
        range(len(batch) + 1), bytes_max, key=lambda n: json_weight(batch.slice(0, n))
    )
    return batch.slice(0, fit - 1)


def json_weight(batch: pa.RecordBatch) -> int:
    """Bytes that the rows of a batch take as JSON at the least, found without writing it."""
    return sum(map(_column_weight, batch.columns))


def _column_weight(column: Any) -> int:
    nulls: int = column.null_count
    there = column.drop_null() if nulls else column
    inside = _inner_columns(there)
    if inside is not None:
        return 5 * nulls + len(there) * _frame_weight(there) + sum(map(_column_weight, inside))
    if isinstance(there, pa.ExtensionArray):
        return 5 * nulls + _column_weight(there.storage)
    if isinstance(there, pa.DictionaryArray):
        return 5 * nulls + _column_weight(there.dictionary_decode())
    if isinstance(there, pa.UnionArray):  # one value of each row, the others are null
        fields = map(there.field, range(there.type.num_fields))
        return sum(_column_weight(field.drop_null()) for field in fields)
    return 5 * nulls + _plain_weight(there)


def _frame_weight(column: Any) -> int:
    """Bytes of each value beside what it holds: JSON says the names of a struct every time."""
    if not isinstance(column, pa.StructArray):
        return 1
    return 1 + sum(len(field.name) + 3 for field in column.type if field.name)


def _inner_columns(column: Any) -> list[Any] | None:
    """Take the columns that one of lists or structs consists of; None for others."""
    if isinstance(column, pa.StructArray):
        return list(column.flatten())
    if isinstance(column, pa.MapArray):
        pairs = pa.StructArray.from_arrays([column.keys, column.items], _NAMELESS)
        return [pa.ListArray.from_arrays(column.offsets, pairs).flatten()]
    if isinstance(column, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return [column.flatten()]
    return None


def _plain_weight(column: Any) -> int:
    """Weigh values that hold no others, with the comma behind each."""
    each, per_byte = 2, 0
    if pa.types.is_temporal(column.type):
        each = 10
    elif isinstance(column, pa.StringArray | pa.LargeStringArray):
        each, per_byte = 3, 1
    elif isinstance(column, pa.BinaryArray | pa.LargeBinaryArray):
        each, per_byte = 3, 2
    content_bytes = pc.sum(pc.binary_length(column)).as_py() if per_byte else 0
    return each * len(column) + per_byte * int(content_bytes or 0)


def _instant_text(value: datetime) -> str:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _duration_text(value: Any) -> str:
    seconds = f"{Decimal(value.nanoseconds).scaleb(-9):f}"
    return f"P{value.months}M{value.days}DT{seconds.rstrip('0').rstrip('.')}S"


def _json_number(value: float | Decimal) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Decimal) and value != value.to_integral_value():
        near = float(value)
        return near if Decimal(repr(near)) == value else f"{value:f}"
    whole = int(value)
    return whole if abs(whole) <= _EXACT_MAX else str(whole)


_SAFE: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((type(None), bool, str), lambda value: value),
    ((int, float, Decimal), _json_number),
    ((datetime,), _instant_text),
    ((date, time), lambda value: value.isoformat()),
    ((pa.MonthDayNano,), _duration_text),
    ((bytes, bytearray), lambda value: value.hex()),
    ((dict,), lambda value: {str(key): json_safe(inner) for key, inner in value.items()}),
    ((list, tuple), lambda value: [json_safe(inner) for inner in value]),
)
"""The first that fits decides: a bool is an int, a datetime is a date."""
