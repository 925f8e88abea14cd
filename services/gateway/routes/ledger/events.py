"""The log by page, and the log live as server-sent events."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from runtime.eventlog import Stored
from runtime.eventlog.records import UNREADABLE, Wanted, records_of, types_matching
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.guard import STILL_OPENS

_PAGE_MAX = 1000
_ENVELOPES_MAX = 5000
"""Envelopes one page looks at; a filter that fits few events is asked for page after page."""
_PATIENCE_S = 10.0
_BREATH_S = 5.0
"""A stream without events says so often that it lives."""
_STREAMS_MAX = 32
_EVERYTHING = ["evt.>"]
_POSITION = re.compile(r"(\d{1,18})(?:\.(\d{1,6}))?", re.ASCII)
_STOPPING = "stopping"

After = Annotated[
    str, QueryParameter(description="Id of the last event seen, or a sequence of the log.")
]
Limit = Annotated[int, QueryParameter(ge=1, le=_PAGE_MAX, description="At most so many events.")]
Types = Annotated[
    str, QueryParameter(name="type", description="Types, or patterns such as `lease_*`.")
]
AboutSession = Annotated[
    str, QueryParameter(name="session", description="Only about this session.")
]
OfRequest = Annotated[
    str,
    QueryParameter(name="request", description="Only of this request: our id or its client's."),
]
LogPosition = tuple[int, int]
"""The sequence of an envelope in the log, and the index of an event within it."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Events behind `after`; `next` is where the next page begins, the log ends at `last`.

    While `more` is true there may be further events, even when this page has none.
    """

    data: list[dict[str, Any]]
    next: str
    last: int
    more: bool


@get("/events", tags=["analysis"], summary="The log by page")
async def page(
    doors: NamedDependency[Doors],
    after: After = "0",
    limit: Limit = 100,
    types: Types = "",
    session: AboutSession = "",
    of_request: OfRequest = "",
) -> Page:
    """Read events as they are stored, the hashes of keys apart."""
    begin, wanted = _parse_position(after), _wanted_of(types, session, of_request)
    last = (await doors.log.stream_state()).last_sequence
    if begin[0] > last or (begin[0] == last and begin[1] == _WHOLE):
        return Page(data=[], next=after, last=last, more=False)
    data: list[dict[str, Any]] = []
    seen, looked = begin, 0
    try:
        async with asyncio.timeout(_PATIENCE_S), aclosing(_read_behind(doors, begin)) as envelopes:
            async for stored in envelopes:
                for position, record in _numbered_records(stored, begin):
                    seen = position
                    if wanted(record):
                        data.append(record)
                    if len(data) == limit:
                        break
                else:
                    seen = (stored.sequence, _WHOLE)
                looked += 1
                if len(data) == limit or looked == _ENVELOPES_MAX or stored.sequence >= last:
                    break
    except TimeoutError:
        raise GatewayError("ledger_unavailable", "the event log fell silent") from None
    more = seen < (last, _WHOLE)
    return Page(data=data, next=_position_text(seen), last=last, more=more)


@get("/events/stream", tags=["analysis"], summary="The log live, as server-sent events")
async def stream(
    doors: NamedDependency[Doors],
    request: Request[Any, Any, Any],
    after: After = "",
    types: Types = "",
    session: AboutSession = "",
    of_request: OfRequest = "",
) -> Stream:
    """Send each event as it is stored; `Last-Event-ID` goes on where a connection broke off."""
    wanted = _wanted_of(types, session, of_request)
    position = request.headers.get("last-event-id") or after
    begin = (
        _parse_position(position)
        if position
        else ((await doors.log.stream_state()).last_sequence, _WHOLE)
    )
    if len(doors.streams) >= _STREAMS_MAX:
        message = f"{_STREAMS_MAX} streams are open already at this gateway"
        raise GatewayError("rate_limit_exceeded", message)
    return Stream(
        _event_lines(doors, begin, wanted, request.state[STILL_OPENS]),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _event_lines(
    doors: Doors, begin: LogPosition, wanted: Wanted, is_open: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Write events, and a comment now and then, until the gateway stops or the key is revoked."""
    mark = object()
    doors.streams.add(mark)
    arrived: asyncio.Queue[Stored] = asyncio.Queue(_PAGE_MAX)
    reading = asyncio.create_task(_fill_queue(doors, begin, arrived))
    try:
        yield b": the log\n\n"
        while not reading.done() and doors.readiness() != _STOPPING:
            try:
                stored: Stored | None = await asyncio.wait_for(arrived.get(), _BREATH_S)
            except TimeoutError:
                stored = None
            if not is_open():
                break
            if stored is None:
                yield b": \n\n"
                continue
            text = [
                f"id: {record['event']}\nevent: {record['type']}\ndata: ".encode()
                + msgspec.json.encode(record)
                + b"\n\n"
                for _, record in _numbered_records(stored, begin)
                if wanted(record)
            ]
            if text:
                yield b"".join(text)
    finally:
        doors.streams.discard(mark)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _fill_queue(doors: Doors, begin: LogPosition, arrived: "asyncio.Queue[Stored]") -> None:
    async with aclosing(_read_behind(doors, begin)) as envelopes:
        async for stored in envelopes:
            await arrived.put(stored)


async def _read_behind(doors: Doors, begin: LogPosition) -> AsyncGenerator[Stored, None]:
    """Yield the envelopes that have events behind a position."""
    sequence, index = begin
    first = sequence if index == _WHOLE else sequence - 1
    async for batch in doors.log.follow_from(_EVERYTHING, max(first, 0)):
        for stored in batch:
            yield stored


def _numbered_records(
    stored: Stored, begin: LogPosition
) -> list[tuple[LogPosition, dict[str, Any]]]:
    """Name the position of each event of an envelope, those behind `begin` alone."""
    numbered = [
        ((stored.sequence, index), record) for index, record in enumerate(records_of(stored))
    ]
    return [(position, record) for position, record in numbered if position > begin]


_WHOLE = 1_000_000
"""Behind every event of an envelope."""


def _parse_position(text: str) -> LogPosition:
    """Read `184467.3`, or `184467`: behind the whole envelope. Raises `GatewayError`."""
    match = _POSITION.fullmatch(text)
    if match is None:
        message = (
            f"after: expected an event's id such as 184467.0, or a sequence, got {as_quoted(text)}"
        )
        raise GatewayError("invalid_request", message, "after")
    return int(match[1]), _WHOLE if match[2] is None else int(match[2])


def _position_text(position: LogPosition) -> str:
    return str(position[0]) if position[1] == _WHOLE else f"{position[0]}.{position[1]}"


def _wanted_of(types: str, session: str, request: str) -> Wanted:
    """Make the filter. Raises `GatewayError` for types there are none of."""
    patterns = [pattern.strip() for pattern in types.split(",") if pattern.strip()]
    for pattern in patterns:
        if pattern != UNREADABLE and not types_matching(pattern):
            message = f"type: expected {', '.join(types_matching('*'))}, or a pattern"
            message = f"{message}, got {as_quoted(pattern)}"
            raise GatewayError("invalid_request", message, "type")
    return Wanted(patterns, session, request)
