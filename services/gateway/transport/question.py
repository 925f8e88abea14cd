"""A whole question to one server and its whole answer: for calls that need no lease."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

from services.gateway.domain.failure import Failure
from services.gateway.domain.heads import Headers
from services.gateway.transport.addresses import ServerAddress
from services.gateway.transport.answer import ServerAnswer
from services.gateway.transport.failures import MaybeSentError, NothingSentError
from services.gateway.transport.framing import ServerRequest, Waits
from services.gateway.transport.pool import Transport

BYTES_MAX = 4_000_000
"""Of an answer, and of a client's body."""


class WholeAnswer(NamedTuple):
    """An answer with all of its body, as it came."""

    answer: ServerAnswer
    body: bytes


class WholeExchange:
    """What is asked of a server, and for how long: `timeout_s` is for all of it."""

    def __init__(
        self, method: str, target: bytes, sent: bytes, connect_s: float, timeout_s: float
    ) -> None:
        """Ask `target`, a path with its query; `sent` is the body."""
        self._method = method
        self._target = target
        self._sent = sent
        self._connect_s = connect_s
        self._timeout_s = timeout_s

    async def ask_server(
        self, transport: Transport, address: ServerAddress, headers: Headers
    ) -> WholeAnswer:
        """Ask the server there. Raises `TransportFailure`."""
        outgoing = ServerRequest(
            self._method,
            address.origin,
            address.host,
            address.prefix + self._target,
            headers,
            self._sent,
            Waits(self._connect_s, self._timeout_s, self._timeout_s),
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await transport.begin_exchange(outgoing)
                return WholeAnswer(answer, await _read_whole(answer))
        except TimeoutError:
            # Where the head had not left, another server may be asked.
            kind = MaybeSentError if outgoing.sent_at is not None else NothingSentError
            message = f"no whole answer within {self._timeout_s:g} s"
            raise kind(Failure.TIMEOUT, message) from None


async def _read_whole(answer: ServerAnswer) -> bytes:
    """Read an answer as it came, within bounds. Raises `MaybeSentError` when it is too large."""
    parts: list[bytes] = []
    size = 0
    async with aclosing(answer):
        async for chunk in answer:
            parts.append(chunk)
            size += len(chunk)
            if size > BYTES_MAX:
                raise MaybeSentError(Failure.GARBAGE, f"an answer over {BYTES_MAX:,} bytes")
    return b"".join(parts)
