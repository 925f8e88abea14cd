"""`Transport`: exchanges over connections that are kept alive, each origin by itself."""

import asyncio
import socket
import ssl
from collections import defaultdict
from functools import partial
from time import monotonic
from typing import cast

import httpx

from runtime.addresses import ForbiddenAddressError, refuse_forbidden, resolve_allowed
from services.gateway.domain.failure import Failure
from services.gateway.transport.addresses import Origin, origin_of
from services.gateway.transport.answer import ServerAnswer
from services.gateway.transport.connection import ServerConnection
from services.gateway.transport.failures import NothingSentError
from services.gateway.transport.framing import ServerRequest, Waits, outgoing_of
from services.gateway.transport.proxy import REFUSED, Proxy
from services.gateway.transport.upload import upload_body

REUSE_IDLE_S = 1.0
"""How long a connection may have been idle to be used again, where its server says nothing."""
_MARGIN_S = 1.0
"""Less than a server says: its clock began when the answer left it."""
_KEPT_MAX_S = 30.0
_SWEEP_MIN_S = 0.5
Way = tuple[Origin, Proxy | None]
"""Where to, and the proxy on the way there."""


class Transport(httpx.AsyncBaseTransport):
    """An httpx transport that belongs to one loop; see the package for what it tells.

    Raises `TransportError` and nothing else of its own; what the request's body raises
    passes through.
    """

    def __init__(
        self,
        ssl_context: ssl.SSLContext | None = None,
        reuse_idle_s: float = REUSE_IDLE_S,
        idle_max: int = 256,
    ) -> None:
        self._ssl_context = ssl_context
        self.reuse_idle_s = reuse_idle_s
        self._idle_max = idle_max
        self._proxy: Proxy | None = None
        self._proxy_url = ""
        self._idle: defaultdict[Way, list[ServerConnection]] = defaultdict(list)
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def go_through(self, proxy_url: str) -> None:
        """Go through this proxy from now on, or straight where it is empty."""
        if proxy_url != self._proxy_url:
            self._proxy_url = proxy_url
            self._proxy = Proxy(proxy_url) if proxy_url else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return its answer as soon as the head is there, as httpx's own do."""
        answer = await self._begin_for_httpx(request)
        extensions = {"connect_ms": answer.connect_ms, "reused": answer.reused}
        return httpx.Response(
            answer.status, headers=answer.headers, stream=answer, extensions=extensions
        )

    async def _begin_for_httpx(self, request: httpx.Request) -> ServerAnswer:
        """The same for a request of httpx, which has its wishes in its extensions."""
        extensions = request.extensions
        asked = extensions.get("timeout") or {}
        sent = ServerRequest(
            request.method,
            origin_of(request.url),
            request.url.netloc,
            extensions.get("target") or request.url.raw_path,
            request.headers.raw,
            _body_of(request),
            Waits(asked.get("connect"), asked.get("first_byte"), asked.get("idle")),
            on_departure=lambda: extensions.update(sent_at=sent.sent_at),
        )
        try:
            return await self.begin_exchange(sent)
        finally:
            if sent.sent_at is None:
                extensions.pop("sent_at", None)

    async def begin_exchange(self, request: ServerRequest) -> ServerAnswer:
        """Send `request` and return its answer as soon as the head is there."""
        loop = asyncio.get_running_loop()
        connect_s, first_byte_s, idle_s = request.waits
        proxy = self._proxy
        way = request.origin, proxy
        passing_on = proxy if request.origin[0] == "http" else None
        out = outgoing_of(request, passing_on)
        connect_ms = None
        connection = self._take_reusable(way, loop.time())
        if connection is None:
            started = monotonic()
            connection = await self._open_connection(loop, way, connect_s)
            connect_ms = (monotonic() - started) * 1000
        answer = ServerAnswer(loop, connection, is_head=request.method == "HEAD", idle_s=idle_s)
        if connect_ms is not None:
            answer.reused, answer.connect_ms = False, connect_ms
        connection.start_exchange(answer, out.head, uploaded=out.stream is None)
        sent_at = request.sent_at = monotonic()
        if request.on_departure is not None:
            request.on_departure()
        uploaded_at: float | None = sent_at
        try:
            if out.stream is None:
                connection.expect_within(first_byte_s)
                await answer.begun
            else:
                uploaded_at = await upload_body(connection, answer, out, idle_s, first_byte_s)
        except BaseException:  # a client that has left, too: nobody would read this answer
            await answer.aclose()
            raise
        if answer.failure is not None and not answer.begun_at:
            try:
                raise answer.failure
            finally:
                answer.failure = None  # its frames hold the answer
        if passing_on is not None and answer.status == REFUSED:
            await answer.aclose()
            request.sent_at = None  # the proxy had it, and its server nothing
            raise passing_on.connect_refusal(REFUSED)
        connection.expect_nothing(answer)
        if uploaded_at is not None:
            answer.waited_s = max(0.0, answer.begun_at - uploaded_at)
        return answer

    async def aclose(self) -> None:
        """Close what is idle; exchanges under way end by themselves and are not kept."""
        self._closed = True
        for connections in self._idle.values():
            for connection in connections:
                connection.abort_exchange()
        self._idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _take_reusable(self, way: Way, now_s: float) -> ServerConnection | None:
        """Take the connection used last; one that its server may be closing is thrown away."""
        connections = self._idle.get(way)
        while connections:
            connection = connections.pop()
            if now_s < connection.reusable_until and not connection.is_stale():
                return connection
            connection.abort_exchange()
        return None

    def _keep_idle(self, way: Way, connection: ServerConnection) -> None:
        """Keep it for as long as its server is sure to: what it says, less a second, or little.

        A request that crosses the end of a connection on its way is an outcome nobody knows.
        """
        connections = self._idle[way]
        if len(connections) >= self._idle_max:
            # Those that are closed already take nobody's place; usually nobody has to look.
            connections[:] = [other for other in connections if not other.is_closed]
        said_s = connection.kept_alive_s
        kept_s = min(said_s - _MARGIN_S, _KEPT_MAX_S) if said_s else self.reuse_idle_s
        if self._closed or kept_s <= 0 or len(connections) >= self._idle_max:
            connection.abort_exchange()
            return
        loop = asyncio.get_running_loop()
        connection.reusable_until = loop.time() + kept_s
        connections.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(max(kept_s, _SWEEP_MIN_S), self._sweep_idle, loop)

    def _sweep_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been idle for too long."""
        self._sweeper = None
        now_s = loop.time()
        soonest_s = float("inf")
        for way, connections in list(self._idle.items()):
            kept = []
            for connection in connections:
                if connection.is_closed:
                    continue
                if connection.reusable_until > now_s:
                    kept.append(connection)
                    soonest_s = min(soonest_s, connection.reusable_until)
                else:
                    connection.abort_exchange()
            connections[:] = kept
            if not kept:
                del self._idle[way]
        if self._idle:
            self._sweeper = loop.call_at(
                max(soonest_s, now_s + _SWEEP_MIN_S), self._sweep_idle, loop
            )

    async def _open_connection(
        self, loop: asyncio.AbstractEventLoop, way: Way, within_s: float | None
    ) -> ServerConnection:
        """Connect to an origin, through its proxy if it has one. Raises `NothingSentError`."""
        (scheme, host, port), proxy = way
        secure = scheme == "https"
        if (secure or (proxy and proxy.is_secure)) and self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        name = host.decode()
        try:
            async with asyncio.timeout(within_s):
                dialled = self._dial_origin if proxy is None else self._connect_through
                return await dialled(loop, way, name, port or (443 if secure else 80))
        # From the narrow to the wide: a time that is over, a name and TLS are an `OSError`, too.
        except ForbiddenAddressError as error:
            raise NothingSentError(Failure.FORBIDDEN, str(error)) from None
        except TimeoutError:
            raise NothingSentError(Failure.TIMEOUT, f"no connection to {name} in time") from None
        except (socket.gaierror, UnicodeError) as error:
            raise NothingSentError(Failure.DNS, f"{name}: {error}") from None
        except ssl.SSLError as error:
            raise NothingSentError(Failure.TLS, f"{name}: {error}") from None
        except OSError as error:
            failure = Failure.TLS if secure and _is_cut(error) else Failure.CONNECT
            raise NothingSentError(failure, f"{name}: {error}") from None

    async def _connect_through(
        self, loop: asyncio.AbstractEventLoop, way: Way, name: str, port: int
    ) -> ServerConnection:
        """Connect through the proxy, unless the server is known to be none."""
        proxy = way[1]
        assert proxy is not None
        await refuse_forbidden(name, port)
        own_ssl = self._ssl_context if proxy.is_secure else None

        def make_connection() -> ServerConnection:
            return ServerConnection(loop, partial(self._keep_idle, way))

        if way[0][0] == "http":
            return cast(
                "ServerConnection", await proxy.connect_over(loop, make_connection, own_ssl)
            )
        assert self._ssl_context is not None
        server = name, port
        tunnel = await proxy.connect_tunnel(
            loop, make_connection, server, self._ssl_context, own_ssl
        )
        return cast("ServerConnection", tunnel)

    async def _dial_origin(
        self, loop: asyncio.AbstractEventLoop, way: Way, name: str, port: int
    ) -> ServerConnection:
        """Connect to the first address that takes it, of those that may be a server's.

        To the address, not to the name: it might lead elsewhere when it is looked up again.
        """
        secure = way[0][0] == "https"
        *others, last = await resolve_allowed(name, port)
        for address in (*others, last):
            try:
                _, connection = await loop.create_connection(
                    lambda: ServerConnection(loop, partial(self._keep_idle, way)),
                    address,
                    port,
                    ssl=self._ssl_context if secure else None,
                    server_hostname=name if secure else None,
                )
            except OSError:
                if address == last:
                    raise
            else:
                break
        return connection


def _body_of(request: httpx.Request) -> bytes | httpx.AsyncByteStream:
    """Find the body of a request of httpx. Raises `NothingSentError`."""
    if isinstance(request.stream, httpx.ByteStream):
        return b"".join(request.stream)
    if not isinstance(request.stream, httpx.AsyncByteStream):
        raise NothingSentError(Failure.REQUEST, "the body can only be read without a loop")
    return request.stream


def _is_cut(error: OSError) -> bool:
    """The connection stood, and was ended: in the middle of the handshake."""
    return isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError))
