"""One exchange: the request to one server, its answer judged, and passed on if it is a success."""

import random
import time
from collections.abc import Callable

from contracts.balancer import PLAIN, Selected
from contracts.pool import Attempt, Verdict
from services.gateway.clients.headers import upstream_headers
from services.gateway.dialects.credentials import secrets_of, spellings_of
from services.gateway.dialects.words import FILM_SUBMITTED_AFTER_S, SUBMITTED_AFTER_S, Translation
from services.gateway.domain import Judgement, failure_error
from services.gateway.domain.answers.concealing import WATCHED_BYTES, Watch, blank_secrets
from services.gateway.domain.answers.envelopes import expand_body
from services.gateway.domain.answers.expanding import PLAIN_ENCODINGS, Expansion
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.failure import Failure
from services.gateway.domain.heads import Headers, headers_passing
from services.gateway.domain.texts import short_ms
from services.gateway.relay.course.happenings import Judged, Passed
from services.gateway.relay.upstream.attempts import Times, attempt_of
from services.gateway.relay.upstream.judging import encoding_of, judge_answer
from services.gateway.relay.upstream.parts import ClientSide, Upstream
from services.gateway.relay.upstream.passing import stream_watched
from services.gateway.relay.upstream.telling import Telling
from services.gateway.transport import ServerAnswer, ServerRequest, TransportFailure, Waits
from services.gateway.transport.retry_after import retry_after

_FILMS = "/videos/"
_OF_THE_BYTES = frozenset({b"content-length", b"content-encoding", b"etag"})
"""What a body that was written anew has no more."""
_NO_EVENTS = "the answer is no event stream, as which this one had begun"
_NO_RESULT = "an answer without a result"
_UNJUDGED = Judgement(Verdict.CLIENT_GONE)


