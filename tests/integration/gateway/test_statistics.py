"""Statistics over HTTP, as rows and as files, from real projections behind real doors."""

import asyncio
import csv
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from nats.aio.client import Client

from contracts.analytics import FileFormat
from services.analytics.domain.questions.measures import DIMENSIONS, MEASURES
from tests.integration.analytics.parts import history
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
    assert named["rows"] == [[8, 4, "2026-01-01", "2026-01-01"]]
    assert recent["rows"] == [[0]]


async def test_words_are_those_that_may_be_asked_for(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path) as front:
        there = await front.ask("GET", "/api/stats/words")
        names = {kind: [word["name"] for word in there[kind]] for kind in there}
        every = {kind: ",".join(found) for kind, found in names.items()}
        found = await front.ask("GET", "/api/stats/query", params={**SINCE, **every})

    assert names == {"measures": [*MEASURES], "dimensions": [*DIMENSIONS]}
    assert found["columns"] == [*names["dimensions"], *names["measures"]]


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
    """One question is downloaded in each format, read by that format's own reader, and compared."""
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
