"""Analytics as a service: its doors on NATS, its health, its settings, its end."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from nats.aio.client import Client
from structlog import get_logger

from contracts import subjects
from contracts.analytics import (
    FileFormat,
    NamedQuery,
    ReportPeriod,
    Rows,
    SqlQuery,
    StartExport,
    Statistics,
    WriteReport,
)
from contracts.base import Failed, WriterId
from runtime.nats.broker import Call
from services.analytics import app, handlers
from services.analytics.domain.fold import RowBatch
from services.analytics.exports import ExportBounds, ExportSpool
from services.analytics.handlers import AnalyticsAnswers, _encode_fitting
from services.analytics.queries import Catalogue
from services.analytics.sandbox import box
from services.analytics.store import LedgerWriter
from tests import ROOT
from tests.integration.analytics.parts import Running, publish, sandbox
from tests.integration.analytics.served import Load, asked, caught_up, service
from tests.unit.analytics.builders import Story, session, used
from tests.waiting import until

pytestmark = pytest.mark.anyio
STORY = Story().tell(session()).lease("r1", used("r1")).lease("r2", used("r2"))


async def test_doors_answer_named_queries_sql_and_ping(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    await publish(nats_client, STORY)
    end = len(STORY.stored)

    async with service(tmp_path, nats_url):
        await caught_up(nats_client, end)
        query = NamedQuery(name="session_total", parameters={"session_id": "s1"})
        total = await asked(nats_client, subjects.ANALYTICS_QUERY, query)
        leases = await asked(
            nats_client,
            subjects.ANALYTICS_SQL,
            SqlQuery(query="select lease_id from leases order by 1", rows_max=1),
        )

    assert total == Rows(
        columns=["requests", "units", "first_date", "last_date"],
        rows=[[2, 2, "2026-01-01", "2026-01-01"]],
        sequence=end,
    )
    assert leases == Rows(columns=["lease_id"], rows=[["r1.1"]], truncated=True, sequence=end)


@pytest.mark.parametrize(
    ("subject", "body", "message"),
    [
        (subjects.ANALYTICS_QUERY, b"garbage", "expected NamedQuery or Statistics"),
        (subjects.ANALYTICS_SQL, b"{}", "expected SqlQuery"),
        (subjects.ANALYTICS_PING, b"[]", "expected Ping"),
        (subjects.ANALYTICS_QUERY, b'{"type":"named_query","name":"x"}', "there is no query 'x'"),
        (
            subjects.ANALYTICS_SQL,
            b'{"type":"sql_query","query":"drop view x"}',
            "expected a SELECT",
        ),
        (
            subjects.ANALYTICS_SQL,
            b'{"type":"sql_query","query":"select 1","rows_max":0}',
            "rows_max: expected 1 to 10000, got 0",
        ),
    ],
)
async def test_bad_question_is_answered_by_what_was_expected(
    nats_client: Client, nats_url: str, tmp_path: Path, subject: str, body: bytes, message: str
) -> None:
    async with service(tmp_path, nats_url):
        await caught_up(nats_client, 0)
        found = await nats_client.request(subject, body, timeout=10)

    failed = msgspec.json.decode(found.data, type=Failed)

    assert failed.code == "bad_request"
    assert message in failed.message


async def test_slow_question_keeps_nobody_but_sql_waiting(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    load = Load()
    load.table = {"sql_timeout": 4.0}
    endless = SqlQuery(query="select count(*) from range(10000000000) a, range(10000000) b")

    async with service(tmp_path, nats_url, load):
        await caught_up(nats_client, 0)
        slow = asyncio.create_task(asked(nats_client, subjects.ANALYTICS_SQL, endless))
        await publish(nats_client, STORY)
        await caught_up(nats_client, len(STORY.stored))
        sql = asyncio.create_task(
            asked(nats_client, subjects.ANALYTICS_SQL, SqlQuery(query="select 1"))
        )
        query = NamedQuery(name="session_total", parameters={"session_id": "s1"})
        quick = await asked(nats_client, subjects.ANALYTICS_QUERY, query)
        waiting = (not slow.done(), not sql.done())
        interrupted = await slow
        in_its_turn = await sql

    assert quick.rows == [[2, 2, "2026-01-01", "2026-01-01"]]
    assert waiting == (True, True)
    assert "interrupted after 4 s" in interrupted.message
    assert in_its_turn.rows == [[1]]


async def test_whatever_is_asked_while_figures_are_made_anew_is_told_so(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch is held back: no figure is there while each kind of question is asked."""
    written, go_on = LedgerWriter.write_batch, threading.Event()

    def held(ledger: LedgerWriter, batch: RowBatch) -> int:
        go_on.wait(30)
        return written(ledger, batch)

    monkeypatch.setattr(LedgerWriter, "write_batch", held)
    await publish(nats_client, STORY)
    query = NamedQuery(name="summary")
    async with service(tmp_path, nats_url):
        try:
            told = [
                await asked(nats_client, subject, command)
                for subject, command in (
                    (subjects.ANALYTICS_QUERY, query),
                    (subjects.ANALYTICS_QUERY, Statistics(measures=["requests"])),
                    (subjects.ANALYTICS_SQL, SqlQuery(query="from leases")),
                    (subjects.ANALYTICS_EXPORT, StartExport(question=query, format=FileFormat.CSV)),
                    (subjects.ANALYTICS_REPORT, WriteReport(period=ReportPeriod.DAILY)),
                )
            ]
        finally:
            go_on.set()
        await caught_up(nats_client, len(STORY.stored))
        whole = await asked(nats_client, subjects.ANALYTICS_QUERY, query)

    assert [one.code for one in told] == ["rebuilding"] * 5
    assert all("the figures are being made anew" in one.message for one in told)
    assert whole.rows