class Exchange:
    """One request to one server: `send_and_judge`, and after a success `pass_on`; then `close`."""

    __slots__ = (
        "_answer",
        "_authorization",
        "_begun",
        "_connect_s",
        "_content",
        "_first_byte_ms",
        "_judgement",
        "_on_departure",
        "_outgoing",
        "_secrets",
        "_selected",
        "_side",
        "_started",
        "_telling",
        "_translation",
        "_upstream",
        "_whole",
    )

    def __init__(
        self,
        upstream: Upstream,
        side: ClientSide,
        selected: Selected,
        authorization: bytes | None,
        connect_s: float,
        on_departure: Callable[[], None],
    ) -> None:
        """Nothing is sent yet; `on_departure` is called when the head leaves."""
        self._on_departure = on_departure
        self._upstream = upstream
        self._side = side
        self._selected = selected
        self._authorization = authorization
        self._secrets = secrets_of(authorization)
        self._connect_s = connect_s
        self._started = time.perf_counter()
        self._translation: Translation | None = None
        self._outgoing: ServerRequest | None = None
        self._answer: ServerAnswer | None = None
        self._first_byte_ms = 0.0
        self._telling: Telling | None = None
        self._content = ""
        self._judgement = _UNJUDGED
        self._begun = b""
        self._whole = False

    async def send_and_judge(self) -> Judged:
        """Send the request, and judge its answer.

        Raises `GatewayError` when the client's own body cannot be sent to this server, and
        `ClientGoneError`.
        """
        if self._selected.dialect != PLAIN:
            self._translation = await self._side.wording.translation_for_server(
                self._selected.dialect
            )
        outgoing = self._outgoing = self._upstream_request()
        error, wait_s = None, None
        try:
            answer = self._answer = await self._send_request(outgoing)
            self._first_byte_ms = (time.perf_counter() - self._started) * 1000
            await self._judge_answer(answer)
            if self._judgement.verdict is not Verdict.SUCCESS:
                wait_s = retry_after(answer.header_text)
        except TransportFailure as failure:
            verdict = Verdict.OUTCOME_UNKNOWN if failure.sent else Verdict.UNREACHABLE
            self._judgement = Judgement(verdict, message=failure.failure.value)
            error = failure_error(failure.failure, sent=failure.sent)
        except GatewayError as broken:
            self._judgement = Judgement(Verdict.OUTCOME_UNKNOWN, message="body")
            error = broken
        verdict = self._judgement.verdict
        return Judged(
            judgement=self._judgement,
            attempt=None if verdict is Verdict.SUCCESS else self.record_attempt(verdict),
            error=error,
            retry_after_s=wait_s,
            first_byte_ms=self._first_byte_ms,
            replayable=self._side.upload.is_replayable,
            chance=random.random(),  # noqa: S311 (it only keeps clients apart)
        )

    async def pass_on(self) -> Passed:
        """Pass the answer on to the client, to its end or to where its server cuts it.

        Raises `ClientGoneError`.
        """
        answer, client = self._answer, self._side.client
        assert answer is not None
        assert self._judgement.verdict is Verdict.SUCCESS
        error = None
        if self._telling is not None:
            await self._telling.tell_content(self._content)
        elif self._whole and not client.begun:
            await self._answer_whole(answer)
        else:
            error = await self._stream_answer(answer)
        included = self._translation.results_included if self._translation else 0
        return Passed(
            attempt=self.record_attempt(Verdict.SUCCESS),
            status=client.status,
            bytes_out=client.bytes_out,
            results_included=included,
            error=error,
        )

    def attempt_broken_off(self, *, overdue: bool) -> Attempt | None:
        """Write down one given up where it stands: a timeout if it is the server's; None: none."""
        if self._outgoing is None:
            return None
        passing = self._judgement.verdict is Verdict.SUCCESS
        if overdue and not passing and self._outgoing.sent_at and self._side.upload.complete:
            self._judgement = Judgement(Verdict.OUTCOME_UNKNOWN, message=Failure.TIMEOUT.value)
            return self.record_attempt(Verdict.OUTCOME_UNKNOWN)
        return self.record_attempt(Verdict.SUCCESS if passing else Verdict.CLIENT_GONE)

    def record_attempt(self, verdict: Verdict) -> Attempt:
        """Write down how it went, and count it."""
        outgoing, answer, translation = self._outgoing, self._answer, self._translation
        assert outgoing is not None
        times = Times(
            short_ms((self._started - (self._side.client.asked_since or self._started)) * 1000),
            short_ms(answer.connect_ms) if answer else 0.0,
            short_ms(self._first_byte_ms),
            short_ms((time.perf_counter() - self._started) * 1000),
        )
        tried = attempt_of(
            self._selected,
            self._judgement,
            verdict,
            answer.status if answer else 0,
            times,
            sent=outgoing.sent_at is not None,
            translated=translation.told if translation is not None else "",
        )
        (metrics := self._upstream.metrics).record_attempt(self._selected.server_id, verdict)
        if tried.meaning == "not_accepted":
            metrics.not_accepted.labels(self._selected.server_id).inc()
        return tried

    async def close(self) -> None:
        """Let go of the answer; what is left of it is not read."""
        if self._answer is not None:
            await self._answer.aclose()

    async def _send_request(self, outgoing: ServerRequest) -> ServerAnswer:
        """Send, and await the answer's head. Raises `TransportFailure`, `GatewayError`."""
        transport, translation = self._upstream.transport, self._translation
        if translation is None or not translation.chat:
            return await transport.begin_exchange(outgoing)
        side = self._side
        self._telling = Telling(
            side.routed, side.wording.asks, side.client, translation.chat, side.own_headers
        )
        async with self._telling.keep_alive():
            return await transport.begin_exchange(outgoing)

    def _upstream_request(self) -> ServerRequest:
        """Make the request that goes to the server."""
        routed, upload = self._side.routed, self._side.upload
        request = routed.request
        address = self._upstream.addresses.address_of(self._selected.url)
        length = upload.taken if upload.complete else upload.length
        pieces, kind, target = None, "", request.target_bytes
        if self._translation is not None:
            target = request.target_at(self._translation.path)
            if self._translation.pieces is not None:
                pieces = self._translation.pieces
                kind, length = self._translation.content_type, self._translation.body_length
        settings = self._upstream.settings
        headers = upstream_headers(request, address.host, self._authorization, length, kind)
        return ServerRequest(
            "POST",
            address.origin,
            address.host,
            address.prefix + target,
            headers,
            upload.as_body(pieces),
            Waits(
                min(self._connect_s, settings.connect_timeout),
                self._upstream.first_byte_s(routed.service_type),
                settings.idle_timeout,
            ),
            self._on_departure,
        )

    async def _judge_answer(self, answer: ServerAnswer) -> None:
        """Judge an answer by its head and, where it has a say, its body.

        Raises `TransportFailure`.
        """
        secrets = self._secrets
        submitted_after_s = _submitted_after_s(self._side.routed.request.path, self._translation)
        tables = self._upstream.failures
        judged = await judge_answer(answer, tables, secrets, self._translation, submitted_after_s)
        self._judgement, self._begun, self._whole = judged.judgement, judged.begun, judged.whole
        if self._telling is None or self._judgement.verdict is not Verdict.SUCCESS:
            return
        self._content = await self._telling.read_content(self._begun, answer, secrets)
        if not self._content:
            status = self._judgement.status
            self._judgement = Judgement(Verdict.OUTCOME_UNKNOWN, status, message=_NO_RESULT)

    def _client_headers(self, answer: ServerAnswer, *, anew: bool) -> Headers:
        """Make the head; `anew`: the body is not, byte for byte, what the server wrote."""
        headers = headers_passing(answer.headers, self._upstream.passed, self._secrets)
        if anew:
            headers = [pair for pair in headers if pair[0] not in _OF_THE_BYTES]
        return [*headers, *self._side.own_headers()]

    async def _answer_whole(self, answer: ServerAnswer) -> None:
        """Give the client a whole answer, without the credential if its server repeats it."""
        encoding = encoding_of(answer)
        body = self._begun
        plain = expand_body(encoding, body) if encoding not in PLAIN_ENCODINGS else body
        assert isinstance(plain, bytes)  # or else it would be no success, or no whole one
        clean = blank_secrets(plain, spellings_of(self._secrets))
        if clean is not plain:
            self._upstream.metrics.echoed.labels(self._selected.server_id).inc()
        headers = self._client_headers(answer, anew=clean is not body)
        if clean is not body or not answer.header_text(b"content-length"):
            headers.append((b"content-length", str(len(clean)).encode()))
        await self._side.client.answer_whole(answer.status, headers, clean)

    async def _stream_answer(self, answer: ServerAnswer) -> GatewayError | None:
        """Give the client an answer as it comes; says what cut it.

        An event stream that an attempt before this one began, and whose session was refused after
        a long silence, goes on with the events of this one.
        """
        client = self._side.client
        encoding = encoding_of(answer)
        expansion = None if encoding in PLAIN_ENCODINGS else Expansion(encoding)
        events = answer.header_text(b"content-type").lower().startswith("text/event-stream")
        if not client.begun:
            headers = self._client_headers(answer, anew=expansion is not None)
            if events:  # what is cut ends in an event of ours, which no length knows of
                headers = [pair for pair in headers if pair[0] != b"content-length"]
                headers.append((b"x-accel-buffering", b"no"))
            await client.start_answer(answer.status, headers, events=events)
        elif not events:
            error = GatewayError("upstream_outcome_unknown", _NO_EVENTS)
            await client.break_off(error)
            return error
        if events:
            answer.wait_at_most(self._upstream.first_byte_s(self._side.routed.service_type))
        watch = Watch(spellings_of(self._secrets), None if events else WATCHED_BYTES)
        broken = await stream_watched(client, self._begun, answer, watch, expansion)
        if watch.found:
            self._upstream.metrics.echoed.labels(self._selected.server_id).inc()
        return broken


def _submitted_after_s(path: str, translation: Translation | None) -> float:
    """So long after the request's last byte its server has submitted, whatever it speaks."""
    if translation is not None:
        return translation.submitted_after_s
    return FILM_SUBMITTED_AFTER_S if _FILMS in path else SUBMITTED_AFTER_S
