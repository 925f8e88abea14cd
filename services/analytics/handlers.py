"""NATS doors: named queries, statistics, sandboxed SQL, exports, reports, ping.

A door only takes in; questions are answered by a few threads, each on a cursor of its own, so
that neither ingest nor another question waits.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from faststream.nats import NatsBroker
from nats.aio.client import Client

from contracts import subjects
from contracts.analytics import (
    AnalyticsQuestion,
    Export,
    NamedQuery,
    Rows,
    SqlQuery,
    StartExport,
    WriteReport,
)
from contracts.base import Failed, Ping, Pong, Reply, WriterId
from runtime.nats.broker import Call, refusal, reply, with_reply
from runtime.process.logs import Log
from services.analytics.exports import Spool
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.queries import Catalogue
from services.analytics.reports import Reporter
from services.analytics.store import Found, QuestionError, Readers

_THREADS = 4
_WAITING_MAX = 100
_ROWS_MAX = 10_000
_REPLY_MARGIN = 64 * 1024
_query = msgspec.json.Decoder(AnalyticsQuestion)
_export = msgspec.json.Decoder(Export)
_report = msgspec.json.Decoder(WriteReport)
_sql = msgspec.json.Decoder(SqlQuery)
_ping = msgspec.json.Decoder(Ping)
_encoder = msgspec.json.Encoder()


class Answers:
    """Answers questions in threads; at most so many wait."""

    def __init__(
        self,
        readers: Readers,
        catalogue: Catalogue,
        spool: Spool,
        projector: Projector,
        metrics: Metrics,
        writer: WriterId,
        logger: Log,
    ) -> None:
        """Open no door yet."""
        self._readers = readers
        self._projector = projector
        self._metrics = metrics
        self._writer = writer
        self._logger = logger
        self._catalogue = catalogue
        self._spool = spool
        self._reporter = Reporter(readers, catalogue)
        self._threads = ThreadPoolExecutor(_THREADS, "question")
        self._answering: set[asyncio.Task[None]] = set()

    async def take(self, client: Client, call: Call, answer: Callable[[bytes], Reply]) -> None:
        """Have a call answered in a thread, or say at once that too many wait."""
        if len(self._answering) >= _WAITING_MAX:
            message = f"{_WAITING_MAX} questions are waiting already"
            await self._send(client, call, Failed(code="internal", message=message))
            return
        task = asyncio.create_task(self._answered(client, call, answer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def query(self, body: bytes) -> Rows | Failed:
        """Answer a named query, or statistics."""
        try:
            asked = _query.decode(body)
        except msgspec.DecodeError as error:
            return refusal(error, AnalyticsQuestion.__args__)
        name, rows_max = "statistics", _ROWS_MAX
        if isinstance(asked, NamedQuery):
            name = asked.name
        else:
            rows_max = asked.rows_max
        if not 1 <= rows_max <= _ROWS_MAX:
            return _too_many(rows_max)
        question = self._catalogue.question(asked)
        if isinstance(question, Failed):
            return question
        if failed := self._not_yet():
            return failed
        return self._timed(name, question.sql, rows_max, question.parameters)

    def sql(self, body: bytes) -> Rows | Failed:
        """Answer a statement of the caller's own."""
        try:
            asked = _sql.decode(body)
        except msgspec.DecodeError as error:
            return refusal(error, [SqlQuery])
        if not 1 <= asked.rows_max <= _ROWS_MAX:
            return _too_many(asked.rows_max)
        return self._not_yet() or self._timed("sql", asked.query, asked.rows_max, None)

    def export(self, body: bytes) -> Reply:
        """Start, fetch or drop the file of an export."""
        try:
            asked = _export.decode(body)
        except msgspec.DecodeError as error:
            return refusal(error, Export.__args__)
        if isinstance(asked, StartExport):
            question = self._catalogue.question(asked.question)
            failed = question if isinstance(question, Failed) else self._not_yet()
            if failed:
                return failed
        return self._spool.answer(asked)

    def report(self, body: bytes) -> Reply:
        """Write a report."""
        try:
            asked = _report.decode(body)
        except msgspec.DecodeError as error:
            return refusal(error, [WriteReport])
        with self._metrics.question_seconds.labels(f"report_{asked.period}").time():
            return self._not_yet() or self._reporter.write(asked)

    def pong(self, body: bytes) -> Pong | Failed:
        """Say who answers, and how far the log is projected."""
        try:
            _ping.decode(body)
        except msgspec.DecodeError as error:
            return refusal(error, [Ping])
        return Pong(writer=self._writer, epoch=0, sequence=self._projector.checkpoint)

    async def close(self) -> None:
        """Finish what is being answered."""
        await asyncio.gather(*self._answering)
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._spool.close)

    async def _answered(self, client: Client, call: Call, answer: Callable[[bytes], Reply]) -> None:
        loop = asyncio.get_running_loop()
        try:
            made: Reply = await loop.run_in_executor(self._threads, answer, call.body)
        except Exception as error:  # an unanswered question would wait out its time (trap 17)
            self._logger.exception("question_failed")
            made = Failed(code="internal", message=type(error).__name__)
        await self._send(client, call, made)

    async def _send(self, client: Client, call: Call, answer: Reply) -> None:
        if isinstance(answer, Failed):
            self._metrics.refused.inc()
        await reply(client, call, _fitting(answer, client.max_payload - _REPLY_MARGIN))

    def _not_yet(self) -> Failed | None:
        """Refuse while the figures are being made anew: they would be too small, and not say so."""
        why = self._projector.rebuilding
        return Failed(code="rebuilding", message=why) if why else None

    def _timed(
        self, name: str, query: str, rows_max: int, parameters: dict[str, object] | None
    ) -> Rows | Failed:
        with self._metrics.question_seconds.labels(name).time():
            try:
                found = self._readers.ask(query, rows_max, parameters)
            except QuestionError as error:
                return Failed(code="bad_request", message=str(error))
        return self._rows(found)

    def _rows(self, found: Found) -> Rows:
        return Rows(
            columns=found.columns,
            rows=found.rows,
            truncated=found.truncated,
            sequence=found.sequence,
            lag=self._projector.lag,
        )


