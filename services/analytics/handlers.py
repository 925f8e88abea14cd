"""NATS doors: named queries, statistics, strangers' SQL, exports, reports, ping.

A door only takes in; questions of ours are answered by a few threads, each on a cursor of its
own, so that neither ingest nor another question waits. Strangers' SQL has one thread, for it is
answered one at a time, in a process of its own; nobody else waits for it.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
from faststream.nats import NatsBroker
from nats.aio.client import Client

from contracts import subjects
from contracts.analytics import (
    AnalyticsQuestion,
    AskWords,
    Export,
    NamedQuery,
    Rows,
    SqlQuery,
    StartExport,
    Words,
    WriteReport,
)
from contracts.base import Failed, Ping, Pong, Reply, WriterId
from runtime.nats.broker import Call, decode_refusal, send_reply, with_reply
from runtime.process.logs import Log
from services.analytics.domain.questions.statistics import statistics_words
from services.analytics.exports import ExportSpool
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.queries import Catalogue
from services.analytics.reports import Reporter
from services.analytics.sandbox.box import Sandbox, UnavailableError
from services.analytics.store import QueryResult, QuestionError, Readers

_THREADS = 4
_WAITING_MAX = 100
_ROWS_MAX = 10_000
_REPLY_MARGIN = 64 * 1024
_TURN_S = 5.0
"""How long SQL waits for its turn beyond what the statement before it may take."""
_query = msgspec.json.Decoder(AnalyticsQuestion)
_export = msgspec.json.Decoder(Export)
_report = msgspec.json.Decoder(WriteReport)
_sql = msgspec.json.Decoder(SqlQuery)
_ping = msgspec.json.Decoder(Ping)
_encoder = msgspec.json.Encoder()


class AnalyticsAnswers:
    """Answers questions in threads; at most so many wait."""

    def __init__(
        self,
        readers: Readers,
        sandbox: Sandbox,
        catalogue: Catalogue,
        spool: ExportSpool,
        projector: Projector,
        metrics: Metrics,
        writer: WriterId,
        logger: Log,
    ) -> None:
        """Open no door yet."""
        self._readers = readers
        self._sandbox = sandbox
        self._projector = projector
        self._metrics = metrics
        self._writer = writer
        self._logger = logger
        self._catalogue = catalogue
        self._spool = spool
        self._reporter = Reporter(readers, catalogue)
        self._ours = _Lane(_THREADS, "question")
        self._strangers = _Lane(1, "sql")

    async def queue_question(
        self, client: Client, call: Call, answer: Callable[[bytes], Reply]
    ) -> None:
        """Have a call answered in a thread, or say at once that too many wait."""
        await self._queue_call(self._ours, client, call, answer)

    async def queue_sql(self, client: Client, call: Call) -> None:
        """Have a statement answered when it is its turn, or say at once that too many wait."""
        answer = partial(self.answer_sql, asked_at=time.monotonic(), bytes_max=client.max_payload)
        await self._queue_call(self._strangers, client, call, answer)

    def answer_query(self, body: bytes) -> Rows | Words | Failed:
        """Answer a named query, statistics, or in which words these may be asked."""
        try:
            asked = _query.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(error, AnalyticsQuestion.__args__)
        if isinstance(asked, AskWords):
            return statistics_words()
        name, rows_max = "statistics", _ROWS_MAX
        if isinstance(asked, NamedQuery):
            name = asked.name
        else:
            rows_max = asked.rows_max
        if not 1 <= rows_max <= _ROWS_MAX:
            return _rows_max_refusal(rows_max)
        question = self._catalogue.as_question(asked)
        if isinstance(question, Failed):
            return question
        if failed := self._rebuild_refusal():
            return failed
        ask = partial(self._readers.ask_rows, question.sql, rows_max, question.parameters)
        return self._ask_timed(name, ask)

    def answer_sql(self, body: bytes, asked_at: float, bytes_max: int) -> Rows | Failed:
        """Answer a statement of the caller's own, unless its turn comes when nobody waits."""
        try:
            asked = _sql.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(error, [SqlQuery])
        if not 1 <= asked.rows_max <= _ROWS_MAX:
            return _rows_max_refusal(asked.rows_max)
        waited_s, timeout_s = time.monotonic() - asked_at, self._sandbox.bounds.timeout_s
        if waited_s > timeout_s + _TURN_S:
            return Failed(
                code="ledger_unavailable",
                message=f"waited {waited_s:.1f} s for its turn: one statement is answered at a"
                f" time, each in {timeout_s:g} s at the most ([analytics] sql_timeout)",
            )
        ask = partial(self._sandbox.ask_statement, asked.query, asked.rows_max, bytes_max)
        return self._rebuild_refusal() or self._ask_timed("sql", ask)

    def answer_export(self, body: bytes) -> Reply:
        """Start, fetch or drop the file of an export."""
        try:
            asked = _export.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(error, Export.__args__)
        if isinstance(asked, StartExport):
            question = self._catalogue.as_question(asked.question)
            failed = question if isinstance(question, Failed) else self._rebuild_refusal()
            if failed:
                return failed
        return self._spool.answer_command(asked)

    def answer_report(self, body: bytes) -> Reply:
        """Answer a report as Markdown or a page, or why there is none."""
        try:
            asked = _report.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(error, [WriteReport])
        with self._metrics.question_seconds.labels(f"report_{asked.period}").time():
            return self._rebuild_refusal() or self._reporter.write_report(asked)

    def answer_ping(self, body: bytes) -> Pong | Failed:
        """Say who answers, and how far the log is projected."""
        try:
            _ping.decode(body)
        except msgspec.DecodeError as error:
            return decode_refusal(error, [Ping])
        freshness = self._projector.freshness
        return Pong(
            writer=self._writer,
            epoch=0,
            sequence=freshness.checkpoint,
            trouble=freshness.unready_reason() or "",
        )

    async def close(self) -> None:
        """Finish what is being answered; strangers' SQL is broken off."""
        await asyncio.to_thread(self._sandbox.close)
        for lane in (self._ours, self._strangers):
            await asyncio.gather(*lane.answering)
            await asyncio.to_thread(lane.threads.shutdown)
        await asyncio.to_thread(self._spool.close)

    async def _queue_call(
        self, lane: "_Lane", client: Client, call: Call, answer: Callable[[bytes], Reply]
    ) -> None:
        if len(lane.answering) >= _WAITING_MAX:
            message = f"{_WAITING_MAX} questions are waiting already"
            await self._send_reply(client, call, Failed(code="ledger_unavailable", message=message))
            return
        task = asyncio.create_task(self._answer_call(lane, client, call, answer))
        lane.answering.add(task)
        assert len(lane.answering) <= _WAITING_MAX
        task.add_done_callback(lane.answering.discard)

    async def _answer_call(
        self, lane: "_Lane", client: Client, call: Call, answer: Callable[[bytes], Reply]
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            answered: Reply = await loop.run_in_executor(lane.threads, answer, call.body)
        except Exception as error:  # an unanswered question would wait out its time
            self._logger.exception("question_failed")
            answered = Failed(code="internal", message=type(error).__name__)
        await self._send_reply(client, call, answered)

    async def _send_reply(self, client: Client, call: Call, answer: Reply) -> None:
        if isinstance(answer, Failed):
            self._metrics.refused.inc()
        await send_reply(client, call, _encode_fitting(answer, client.max_payload - _REPLY_MARGIN))

    def _rebuild_refusal(self) -> Failed | None:
        """Refuse while the figures are being made anew: they would be too small, and not say so."""
        why = self._projector.freshness.rebuild_reason
        return Failed(code="rebuilding", message=why) if why else None

    def _ask_timed(self, name: str, ask: Callable[[], QueryResult]) -> Rows | Failed:
        with self._metrics.question_seconds.labels(name).time():
            try:
                result = ask()
            except QuestionError as error:
                return Failed(code="bad_request", message=str(error))
            except UnavailableError as error:
                return Failed(code="ledger_unavailable", message=str(error))
        return self._as_rows(result)

    def _as_rows(self, result: QueryResult) -> Rows:
        return Rows(
            columns=result.columns,
            rows=result.rows,
            truncated=result.truncated,
            sequence=result.sequence,
            lag=self._projector.freshness.messages_behind(result.sequence),
        )


class _Lane:
    """Threads that answer, and what is being answered or waits for them."""

    def __init__(self, threads: int, name: str) -> None:
        self.threads = ThreadPoolExecutor(threads, name)
        self.answering: set[asyncio.Task[None]] = set()


def _rows_max_refusal(rows_max: int) -> Failed:
    message = f"rows_max: expected 1 to {_ROWS_MAX}, got {rows_max}"
    return Failed(code="bad_request", message=message)


def _encode_fitting(answer: Reply, bytes_max: int) -> bytes:
    """Encode an answer, with as many of its rows as one message may carry."""
    body = _encoder.encode(answer)
    while isinstance(answer, Rows) and answer.rows and len(body) > bytes_max:
        kept = min(len(answer.rows) - 1, len(answer.rows) * bytes_max // len(body))
        answer = msgspec.structs.replace(answer, rows=answer.rows[:kept], truncated=True)
        body = _encoder.encode(answer)
    if len(body) > bytes_max:  # the names of its columns alone, or a text that is no row
        message = f"the answer is longer than {bytes_max:,} bytes: expected a shorter one"
        return _encoder.encode(Failed(code="bad_request", message=message))
    return body


def open_doors(broker: NatsBroker, client: Client, answers: AnalyticsAnswers) -> None:
    """Register the doors; `broker.start()` opens them."""

    @broker.subscriber(subjects.ANALYTICS_QUERY, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_query(call: Call) -> None:
        await answers.queue_question(client, call, answers.answer_query)

    @broker.subscriber(subjects.ANALYTICS_SQL, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_sql(call: Call) -> None:
        await answers.queue_sql(client, call)

    @broker.subscriber(subjects.ANALYTICS_EXPORT, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_export(call: Call) -> None:
        await answers.queue_question(client, call, answers.answer_export)

    @broker.subscriber(subjects.ANALYTICS_REPORT, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_report(call: Call) -> None:
        await answers.queue_question(client, call, answers.answer_report)

    @broker.subscriber(subjects.ANALYTICS_PING, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_ping(call: Call) -> None:
        await send_reply(client, call, answers.answer_ping(call.body))
