"""A proxy on the way to servers: told the whole address, or asked for a tunnel (RFC 9110 §9.3.6).

What a server's name leads to behind it is the proxy's to know; what is known here counts as ever.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast
from urllib.parse import unquote, urlsplit

from services.gateway.domain.failure import Failure
from services.gateway.transport.failures import NothingSentError

_HEAD_BYTES_MAX = 16 * 1024
_END = b"\r\n\r\n"
_PORTS = {"http": 80, "https": 443}
REFUSED = 407
"""Status of a proxy that does not know us; no server says it."""


class Proxy:
    """One proxy, as configured; what it is shown never appears in an error."""

    __slots__ = ("host", "is_secure", "port", "shown")

    def __init__(self, url: str) -> None:
        """Take an address that the settings have checked."""
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or _PORTS[parts.scheme]
        self.is_secure = parts.scheme == "https"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        encoded = base64.b64encode(f"{user}:{password}".encode())
        self.shown = b"Proxy-Authorization: Basic " + encoded if parts.username else b""
        """The header by which it knows us; empty where it need not."""

    def connect_refusal(self, status: int) -> NothingSentError:
        """Say that it did not pass the request on."""
        message = f"the proxy {self.host}:{self.port} answers {status}"
        return NothingSentError(Failure.CONNECT, message)

    async def connect_over(
        self,
        loop: asyncio.AbstractEventLoop,
        make_protocol: Callable[[], asyncio.Protocol],
        own_ssl: ssl.SSLContext | None,
    ) -> asyncio.Protocol:
        """Connect to the proxy itself. Raises `OSError` and `ssl.SSLError`."""
        named = self.host if own_ssl else None
        _, protocol = await loop.create_connection(
            make_protocol, self.host, self.port, ssl=own_ssl, server_hostname=named
        )
        return protocol

    async def connect_tunnel(
        self,
        loop: asyncio.AbstractEventLoop,
        make_protocol: Callable[[], asyncio.Protocol],
        server: tuple[str, int],
        server_ssl: ssl.SSLContext,
        own_ssl: ssl.SSLContext | None,
    ) -> asyncio.Protocol:
        """Connect to a server of TLS through it.

        Raises `NothingSentError` when it makes no tunnel, `OSError` and `ssl.SSLError`.
        """
        asked = cast("_Asked", await self.connect_over(loop, lambda: _Asked(loop), own_ssl))
        protocol = make_protocol()
        try:
            await asked.for_tunnel(self, *server)
            transport = await loop.start_tls(
                asked.transport, protocol, server_ssl, server_hostname=server[0]
            )
        except BaseException:  # a cancellation, too: nobody else knows of this socket
            asked.transport.abort()
            raise
        if transport is None:
            raise ConnectionResetError("closed in the handshake")
        protocol.connection_made(transport)  # which `start_tls` leaves to its caller
        return protocol


class _Asked(asyncio.Protocol):
    """The question for a tunnel and its answer's head; nothing follows before the server's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport
        self._head = b""
        self._status: asyncio.Future[int] = loop.create_future()

    async def for_tunnel(self, proxy: Proxy, name: str, port: int) -> None:
        """Have the proxy open a way to the server. Raises `NothingSentError`."""
        place = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        lines = [f"CONNECT {place} HTTP/1.1".encode(), f"Host: {place}".encode()]
        if proxy.shown:
            lines.append(proxy.shown)
        self.transport.write(b"\r\n".join(lines) + _END)
        status = await self._status
        if status // 100 != 2:  # noqa: PLR2004 (any success opens it)
            raise proxy.connect_refusal(status)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read the proxy's answer as far as its head ends."""
        self._head += data
        if self._status.done():
            return
        if _END in self._head:
            words = self._head.split(b" ", 2)
            with suppress(ValueError, IndexError):
                if words[0].startswith(b"HTTP/1."):
                    self._status.set_result(int(words[1]))
                    return
        elif len(self._head) <= _HEAD_BYTES_MAX:
            return  # the head goes on
        self._status.set_exception(
            NothingSentError(Failure.GARBAGE, "the proxy's answer is no HTTP/1.1")
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._status.done():
            self._status.set_exception(
                NothingSentError(Failure.CUT, f"the proxy ended the connection: {exc!r}")
            )
            self._status.exception()  # whoever asked may have been cancelled
