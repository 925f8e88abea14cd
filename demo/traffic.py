"""A bounded number of client calls at a gateway, at a steady rate."""

import asyncio
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("/v1/images/generations", {"model": "jimeng-4.0", "prompt": ""}),
    "video": ("/v1/videos/generations", {"model": "jimeng-video-3.0", "prompt": ""}),
    "avatar": ("/v1/videos/avatar", {"model": "jimeng-avatar", "prompt": ""}),
    "chat": ("/v1/chat/completions", {"model": "jimeng-4.0", "messages": []}),
}
_PROMPTS = ("a red sun over the sea", "a blue house", "a green tree at night", "a gold ring")


class TrafficOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`count` calls at `rate` a second. Raises `ValueError` naming what is wrong."""

    url: str = "http://127.0.0.1:8080"
    key: str = ""
    rate: float = 5.0
    count: int = 100
    mix: dict[str, float] = msgspec.field(
        default_factory=lambda: {"image": 0.8, "video": 0.1, "chat": 0.1}
    )
    """How often each kind of call is made, in proportion."""
    timeout_s: float = 120.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if not 0 < self.rate < math.inf or self.count < 0:
            raise ValueError("rate: expected more than 0; count: 0 or more")
        if not self.mix or not set(self.mix) <= set(_CALLS) or sum(self.mix.values()) <= 0:
            raise ValueError(f"mix: expected some of {', '.join(_CALLS)} with their proportions")
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise ValueError("url: expected http:// or https://")


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """One call and what came of it; `status` 0 where there was no answer."""

    kind: str
    status: int
    code: str = ""
    """The error's code, where it was one."""
    latency_ms: float


class TrafficSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all of them."""

    calls: int
    statuses: dict[int, int]
    codes: dict[str, int]
    p50_ms: float
    p95_ms: float


async def run(
    stop: asyncio.Event,
    options: TrafficOptions,
    tell: Callable[[Called], None] = lambda _: None,
) -> TrafficSummary:
    """Make the calls, none waiting for another; `tell` hears of each. `stop` ends it early."""
    chance = random.Random(options.seed)  # noqa: S311 (repeatable, not secret)
    kinds = chance.choices(list(options.mix), list(options.mix.values()), k=options.count)
    done: list[Called] = []

    async def make_one(kind: str) -> None:
        called = await _make_call(options, kind, chance.choice(_PROMPTS))
        done.append(called)
        tell(called)

    async with asyncio.TaskGroup() as calls:
        for kind in kinds:
            if stop.is_set():
                break
            calls.create_task(make_one(kind))
            await asyncio.sleep(1 / options.rate)
    times = sorted(called.latency_ms for called in done) or [0.0]
    return TrafficSummary(
        calls=len(done),
        statuses=dict(Counter(called.status for called in done)),
        codes=dict(Counter(called.code for called in done if called.code)),
        p50_ms=times[len(times) // 2],
        p95_ms=times[len(times) * 95 // 100],
    )


async def _make_call(options: TrafficOptions, kind: str, prompt: str) -> Called:
    path, fields = _CALLS[kind]
    body = fields | {"prompt": prompt, "messages": [{"role": "user", "content": prompt}]}
    started = time.monotonic()
    try:
        async with asyncio.timeout(options.timeout_s):
            status, answer = await _post_body(options, path, json.dumps(body).encode())
    except (OSError, ValueError, TimeoutError):
        status, answer = 0, b""
    code = "" if 0 < status < 400 else _error_code(answer)  # noqa: PLR2004 (RFC 9110, 15)
    return Called(
        kind=kind, status=status, code=code, latency_ms=(time.monotonic() - started) * 1000
    )


async def _post_body(options: TrafficOptions, path: str, body: bytes) -> tuple[int, bytes]:
    """Post over a connection of its own, and read to its end."""
    url = urlsplit(options.url)
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(url.hostname, port, ssl=secure or None)
    try:
        head = (
            f"POST {url.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Authorization: Bearer {options.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    status = answer[9:12]
    if not answer.startswith(b"HTTP/1.1 ") or not status.isdigit():
        raise ValueError("no HTTP/1.1 answer")
    return int(status), answer.partition(b"\r\n\r\n")[2]


def _error_code(answer: bytes) -> str:
    """Find the code of an error in our shape."""
    try:
        return str(json.loads(answer)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "no_answer"
