"""An answer as a fault leaves it: another one, or the true one badly sent."""

import asyncio
import gzip
from collections.abc import Callable

from demo import api
from demo.door import DemoAnswer, DemoDoor
from demo.faults import Fault, FaultKind

_GARBAGE = b"\x16\x03\x01\x02\x00SSH-2.0-this is no HTTP\r\n\x00\xff\xfe" * 3
_CHUNKS_BEFORE_CUT = 3


def _rate_limit_answer(fault: Fault) -> DemoAnswer:
    out = api.json_answer({"code": 429, "message": fault.message}, 429)
    if fault.retry_after_s is not None:
        out.headers.append(("Retry-After", str(fault.retry_after_s)))
    return out


_ANSWERS: dict[FaultKind, Callable[[Fault], DemoAnswer]] = {
    FaultKind.STATUS: lambda fault: api.json_answer(
        {"code": fault.status, "message": fault.message}, fault.status
    ),
    FaultKind.RATE_LIMITED: _rate_limit_answer,
    FaultKind.UNAUTHORIZED: lambda fault: api.json_answer(
        {"code": -2002, "message": fault.message}, 401
    ),
    FaultKind.CODE: lambda fault: api.as_refusal(fault.code, fault.message),
    FaultKind.EMPTY: lambda _: api.json_answer({"created": 0, "data": []}),
    FaultKind.NO_RESULT: lambda _: api.json_answer({"created": 0}),
    FaultKind.REDIRECT: lambda fault: DemoAnswer(302, headers=[("Location", fault.location)]),
}


def break_answer(out: DemoAnswer, fault: Fault | None) -> DemoAnswer:
    """Say what is sent instead of `out`."""
    if fault is None:
        return out
    instead = _ANSWERS.get(fault.kind)
    if instead is not None:
        return instead(fault)
    if out.pieces is None and fault.kind is FaultKind.GZIP:
        out.body = gzip.compress(out.body, 1)
        out.headers.append(("Content-Encoding", "gzip"))
    elif out.pieces is None and fault.kind is FaultKind.DRIP:
        size = max(len(out.body) // fault.pieces, 1)
        starts = range(0, len(out.body), size)
        out.pieces = [out.body[start : start + size] for start in starts]
        out.length = len(out.body)
        out.pause_s = fault.seconds / max(len(starts), 1)
    return out


async def send_answer(door: DemoDoor, out: DemoAnswer, fault: Fault | None) -> None:
    """Send an answer, whole or as its fault says."""
    kind = fault.kind if fault is not None else None
    if kind is FaultKind.CUT_BEFORE:
        door.close()
    elif kind is FaultKind.GARBAGE:
        door.write_raw(_GARBAGE)
        door.close()
    elif kind in {FaultKind.CUT_BODY, FaultKind.CUT_STREAM}:
        await _send_half(door, out)
        door.close()
    elif out.pieces is None:
        door.send_answer(out)
    else:
        await door.stream_answer(out)


async def _send_half(door: DemoDoor, out: DemoAnswer) -> None:
    """Promise all of it and send half."""
    door.write_raw(out.head_bytes())
    if out.pieces is None:
        door.write_raw(out.body[: len(out.body) // 2])
        return
    left = _CHUNKS_BEFORE_CUT if out.length is None else out.length // 2
    for piece in out.pieces:
        if left <= 0:
            return
        await door.write_piece(piece, chunked=out.streamed)
        left -= 1 if out.length is None else len(piece)
        await asyncio.sleep(out.pause_s)
