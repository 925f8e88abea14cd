"""Rows into files, one batch after the other: no format holds more than a batch in memory.

Instants are ISO 8601 in UTC, but where a format has instants of its own (Parquet, XLSX). A text
of a CSV that a spreadsheet would take for a formula gets a `'` before it: models and user agents
are whatever a client wrote.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from contracts.analytics import FileFormat
from runtime.texts import csv_writer, spreadsheet_cell
from services.analytics.store import rows_of

XLSX_ROWS_MAX = 1_048_575
"""Rows of a sheet, its heading apart."""
_TEXT_MAX = 32_767
"""Characters of a cell of a sheet."""
_json = msgspec.json.Encoder()
_Batches = Iterable[pa.RecordBatch]
_Writer = Callable[[Path, pa.Schema, _Batches], None]


def write_file(form: FileFormat, path: Path, schema: pa.Schema, batches: _Batches) -> None:
    """Write batches of `schema` to `path`, one after the other, in this form."""
    _WRITERS[form](path, schema, batches)


def _write_csv(path: Path, schema: pa.Schema, batches: _Batches) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv_writer(file)
        writer.writerow(map(spreadsheet_cell, schema.names))
        for batch in batches:
            writer.writerows([_csv_cell(value) for value in row] for row in rows_of(batch))


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return spreadsheet_cell(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return spreadsheet_cell(_json.encode(value).decode())
    return value


def _write_json_array(path: Path, schema: pa.Schema, batches: _Batches) -> None:
    with path.open("wb") as file:
        before = b"[\n"
        for batch in batches:
            for row in rows_of(batch):
                file.write(before + _json.encode(dict(zip(schema.names, row, strict=True))))
                before = b",\n"
        file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_ndjson(path: Path, schema: pa.Schema, batches: _Batches) -> None:
    with path.open("wb") as file:
        for batch in batches:
            file.writelines(
                _json.encode(dict(zip(schema.names, row, strict=True))) + b"\n"
                for row in rows_of(batch)
            )


def _write_parquet(path: Path, schema: pa.Schema, batches: _Batches) -> None:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_xlsx(path: Path, schema: pa.Schema, batches: _Batches) -> None:
    """Write one sheet; rows go to disk as they come, so they must come in order."""
    options = {"constant_memory": True, "tmpdir": str(path.parent)}
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("tidegate")
        bold = book.add_format({"bold": True})
        shapes = {
            datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
        }
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(schema.names) - 1, 16)
        for place, name in enumerate(schema.names):
            sheet.write_string(0, place, name, bold)
        number = 0
        for batch in batches:
            columns = [column.to_pylist() for column in batch.columns]
            for raw, row in zip(zip(*columns, strict=True), rows_of(batch), strict=True):
                number += 1
                for place, (value, safe) in enumerate(zip(raw, row, strict=True)):
                    shape = shapes.get(type(value))
                    if shape is not None:
                        sheet.write_datetime(number, place, _without_zone(value), shape)
                    else:
                        _put_cell(sheet, number, place, safe)


def _put_cell(sheet: Any, row: int, place: int, value: Any) -> None:
    """Write a value as what it is; never as a formula or a link."""
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, (int, float)):
        sheet.write_number(row, place, value)
    elif value is not None:
        text = value if isinstance(value, str) else _json.encode(value).decode()
        sheet.write_string(row, place, text[:_TEXT_MAX])


def _without_zone(value: date) -> date:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


_WRITERS: dict[FileFormat, _Writer] = {
    FileFormat.CSV: _write_csv,
    FileFormat.JSON: _write_json_array,
    FileFormat.NDJSON: _write_ndjson,
    FileFormat.PARQUET: _write_parquet,
    FileFormat.XLSX: _write_xlsx,
}