async def test_sql_is_asked_of_a_copy_and_says_how_far_it_is_behind(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box, "_COPY_AGE_MIN_S", 3600.0)
    later = Story().tell(session()).lease("r1", used("r1")).lease("r2", used("r2"))
    later.lease("r3", used("r3"))
    count = SqlQuery(query="select count(*) from leases")
    ends = len(STORY.stored), len(later.stored)
    await publish(nats_client, STORY)

    async with service(tmp_path, nats_url):
        await caught_up(nats_client, ends[0])
        first = await asked(nats_client, subjects.ANALYTICS_SQL, count)
        await publish(nats_client, later, after=ends[0])
        await caught_up(nats_client, ends[1])
        copied = await asked(nats_client, subjects.ANALYTICS_SQL, count)
        monkeypatch.setattr(box, "_COPY_AGE_MIN_S", 0.0)
        monkeypatch.setattr(box, "_COPY_AGE_FACTOR", 0)
        anew = await asked(nats_client, subjects.ANALYTICS_SQL, count)

    assert (first.rows, first.sequence, first.lag) == ([[2]], ends[0], 0)
    assert (copied.rows, copied.sequence, copied.lag) == ([[2]], ends[0], ends[1] - ends[0])
    assert (anew.rows, anew.sequence, anew.lag) == ([[3]], ends[1], 0)
    assert not (tmp_path / "sql").exists()


