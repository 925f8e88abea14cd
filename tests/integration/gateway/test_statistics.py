"""Statistics and exports over HTTP, from real projections behind a real gateway's doors."""

import asyncio
import csv
import io
import json
import os
import time
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
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
from runtime.nats.connection import ask
from services.analytics.exports import Bounds, Spool, files, spool
from services.analytics.queries import Catalogue
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.figures import downloads
from tests.integration.analytics.parts import history, stored
from tests.integration.gateway.doors import Desk
from tests.integration.gateway.office import office
from tests.unit.analytics.builders import Story
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
SINCE = {"from": "2025-12-01", "to": "2026-01-31"}
LEASES = {**SINCE, "measures": "leases,units_used", "dimensions": "day,service"}
ROWS = [["2025-12-31", "image", 2, 2], ["2026-01-01", "image", 7, 3], ["2026-01-01", "video", 1, 1]]


async def downloaded(front: Desk, form: str, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {front.admin}"}
    parameters = {**LEASES, **more, "format": form}
    found = await front.http.get("/api/stats/export", params=parameters, headers=headers)
    assert found.status_code == 200, found.text
    assert int(found.headers["content-length"]) == len(found.content)
    return found


async def test_rows_answer_in_the_order_asked_and_say_how_far_they_are_true(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path) as front:
        found = await front.ask("GET", "/api/stats/query", params=LEASES)
        top = await front.ask(
            "GET",
            "/api/stats/query",
            params={**LEASES, "order": "-leases", "limit": 1, "filter": ["service:!video"]},
        )
        named = await front.ask(
            "GET", "/api/stats/query", params={"query": "session_total", "session_id": "s1"}
        )
        recent = await front.ask("GET", "/api/stats/query", params={"measures": "requests"})

    assert (found["columns"], found["rows"]) == (["day", "service", "leases", "units_used"], ROWS)
    assert not found["truncated"]
    assert found["sequence"] >= len(history().stored)
    assert (top["rows"], top["truncated"]) == ([ROWS[1]], True)
    assert named["rows"] == [[4, 4, "2026-01-01", "2026-01-01"]]
    assert recent["rows"] == [[0]]


@pytest.mark.parametrize(
    ("given", "param", "expected"),
    [
        ({"measures": "leases,coffee"}, "measures", "there is no measure 'coffee'"),
        ({"dimensions": "day"}, "measures", "expected at least one"),
        ({"measures": "leases", "dimensions": "moon"}, "dimensions", "no dimension 'moon'"),
        ({"measures": "leases", "from": "yesterday"}, "from", "a date such as 2026-01-31"),
        ({"measures": "leases", "to": "2026-02-30"}, "to", "got '2026-02-30'"),
        ({"measures": "leases", "filter": "moon:full"}, "filter", "no dimension 'moon'"),
        ({"measures": "leases", "order": "-day"}, "order", "expected one of those asked for"),
        ({"measures": "leases", "colour": "red"}, "colour", "there is no such parameter"),
        ({"measures": "leases", "limit": "5"}, "limit", "there is no such parameter"),
        ({"measures": "leases", "format": "doc"}, "format", "expected one of csv, json"),
        ({"query": "no_such"}, None, "there is no query 'no_such'"),
        ({"query": "day_stats"}, None, "day_stats needs date"),
    ],
)
async def test_wrong_words_are_refused_by_name_with_what_was_expected(
    answering: Desk, given: dict[str, str], param: str | None, expected: str
) -> None:
    error = await answering.refused("GET", "/api/stats/export", 400, params=given)

    assert error["code"] == "invalid_request"
    assert error["param"] == param
    assert expected in error["message"]


@pytest.fixture
async def answering(nats_client: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with office(nats_client, nats_url, tmp_path, Story()) as front:
        yield front


async def test_every_format_has_the_same_rows(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path) as front:
        files = {form: await downloaded(front, form) for form in FileFormat}
        empty = await downloaded(front, "json", filter="service:nothing")
        named = await front.http.get(
            "/api/stats/export?query=usage_by_day&since=2026-01-01&until=2026-01-02",
            headers={"authorization": f"Bearer {front.admin}"},
        )
        await eventually(lambda: nothing_left(tmp_path / "exports"))

    heads = {(file.headers["x-rows"], file.headers["x-truncated"]) for file in files.values()}
    names = {form: file.headers["content-disposition"] for form, file in files.items()}
    read = csv.reader(io.StringIO(files[FileFormat.CSV].text))
    columns = ["day", "service", "leases", "units_used"]
    table = pq.read_table(io.BytesIO(files[FileFormat.PARQUET].content))
    sheet = zipfile.ZipFile(io.BytesIO(files[FileFormat.XLSX].content))

    assert heads == {("3", "false")}
    assert files[FileFormat.CSV].headers["content-type"] == "text/csv; charset=utf-8"
    assert names[FileFormat.XLSX] == 'attachment; filename="tidegate-statistics.xlsx"'
    assert list(read) == [columns, *([str(value) for value in row] for row in ROWS)]
    records = [dict(zip(columns, row, strict=True)) for row in ROWS]
    assert files[FileFormat.JSON].json() == records
    assert [json.loads(line) for line in files[FileFormat.NDJSON].text.splitlines()] == records
    assert table.column_names == columns
    assert [row["leases"] for row in table.to_pylist()] == [2, 7, 1]
    assert b"units_used" in sheet.read("xl/worksheets/sheet1.xml")
    assert empty.json() == []
    assert named.headers["content-disposition"].endswith('"tidegate-usage_by_day.csv"')
    assert named.text.startswith("quota_day,service_type,units,")


async def nothing_left(folder: Path) -> bool:
    return not await asyncio.to_thread(os.listdir, folder)


async def test_an_export_is_bounded_in_rows_and_bytes_and_says_so(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path / "rows", export_rows_max=2) as front:
        cut = await downloaded(front, "ndjson")
    async with office(
        nats_client, nats_url, tmp_path / "bytes", Story(), export_bytes_max=10
    ) as front:
        await eventually(lambda: has_rows(front))
        error = await front.refused(
            "GET", "/api/stats/export", 400, params={**LEASES, "format": "parquet"}
        )

    assert len(cut.text.splitlines()) == 2
    assert cut.headers["x-truncated"] == "true"
    assert "the file grows over 10 bytes" in error["message"]


async def has_rows(front: Desk) -> bool:
    found = await front.ask("GET", "/api/stats/query", params=LEASES)
    return bool(found["rows"])


async def test_parts_may_be_fetched_again_and_files_are_bounded_in_number(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    decoder = msgspec.json.Decoder(ExportReply)
    question = Statistics(measures=["leases"], dimensions=["session"], since="2025-12-01")
    start = StartExport(question=question, format=FileFormat.NDJSON)

    async def asked(command: Any) -> Any:
        return await ask(nats_client, subjects.ANALYTICS_EXPORT, command, decoder, 10.0)

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


async def test_a_file_comes_in_parts_and_one_that_breaks_off_is_never_taken_for_whole(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_PART_BYTES", 10)
    question = Statistics(measures=["leases"], dimensions=["session", "day"], since="2025-12-01")
    command = StartExport(question=question, format=FileFormat.NDJSON)
    async with office(nats_client, nats_url, tmp_path) as front:
        whole = await downloads.started(front.doors, command)
        parts = [part async for part in whole.parts()]
        broken = await downloads.started(front.doors, command)
        coming = broken.parts()
        first = await anext(coming)
        drop = DropExport(export_id=broken.export_id)
        await front.doors.export(ExportDropped, drop)
        with pytest.raises(GatewayError, match="dropped or forgotten"):
            await anext(coming)

    assert first == parts[0]
    assert len(parts) > 2
    assert sum(map(len, parts)) == whole.size
    assert len(b"".join(parts).splitlines()) == whole.rows


def test_what_nobody_fetches_is_forgotten_with_its_file(tmp_path: Path) -> None:
    now = [0.0]
    with stored(tmp_path / "a.duckdb", history()) as readers:
        bounds = Bounds(100, 1_000_000, 60.0)
        kept = Spool(
            tmp_path / "exports", readers, Catalogue(), bounds, get_logger(), lambda: now[0]
        )
        question = Statistics(measures=["leases"], since="2025-12-01")
        begun = kept.answer(StartExport(question=question, format=FileFormat.CSV))
        assert isinstance(begun, ExportStarted)
        fetch = FetchExport(export_id=begun.export_id)
        while getattr(kept.answer(fetch), "size", 0) is None:
            time.sleep(0.01)
        now[0] += 59.0
        there = kept.answer(fetch)
        now[0] += 61.0
        gone = kept.answer(fetch)
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
    files.write(FileFormat.CSV, path, table.schema, batches)
    lists = pa.table({"l": [[1, 2]], "t": [datetime(2026, 1, 1, tzinfo=UTC)]})
    files.write(FileFormat.CSV, tmp_path / "l", lists.schema, lists.to_batches())
    files.write(FileFormat.XLSX, tmp_path / "s", table.schema, table.to_batches())
    sheet = zipfile.ZipFile(tmp_path / "s").read("xl/worksheets/sheet1.xml")

    assert path.read_text() == "model,n,ok\n'=1+1,-1,true\n'@x,2,false\nplain,,\n"
    assert (tmp_path / "l").read_text() == 'l,t\n"[1,2]",2026-01-01T00:00:00Z\n'
    assert b"<f>" not in sheet
    assert b"=1+1" in sheet