def _too_many(rows_max: int) -> Failed:
    message = f"rows_max: expected 1 to {_ROWS_MAX}, got {rows_max}"
    return Failed(code="bad_request", message=message)


def _fitting(answer: Reply, bytes_max: int) -> bytes:
    """Encode an answer, with as many of its rows as one message may carry."""
    body = _encoder.encode(answer)
    while isinstance(answer, Rows) and len(body) > bytes_max:
        kept = min(len(answer.rows) - 1, len(answer.rows) * bytes_max // len(body))
        answer = msgspec.structs.replace(answer, rows=answer.rows[:kept], truncated=True)
        body = _encoder.encode(answer)
    return body


def open_doors(broker: NatsBroker, client: Client, answers: Answers) -> None:
    """Register the doors; `broker.start()` opens them."""

    @broker.subscriber(subjects.ANALYTICS_QUERY, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_query(call: Call) -> None:
        await answers.take(client, call, answers.query)

    @broker.subscriber(subjects.ANALYTICS_SQL, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_sql(call: Call) -> None:
        await answers.take(client, call, answers.sql)

    @broker.subscriber(subjects.ANALYTICS_EXPORT, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_export(call: Call) -> None:
        await answers.take(client, call, answers.export)

    @broker.subscriber(subjects.ANALYTICS_REPORT, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_report(call: Call) -> None:
        await answers.take(client, call, answers.report)

    @broker.subscriber(subjects.ANALYTICS_PING, max_workers=1, no_reply=True, decoder=with_reply)
    async def on_ping(call: Call) -> None:
        await reply(client, call, answers.pong(call.body))