async def test_answer_whose_names_alone_are_too_long_is_refused_and_the_next_one_is_given(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    wide = f'select {",".join(["*"] * 200)} from (select 1 as "{"k" * 90_000}")'

    async with service(tmp_path, nats_url):
        await caught_up(nats_client, 0)
        long = await asked(nats_client, subjects.ANALYTICS_SQL, SqlQuery(query=wide))
        short = await asked(nats_client, subjects.ANALYTICS_SQL, SqlQuery(query="select 42"))

    assert (long.code, short.rows) == ("bad_request", [[42]])
    assert "the answer is longer than" in long.message


async def test_too_many_questions_are_refused_at_once(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    load = Load()
    load.table = {"sql_timeout": 1.0}
    endless = SqlQuery(query="select count(*) from range(10000000000) a, range(10000000) b")

    async with service(tmp_path, nats_url, load):
        await caught_up(nats_client, 0)
        first = asyncio.create_task(asked(nats_client, subjects.ANALYTICS_SQL, endless))
        await nats_client.flush()
        rest = [
            asyncio.create_task(
                asked(nats_client, subjects.ANALYTICS_SQL, SqlQuery(query="select 1"))
            )
            for _ in range(113)
        ]
        answers = await asyncio.gather(*rest)
        await first

    refused = [one for one in answers if isinstance(one, Failed)]
    assert len(refused) == 14
    assert "100 questions are waiting already" in refused[0].message
    assert {one.code for one in refused} == {"ledger_unavailable"}


async def test_sql_whose_turn_comes_too_late_is_told_so(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_TURN_S", -0.5)
    load = Load()
    load.table = {"sql_timeout": 1.0}
    endless = SqlQuery(query="select count(*) from range(10000000000) a, range(10000000) b")

    async with service(tmp_path, nats_url, load):
        await caught_up(nats_client, 0)
        slow = asyncio.create_task(asked(nats_client, subjects.ANALYTICS_SQL, endless))
        await nats_client.flush()
        late = await asked(nats_client, subjects.ANALYTICS_SQL, SqlQuery(query="select 1"))
        await slow

    assert late.code == "ledger_unavailable"
    assert "s for its turn: one statement is answered at a time, each in 1 s" in late.message


async def test_fault_of_ours_is_an_answer_too(nats_client: Client, tmp_path: Path) -> None:
    parts = Running(nats_client, tmp_path / "a.duckdb")
    parts.projector.freshness._rebuilding = None  # as when it has caught up
    parts.database.close()
    catalogue = Catalogue()
    spool = ExportSpool(
        tmp_path / "exports", parts.readers, catalogue, ExportBounds(1, 1, 1.0), get_logger()
    )
    query = NamedQuery(name="session_total", parameters={"session_id": "s1"})
    inbox = await nats_client.subscribe("_INBOX_test.answer")
    call = Call("_INBOX_test.answer", msgspec.json.encode(query))
    with sandbox(parts.database, tmp_path / "sql") as made:
        answers = AnalyticsAnswers(
            parts.readers,
            made,
            catalogue,
            spool,
            parts.projector,
            parts.metrics,
            WriterId("w"),
            get_logger(),
        )
        await answers.queue_question(nats_client, call, answers.answer_query)
        await answers.close()
    found = await inbox.next_msg(10)

    assert msgspec.json.decode(found.data, type=Failed).code == "internal"


def test_answer_too_great_for_a_message_loses_rows_and_says_so() -> None:
    answer = Rows(columns=["x"], rows=[["y" * 100] for _ in range(1000)])
    body = _encode_fitting(answer, 10_000)
    huge = _encode_fitting(Rows(columns=["x"], rows=[["y" * 100_000]]), 10_000)

    cut = msgspec.json.decode(body, type=Rows)

    assert len(body) <= 10_000
    assert cut.truncated
    assert 80 < len(cut.rows) < 100
    assert msgspec.json.decode(huge, type=Rows).rows == []


async def test_health_port_tells_readiness_and_figures(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    await publish(nats_client, STORY)

    async with service(tmp_path, nats_url) as port:
        await caught_up(nats_client, len(STORY.stored))
        ready = await asyncio.to_thread(status_and_text, port, "/readyz")
        metrics = await asyncio.to_thread(status_and_text, port, "/metrics")
        await nats_client.jetstream().delete_stream("EVT")
        unready = ready
        while unready[0] == 200:
            unready = await asyncio.to_thread(status_and_text, port, "/readyz")
            await asyncio.sleep(0.05)

    assert (ready[0], json.loads(ready[1])) == (200, {"status": "ok"})
    assert f"tidegate_analytics_checkpoint {len(STORY.stored)}.0" in metrics[1]
    assert "tidegate_analytics_lag_messages 0.0" in metrics[1]
    assert "the event log cannot be reached" in unready[1]


def status_and_text(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_settings_change_while_it_runs_and_a_wrong_file_changes_nothing(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "_LOOK_EVERY_S", 0.02)
    load = Load()
    endless = SqlQuery(query="select count(*) from range(10000000000) a, range(10000000) b")

    async with service(tmp_path, nats_url, load):
        await caught_up(nats_client, 0)
        load.table = {"sql_timeout": 0.3}
        await asyncio.sleep(0.2)
        load.table = {"wrong": True}
        await asyncio.sleep(0.2)
        found = await asked(nats_client, subjects.ANALYTICS_SQL, endless)

    assert "interrupted after 0.3 s" in found.message


async def test_memory_that_only_a_restart_changes_is_told_once(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, Any]] = []

    def kept(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        told.append(event)
        raise structlog.DropEvent

    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[kept])
    monkeypatch.setattr(app.logs, "configure_logs", lambda _: logger)
    monkeypatch.setattr(app, "_LOOK_EVERY_S", 0.01)
    load = Load()

    async with service(tmp_path, nats_url, load):
        await caught_up(nats_client, 0)
        load.table = {"memory": 200_000_000}
        await until(lambda: any(event["event"] == "restart_needed" for event in told))
        looks = load.times
        await until(lambda: load.times >= looks + 3)

    (found,) = [event for event in told if event["event"] == "restart_needed"]
    assert (found["setting"], found["configured"]) == ("analytics.memory", 200_000_000)


async def test_terminated_process_ends_in_order_and_lets_go_of_the_file(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    await publish(nats_client, STORY)
    command = [
        sys.executable,
        "-m",
        "tests.integration.analytics.process",
        str(tmp_path),
        nats_url,
        "0",
    ]
    process = await asyncio.to_thread(subprocess.Popen, command, cwd=ROOT, stderr=subprocess.PIPE)
    await caught_up(nats_client, len(STORY.stored))
    process.send_signal(signal.SIGTERM)
    _, stderr = await asyncio.to_thread(process.communicate, timeout=30)

    lines = [json.loads(line) for line in stderr.decode().splitlines()]
    said = [line for line in lines if line["event"] != "nats_disconnected"]

    assert process.returncode == 0
    assert [line["event"] for line in said][-2:] == ["stopping", "stopped"]
    assert said[-2]["checkpoint"] == len(STORY.stored)
    assert not (tmp_path / "analytics.duckdb.wal").exists()
