"""Answers as files: fetched in parts, bounded in number, forgotten; what stands in them."""

import csv
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from nats.aio.client import Client
from structlog import get_logger

from contracts import subjects
from contracts.analytics import (
    DropExport,
    ExportDropped,
    ExportPart,
    ExportReply,
    ExportStarted,
    FetchExport,
    FileFormat,
    StartExport,
    Statistics,
)
from contracts.base import Failed
from runtime.nats.connection import ask_command
from services.analytics.exports import ExportBounds, ExportSpool, files
from services.analytics.queries import Catalogue
from tests.integration.analytics.parts import history, stored
from tests.integration.gateway.office import office
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_parts_may_be_fetched_again_and_files_are_bounded_in_number(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    """One export is read twice; eight more are begun, of which seven find a place beside it."""
    decoder = msgspec.json.Decoder(ExportReply)
    question = Statistics(measures=["leases"], dimensions=["session"], since="2025-12-01")
    start = StartExport(question=question, format=FileFormat.NDJSON)

    async def asked(command: Any) -> Any:
        return await ask_command(nats_client, subjects.ANALYTICS_EXPORT, command, decoder, 10.0)

    async with office(nats_client, nats_url, tmp_path):
        begun = await asked(start)
        assert isinstance(begun, ExportStarted)
        fetch = FetchExport(export_id=begun.export_id)

        async def written() -> ExportPart | None:
            part = await asked(fetch)
            return part if part.size is not None else None

        first = await eventually(written)
        rest = await asked(FetchExport(export_id=begun.export_id, offset=5))
        begun_too = [await asked(start) for _ in range(8)]
        dropped = await asked(DropExport(export_id=begun.export_id))
        gone = await asked(fetch)
        again = await asked(start)

    assert first.content[5:] == rest.content
    assert (first.size, first.rows) == (len(first.content), 2)
    assert [type(one) for one in begun_too] == [*[ExportStarted] * 7, Failed]
    assert "8 exports are under way already" in begun_too[-1].message
    assert isinstance(dropped, ExportDropped)
    assert (gone.code, isinstance(again, ExportStarted)) == ("not_found", True)


def test_what_nobody_fetches_is_forgotten_with_its_file(tmp_path: Path) -> None:
    now = [0.0]
    with stored(tmp_path / "a.duckdb", history()) as readers:
        bounds = ExportBounds(100, 1_000_000, 60.0)
        kept = ExportSpool(
            tmp_path / "exports", readers, Catalogue(), bounds, get_logger(), lambda: now[0]
        )
        question = Statistics(measures=["leases"], since="2025-12-01")
        begun = kept.answer_command(StartExport(question=question, format=FileFormat.CSV))
        assert isinstance(begun, ExportStarted)
        fetch = FetchExport(export_id=begun.export_id)
        while getattr(kept.answer_command(fetch), "size", 0) is None:
            time.sleep(0.01)
        now[0] += 59.0
        there = kept.answer_command(fetch)
        now[0] += 61.0
        gone = kept.answer_command(fetch)
        left = list((tmp_path / "exports").iterdir())
        kept.close()

    assert isinstance(there, ExportPart)
    assert isinstance(gone, Failed)
    assert left == []
    assert not (tmp_path / "exports").exists()


def test_a_csv_holds_no_formula_a_client_could_have_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    table = pa.table(
        {"model": ["=1+1", "@x", "plain"], "n": [-1, 2, None], "ok": [True, False, None]}
    )
    batches = [*table.to_batches(), pa.record_batch({"model": [], "n": [], "ok": []}, table.schema)]
    files.write_file(FileFormat.CSV, path, table.schema, batches)
    lists = pa.table({"l": [[1, 2]], "t": [datetime(2026, 1, 1, tzinfo=UTC)]})
    files.write_file(FileFormat.CSV, tmp_path / "l", lists.schema, lists.to_batches())
    files.write_file(FileFormat.XLSX, tmp_path / "s", table.schema, table.to_batches())
    sheet = zipfile.ZipFile(tmp_path / "s").read("xl/worksheets/sheet1.xml")

    assert path.read_text() == "model,n,ok\n'=1+1,-1,true\n'@x,2,false\nplain,,\n"
    assert (tmp_path / "l").read_text() == 'l,t\n"[1,2]",2026-01-01T00:00:00Z\n'
    assert b"<f>" not in sheet
    assert b"=1+1" in sheet


def test_a_csv_keeps_line_breaks_and_other_formulas_inside_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "x"
    texts = ["a\rb", "\n=1", "＝1+1", "＠x", "a\nb"]  # noqa: RUF001
    table = pa.table({"＝model": texts, "n": [1] * len(texts)})  # noqa: RUF001
    files.write_file(FileFormat.CSV, path, table.schema, table.to_batches())

    with path.open(newline="", encoding="utf-8") as file:
        rows = [*csv.reader(file)]
    kept = ["a\rb", "'\n'=1", "'＝1+1", "'＠x", "a\nb"]  # noqa: RUF001

    assert rows == [["'＝model", "n"], *([one, "1"] for one in kept)]  # noqa: RUF001


def test_a_csv_holds_no_formula_within_what_is_written_as_json(tmp_path: Path) -> None:
    table = pa.table({"l": [["a;=1", "-2"]]})
    files.write_file(FileFormat.CSV, tmp_path / "l", table.schema, table.to_batches())

    assert (tmp_path / "l").read_text() == 'l\n"[""a;\'=1"",""-2""]"\n'
