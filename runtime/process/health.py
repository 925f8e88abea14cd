"""`/livez`, `/readyz` and `/metrics` of a process, on a port of its own."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest

Readiness = Callable[[], str]
"""Why the process is not ready; empty when it is."""
Answer = tuple[int, str, bytes]
"""Status, content type, body."""


def answer(path: str, readiness: Readiness, registry: CollectorRegistry) -> Answer | None:
    """Answer one of the three paths; None for any other."""
    if path == "/livez":
        return 200, "application/json", b'{"status":"ok"}'
    if path == "/readyz":
        reason = readiness()
        status = {"status": "not ready", "reason": reason} if reason else {"status": "ok"}
        return (503 if reason else 200), "application/json", json.dumps(status).encode()
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry)
    return None


async def serve(
    port: int, readiness: Readiness, registry: CollectorRegistry, host: str = "127.0.0.1"
) -> None:
    """Answer on `port` until cancelled; port 0 serves nowhere."""
    if port == 0:
        return

    async def app(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        await receive()
        found = answer(scope["path"], readiness, registry)
        status, kind, body = found or (404, "application/json", b'{"status":"not found"}')
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

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
