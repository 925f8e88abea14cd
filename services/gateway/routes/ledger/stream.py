"""The log live, as server-sent events: filtered here, and no more of them than a page can take."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Stream

from runtime.eventlog import Stored
from runtime.eventlog.records import Wanted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.guard import STILL_OPENS
from services.gateway.routes.ledger.positions import (
    FILTER,
    WHOLE,
    After,
    LogPosition,
    numbered_records,
    parse_position,
)

_BREATH_S = 5.0
"""A stream without events says so often that it lives."""
_STREAMS_MAX = 32
EVENTS_PER_SECOND = 200
_QUEUED_MAX = 100
_STOPPING = "stopping"


@get(
    "/events/stream",
    tags=["analysis"],
    summary="The log live, as server-sent events",
    dependencies=FILTER,
)
async def stream(
    doors: NamedDependency[Doors],
    wanted: NamedDependency[Wanted],
    request: Request[Any, Any, Any],
    after: After = "",
) -> Stream:
    """Send each event as it is stored; `Last-Event-ID` goes on where a connection broke off.

    Beyond 200 in a second they are counted: an event `skipped` says how many, and its id is that of
    the last of them.
    """
    position = request.headers.get("last-event-id") or after
    begin = (
        parse_position("after", position)
        if position
        else ((await doors.log.stream_state()).last_sequence, WHOLE)
    )
    if len(doors.streams) >= _STREAMS_MAX:
        message = f"{_STREAMS_MAX} streams are open already at this gateway"
        raise GatewayError("rate_limit_exceeded", message)
    return Stream(
        _event_lines(doors, begin, wanted, request.state[STILL_OPENS]),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


class Allowance:
    """How many events may still be sent in this second, and which were not."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin a second with all of it."""
        self._monotonic = monotonic
        self._second_ends = monotonic() + 1.0
        self._left = EVENTS_PER_SECOND
        self._skipped = 0
        self._last_skipped = ""

    def lines_of(self, records: list[dict[str, Any]]) -> bytes:
        """Write what may be sent of these, the count of what was skipped before them."""
        lines = [self.skipped_line()]
        for record in records:
            if self._left > 0:
                self._left -= 1
                lines.append(_event_line(record))
            else:
                self._skipped += 1
                self._last_skipped = record["event"]
        return b"".join(lines)

    def skipped_line(self) -> bytes:
        """Tell what was skipped once its second is over; nothing before."""
        if self._monotonic() < self._second_ends:
            return b""
        self._second_ends, self._left = self._monotonic() + 1.0, EVENTS_PER_SECOND
        skipped, last = self._skipped, self._last_skipped
        self._skipped = 0
        if not skipped:
            return b""
        data = msgspec.json.encode({"skipped": skipped, "next": last})
        return f"id: {last}\nevent: skipped\ndata: ".encode() + data + b"\n\n"

    def waits_s(self) -> float:
        """Tell how long may be waited for events before something is to be said."""
        if self._skipped:
            return max(0.01, self._second_ends - self._monotonic())
        return _BREATH_S


async def _event_lines(
    doors: Doors, begin: LogPosition, wanted: Wanted, is_open: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Write events, and a comment now and then, until the gateway stops or the key is revoked."""
    mark = object()
    doors.streams.add(mark)
    arrived: asyncio.Queue[Stored] = asyncio.Queue(_QUEUED_MAX)
    reading = asyncio.create_task(_fill_queue(doors, begin, arrived))
    allowance = Allowance()
    try:
        yield b": the log\n\n"
        while not reading.done() and doors.readiness() != _STOPPING:
            try:
                stored: Stored | None = await asyncio.wait_for(arrived.get(), allowance.waits_s())
            except TimeoutError:
                stored = None
            if not is_open():
                break
            if stored is None:
                yield allowance.skipped_line() or b": \n\n"
                continue
            records = [record for _, record in numbered_records(stored, begin) if wanted(record)]
            if text := allowance.lines_of(records):
                yield text
    finally:
        doors.streams.discard(mark)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _fill_queue(doors: Doors, begin: LogPosition, arrived: "asyncio.Queue[Stored]") -> None:
    """Put the envelopes there that have events behind a position."""
    sequence, index = begin
    first = sequence if index == WHOLE else sequence - 1
    async with aclosing(doors.tail.follow_behind(max(first, 0))) as envelopes:
        async for stored in envelopes:
            await arrived.put(stored)


def _event_line(record: dict[str, Any]) -> bytes:
    head = f"id: {record['event']}\nevent: {record['type']}\ndata: ".encode()
    return head + msgspec.json.encode(record) + b"\n\n"
