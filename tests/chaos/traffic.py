"""Calls at gateways at a steady rate, each with what its client saw. No call waits for another.

A client behaves like one behind a load balancer: where a connection is refused, nothing was sent,
and it goes to the next gateway. It never asks twice for what it may have got.
"""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_TIMEOUT_S = 45.0
_OPEN_MAX = 400
_LINE_MAX = 2**20
_IMAGES = "/v1/images/generations"
_KINDS = {
    "image": (_IMAGES, "jimeng-4.0"),
    "chat": ("/v1/chat/completions", "jimeng-4.0"),
    "video": ("/v1/videos/generations", "jimeng-video-3.0"),
    "avatar": ("/v1/videos/avatar", "jimeng-avatar"),
    "large": (_IMAGES, "jimeng-4.0"),
    "upload": (_IMAGES, "jimeng-4.0"),
    "download": (_IMAGES, "jimeng-4.0"),
    "leaver": ("/v1/chat/completions", "jimeng-4.0"),
    "wrong": (_IMAGES, "jimeng-4.0"),
}
CHAOS_MIX = {"image": 60, "chat": 15, "video": 10, "avatar": 5, "large": 10}
SOAK_MIX = {
    "image": 45,
    "chat": 20,
    "video": 10,
    "large": 10,
    "upload": 1,
    "download": 1,
    "leaver": 8,
    "wrong": 5,
}
"""How often each kind of call is made, in proportion."""
_FILLER_BYTES = {"large": 64_000, "upload": 8_000_000}
_DOWNLOAD_BYTES = 8_000_000
_LEAVES_AFTER_S = 0.3


@dataclass(frozen=True)
class Called:
    """One call, as its client saw it; seconds count from the beginning of the run."""

    number: int
    kind: str
    gateway: str
    started_s: float
    ended_s: float
    status: int = 0
    """0: no answer."""
    code: str = ""
    """The error's code, or why there was no whole answer; `left`: the client did not wait."""
    request_id: str = ""
    rerouted: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the client got all of what it asked for."""
        return self.status == 200 and not self.code

    @property
    def expected(self) -> bool:
        """Whether the answer is right whatever breaks: so is a no to what is wrong or used up."""
        wrong = self.kind == "wrong" and self.status in {400, 401}
        return self.succeeded or wrong or self.code in {"pool_quota_exhausted", "left"}


@dataclass
class Load:
    """Where calls go, how many, how often; `over` tells that no more faults come."""

    gateways: Sequence[str]
    key: str
    calls: int
    rate: float
    seed: int
    clock: Callable[[], float]
    """Seconds since the beginning of the run."""
    seconds_max: float
    mix: Mapping[str, int] = field(default_factory=lambda: CHAOS_MIX)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: list[Called] = field(default_factory=list)


async def make_calls(load: Load) -> list[Called]:
    """Make calls until there were enough and no more faults come, or the time is up."""
    chance = random.Random(load.seed)
    names, weights = list(load.mix), list(load.mix.values())
    open_calls: set[asyncio.Task[None]] = set()
    number = 0
    while not (load.over.is_set() and number >= load.calls):
        if load.clock() > load.seconds_max:
            break
        (kind,) = chance.choices(names, weights)
        task = asyncio.create_task(_one(load, number, kind))
        open_calls.add(task)
        task.add_done_callback(open_calls.discard)
        number += 1
        if len(open_calls) >= _OPEN_MAX:
            await asyncio.wait(open_calls, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(max(0.0, number / load.rate - load.clock()))
    if open_calls:
        await asyncio.gather(*open_calls)
    return load.done


async def _one(load: Load, number: int, kind: str) -> None:
    started_s = load.clock()
    gateway, rerouted = load.gateways[number % len(load.gateways)], False
    status, request_id, code = 0, "", ""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            try:
                reader, writer = await _opened(gateway)
            except ConnectionRefusedError:
                gateway = load.gateways[(number + 1) % len(load.gateways)]
                rerouted = True
                reader, writer = await _opened(gateway)
            try:
                writer.write(_written(load, gateway, kind))
                if kind == "leaver":
                    await asyncio.sleep(_LEAVES_AFTER_S * (number % 7) / 7)
                    code = "left"
                else:
                    await writer.drain()
                    status, request_id, code = await _answered(reader)
            finally:
                writer.close()
    except ConnectionRefusedError:
        code = "refused"
    except TimeoutError:
        code = "timeout"
    except (OSError, EOFError, ValueError) as error:
        code = type(error).__name__
    load.done.append(
        Called(number, kind, gateway, started_s, load.clock(), status, code, request_id, rerouted)
    )


async def _opened(gateway: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(gateway)
    return await asyncio.open_connection(url.hostname, url.port or 80, limit=_LINE_MAX)


async def _answered(reader: asyncio.StreamReader) -> tuple[int, str, str]:
    """Status, request id, and what was wrong: an answer that is cut has a status all the same."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:])
    }
    request_id = headers.get("x-request-id", "")
    body = bytearray()
    with suppress(OSError, EOFError):
        while piece := await reader.read(65536):
            body += piece
    if status != 200:
        return status, request_id, _code(body)
    return status, request_id, "" if _ended_well(headers, body) else "cut"


def _written(load: Load, gateway: str, kind: str) -> bytes:
    path, model = _KINDS[kind]
    fields: dict[str, object] = {"model": model, "prompt": "a gate in a storm"}
    if kind in {"chat", "leaver"}:
        fields |= {"stream": True, "messages": [{"role": "user", "content": "a gate"}]}
    if kind in _FILLER_BYTES:
        fields["negative_prompt"] = "x" * _FILLER_BYTES[kind]
    body = json.dumps(fields).encode()
    key = load.key if kind != "wrong" else "sk-nobody"
    more = f"X-Demo-Bytes: {_DOWNLOAD_BYTES}\r\n" if kind == "download" else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(gateway).netloc}\r\n{more}"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _code(body: bytes | bytearray) -> str:
    """The code of an error in our shape; `misshapen` for any other."""
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "misshapen"


def _ended_well(headers: dict[str, str], body: bytes | bytearray) -> bool:
    """Whether an answer came to its proper end."""
    if "content-length" in headers:
        return len(body) == int(headers["content-length"])
    if headers.get("content-type", "").startswith("text/event-stream"):
        return b"data: [DONE]" in body
    return body.endswith(b"0\r\n\r\n")
