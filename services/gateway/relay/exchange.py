"""One attempt: the request to one server, its answer judged, and passed on if it is a success."""

import time
from collections.abc import Mapping
from contextlib import aclosing

import httpx

from contracts.balancer import PLAIN, Selected
from contracts.pool import Verdict
from services.gateway.clients.answers import Client
from services.gateway.clients.headers import own_headers, upstream_headers
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Upload
from services.gateway.dialects.credentials import looked_for, secrets_of
from services.gateway.dialects.words import LATE_FILM_S, LATE_S, Translation
from services.gateway.domain import Judgement, judged_body, judged_head
from services.gateway.domain.answers.concealing import WATCHED_BYTES, Watch, concealed
from services.gateway.domain.answers.envelopes import JUDGED_BYTES_MAX, envelope_of, tells_results
from services.gateway.domain.answers.judgement import REFUSED_BY_NODE
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.heads import passed, passed_names
from services.gateway.metrics import Metrics
from services.gateway.relay.interpreter import Interpreter
from services.gateway.relay.passing import passed_on
from services.gateway.relay.result import Result, Times, failed, tried_at
from services.gateway.relay.telling import Telling
from services.gateway.settings import Settings
from services.gateway.transport import Answer, Transport, TransportFailure
from services.gateway.transport.addresses import Addresses
from services.gateway.transport.retry_after import retry_after

_FILMS = "/videos/"
_OF_THE_BYTES = frozenset({b"content-length", b"content-encoding", b"etag"})
"""What a body that was written anew has no more."""


