"""`/livez`, `/readyz` and `/metrics` of a process, on a port of its own."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest

from runtime.hosts import host_of, is_familiar

Readiness = Callable[[], str | None]
"""Why the process is not ready; None, or nothing, when it is."""
_AGAIN_S = 1.0
_OURS_ALONE = frozenset({"/metrics"})
"""Whether we live and are ready, whoever watches may ask by any name."""
_JSON = "application/json"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_FOREIGN = "Host: expected an address, localhost, or a name without a dot"
_HOSTS = "Host: expected it once"
_GUARDED = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]


class HealthAnswer(NamedTuple):
    """What a probe, or whoever reads metrics, is answered."""

    status: int
    content_type: str
    body: bytes


def health_answer(
    path: str, readiness: Readiness, registry: CollectorRegistry
) -> HealthAnswer | None:
    """Answer one of the three paths; None for any other."""
    if path == "/livez":
        return HealthAnswer(200, _JSON, b'{"status":"ok"}')
    if path == "/readyz":
        reason = readiness()
        status = {"status": "not ready", "reason": reason} if reason else {"status": "ok"}
        return HealthAnswer(503 if reason else 200, _JSON, json.dumps(status).encode())
    if path == "/metrics":
        return HealthAnswer(200, _PROMETHEUS, generate_latest(registry))
    return None


async def serve_health(
    port: int,
    readiness: Readiness,
    registry: CollectorRegistry,
    host: str = "127.0.0.1",
    network: str = "",
) -> None:
    """Answer on `port` until cancelled; port 0 serves nowhere.

    No key is asked for, so it is this machine that may ask, and for metrics by a name that no page
    of elsewhere has; and, with `network`, whoever is in the network by which that host is reached:
    it is answered there as soon as the name is known.
    """
    if port == 0:
        return
    app = _health_app(readiness, registry)
    if not network:
        await _serve_app(app, host, port)
        return

    async def further() -> None:
        address = await _address_towards(network)
        if address != host:
            await _serve_app(app, address, port)

    async with asyncio.TaskGroup() as both:
        both.create_task(_serve_app(app, host, port))
        both.create_task(further())


def _health_app(readiness: Readiness, registry: CollectorRegistry) -> Any:
    """Make the application that answers probes and metrics."""

    async def app(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        # A probe is answered whatever its body: nothing but the path is read.
        await receive()
        reply = health_answer(scope["path"], readiness, registry)
        # Of two names one would be judged and the other meant.
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            reply = HealthAnswer(400, _JSON, json.dumps({"status": _HOSTS}).encode())
        elif scope["path"] in _OURS_ALONE and not is_familiar(host_of(scope["headers"])):
            reply = HealthAnswer(421, _JSON, json.dumps({"status": _FOREIGN}).encode())
        reply = reply or HealthAnswer(404, _JSON, b'{"status":"not found"}')
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            *_GUARDED,
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    return app


async def _serve_app(app: Any, host: str, port: int) -> None:
    config = uvicorn.Config(
        app,
        host,
        port,
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    server = uvicorn.Server(config)
    try:
        await server._serve()  # noqa: SLF001 (serve() would take the signals)
    finally:
        await server.shutdown()


async def _address_towards(host: str) -> str:
    """Tell which of our addresses is in the network of `host`, as soon as its name is known."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError):
            infos = await loop.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)
            family, kind, _, _, address = infos[0]
            with socket.socket(family, kind) as towards:
                towards.connect(address)  # a datagram socket: nothing is sent
                return str(towards.getsockname()[0])
        await asyncio.sleep(_AGAIN_S)