class Exchange:
    """Carries one request to one server over the transport."""

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        metrics: Metrics,
        interpreter: Interpreter,
    ) -> None:
        """Use one transport for every exchange."""
        self._metrics = metrics
        self._interpreter = interpreter
        self._transport = transport
        self._addresses = Addresses()
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.settings = settings.gateway
        self._passed = passed_names(settings.gateway.response_headers)
        self._failures = settings.gateway.failure_tables()
        self._patience_s = settings.patience_s()
        self._transport.reuse_idle_s = settings.gateway.reuse_idle
        self._transport.go_through(settings.gateway.proxy)

    async def attempt(
        self,
        request: Request,
        upload: Upload,
        client: Client,
        selected: Selected,
        authorization: bytes | None,
        *,
        connect_s: float,
        rate: Mapping[str, str] | None,
    ) -> Result:
        """Try one server; a success is passed on to the client as it comes.

        Raises `GatewayError` when the client's own body broke off before anything was sent.
        """
        started = time.perf_counter()
        translation = None
        if selected.dialect != PLAIN:
            translation = await self._interpreter.understood(request, upload, selected.dialect)
        outgoing = self._outgoing(request, upload, selected, authorization, connect_s, translation)
        result = Result(Judgement(Verdict.CLIENT_GONE), sent=False)
        status, connect_ms = 0, 0.0
        try:
            telling = None
            if translation is not None and translation.chat:
                telling = Telling(request, client, translation.chat, own_headers(request, rate))
                async with telling.meanwhile():
                    answer = await self._transport.exchange(outgoing)
            else:
                answer = await self._transport.exchange(outgoing)
            request.first_byte_ms = (time.perf_counter() - started) * 1000
            status, connect_ms = answer.status, answer.connect_ms
            async with aclosing(answer):
                secrets = secrets_of(authorization)
                result = await self._answered(
                    request, client, answer, rate, secrets, translation, telling
                )
        except TransportFailure as failure:
            result = failed(failure)
        except GatewayError as error:
            result = Result(
                Judgement(Verdict.OUTCOME_UNKNOWN, message="body"), sent=True, error=error
            )
        finally:
            sent = "sent_at" in outgoing.extensions
            request.sent = request.sent or sent
            verdict = result.judgement.verdict
            if request.answered and verdict is Verdict.CLIENT_GONE:
                verdict = Verdict.SUCCESS
            request.attempts_made += 1
            told = translation.told if translation is not None else ""
            times = Times(
                round(connect_ms, 3),
                round(request.first_byte_ms, 3) if status else 0.0,
                round((time.perf_counter() - started) * 1000, 3),
            )
            tried = tried_at(selected, result, verdict, status, times, sent=sent, translated=told)
            request.attempts.append(tried)
            self._metrics.attempted(selected.server_id, verdict)
            if tried.meaning == "not_accepted":
                self._metrics.not_accepted.labels(selected.server_id).inc()
        return result

    def _outgoing(
        self,
        request: Request,
        upload: Upload,
        selected: Selected,
        authorization: bytes | None,
        connect_s: float,
        translation: Translation | None,
    ) -> httpx.Request:
        address = self._addresses.of(selected.url)
        length = upload.taken if upload.complete else upload.length
        pieces, kind, target = None, "", request.target
        if translation is not None:
            request.results_included = translation.results_included
            target = request.target_at(translation.path)
            if translation.pieces is not None:
                pieces, kind, length = (
                    translation.pieces,
                    translation.content_type,
                    translation.length,
                )
        settings = self.settings
        return httpx.Request(
            "POST",
            address.url,
            headers=upstream_headers(request, address.host, authorization, length, kind),
            stream=upload.stream(pieces),
            extensions={
                "target": address.prefix + target,
                "timeout": {
                    "connect": min(connect_s, settings.connect_timeout),
                    "first_byte": self._patience_s.get(request.service_type),
                    "idle": settings.idle_timeout,
                },
            },
        )

    async def _answered(
        self,
        request: Request,
        client: Client,
        answer: Answer,
        rate: Mapping[str, str] | None,
        secrets: tuple[bytes, ...],
        translation: Translation | None,
        telling: Telling | None,
    ) -> Result:
        """Judge an answer, and pass a success on."""
        judgement, begun, whole = await self._judged(request, answer, secrets, translation)
        if judgement.verdict is not Verdict.SUCCESS:
            wait_s = retry_after(answer.header)
            return Result(judgement, sent=True, retry_after_s=wait_s)
        if telling is not None:
            return await telling.tell(request, judgement, begun, answer, secrets)
        request.answered = True
        status = answer.status
        headers = [*passed(answer.headers, self._passed, secrets), *own_headers(request, rate)]
        sought = looked_for(secrets)
        if whole:
            body = concealed(_encoding(answer), begun, sought)
            if body is not None:
                self._metrics.echoed.labels(request.server_id).inc()
                headers = [pair for pair in headers if pair[0] not in _OF_THE_BYTES]
                begun = body
            if body is not None or not answer.header(b"content-length"):
                headers.append((b"content-length", str(len(begun)).encode()))
            await client.answer(status, headers, begun)
            return Result(judgement, sent=True)
        events = answer.header(b"content-type").lower().startswith("text/event-stream")
        if events:  # what is cut ends in an event of ours, which no length knows of
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers.append((b"x-accel-buffering", b"no"))
            answer.wait_at_most(self._patience_s.get(request.service_type))
        watch = Watch(sought, None if events else WATCHED_BYTES)
        await client.start(status, headers, events=events)
        result = await passed_on(client, judgement, begun, answer, watch)
        if watch.found:
            self._metrics.echoed.labels(request.server_id).inc()
        return result

    async def _judged(
        self,
        request: Request,
        answer: Answer,
        secrets: tuple[bytes, ...],
        translation: Translation | None,
    ) -> tuple[Judgement, bytes, bool]:
        """Judge an answer by its head and, where it has a say, its body.

        Returns what was read of the body too, and whether that was all.
        """
        status = answer.status
        length = answer.header(b"content-length")
        by_url = translation is not None
        kind = answer.header(b"content-type")
        by_head = judged_head(status, kind, int(length) if length else None, by_url=by_url)
        if by_head is not None:
            return by_head, b"", False
        begun, whole = await _first(answer)
        encoding = _encoding(answer)
        read = begun if whole else envelope_of(encoding, begun, secrets)
        told = 200 <= status < 300 and (not by_url or tells_results(encoding, begun))  # noqa: PLR2004
        if read is None and told:
            return Judgement(Verdict.SUCCESS, status), begun, whole
        if read is None:
            return judged_body(status, "", b"{}", self._failures), begun, whole
        judgement = judged_body(
            status,
            encoding if whole else "",
            read,
            self._failures,
            secrets,
            waited_s=answer.waited_s,
            late_s=_late_s(request, translation),
            closing=_closes(answer),
            quoting=translation is not None and translation.quoting,
            by_url=by_url,
        )
        return judgement, begun, whole


def _late_s(request: Request, translation: Translation | None) -> float:
    """So long after the request's last byte its server has submitted, whatever it speaks."""
    if translation is not None:
        return translation.late_s
    return LATE_FILM_S if _FILMS in request.path else LATE_S


def _closes(answer: Answer) -> bool:
    """Whether it says that its connection ends with it."""
    return answer.header(b"connection").lower() == "close"


def _encoding(answer: Answer) -> str:
    return answer.header(b"content-encoding").lower()


async def _first(answer: Answer) -> tuple[bytes, bool]:
    """Take what may be judged; true when that was all."""
    body = answer.whole()
    if body is not None:
        return body, len(body) <= JUDGED_BYTES_MAX
    taken: list[bytes] = []
    size = 0
    try:
        async for chunk in answer:
            taken.append(chunk)
            size += len(chunk)
            if size > JUDGED_BYTES_MAX:
                return b"".join(taken), False
    except TransportFailure:
        # Node closes over bytes that it has not read: then a reset ends what has no body.
        bare = answer.status in REFUSED_BY_NODE and _closes(answer)
        if taken or not bare or answer.header(b"content-length"):
            raise
    return b"".join(taken), True
