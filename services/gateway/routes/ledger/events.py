"""The log by page, forwards from a place in it, or backwards into its past."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from runtime.eventlog import Stored, StreamState
from runtime.eventlog.records import Wanted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.ledger.positions import (
    FILTER,
    WHOLE,
    After,
    LogPosition,
    numbered_records,
    parse_position,
    position_text,
)

_PAGE_MAX = 1000
_ENVELOPES_MAX = 5000
"""Envelopes one page looks at; a filter that fits few events is asked for page after page."""
_WINDOW = 250
"""Envelopes that are read at a time on the way back; as many before them are looked at, too: what a
lease or a request is of stands at its beginning."""
_PATIENCE_S = 10.0
_EVERYTHING = ["evt.>"]
_LAST = "last"

Limit = Annotated[int, QueryParameter(ge=1, le=_PAGE_MAX, description="At most so many events.")]
Past = Annotated[
    str,
    QueryParameter(
        description="Instead of `after`: events before this one, the latest first; `last`: from the"
        " end of the log."
    ),
]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Events behind `after`, or before `past`; `next` is where the next page begins.

    The log begins at `first` and ends at `last`, the numbers of its envelopes. While `more` is true
    there may be further events, even when this page has none.
    """

    data: list[dict[str, Any]]
    next: str
    first: int
    last: int
    more: bool


@get("/events", tags=["analysis"], summary="The log by page", dependencies=FILTER)
async def page(
    doors: NamedDependency[Doors],
    wanted: NamedDependency[Wanted],
    after: After = "0",
    past: Past = "",
    limit: Limit = 100,
) -> Page:
    """Read events as they are stored, the hashes of keys apart."""
    begin = parse_position("after", after)
    if past:
        if after != "0":
            raise GatewayError("invalid_request", "past: expected no `after` beside it", "past")
        end = (2**62, 0) if past == _LAST else parse_position("past", past)
    state = await doors.log.stream_state()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            if past:
                return await _page_before(doors, end, limit, wanted, state)
            return await _page_behind(doors, begin, limit, wanted, state)
    except TimeoutError:
        raise GatewayError("ledger_unavailable", "the event log fell silent") from None


async def _page_behind(
    doors: Doors, begin: LogPosition, limit: int, wanted: Wanted, state: StreamState
) -> Page:
    """Read on from a position."""
    beginning, last = state.first_sequence, state.last_sequence
    if begin[0] > last or (begin[0] == last and begin[1] == WHOLE):
        return Page(data=[], next=position_text(begin), first=beginning, last=last, more=False)
    data: list[dict[str, Any]] = []
    seen, looked = begin, 0
    first = begin[0] if begin[1] == WHOLE else begin[0] - 1
    async with aclosing(_read_between(doors, max(first, 0), last)) as envelopes:
        async for stored in envelopes:
            for position, record in numbered_records(stored, begin):
                seen = position
                if wanted(record):
                    data.append(record)
                if len(data) == limit:
                    break
            else:
                seen = (stored.sequence, WHOLE)
            looked += 1
            if len(data) == limit or looked == _ENVELOPES_MAX:
                break
    return Page(
        data=data,
        next=position_text(seen),
        first=beginning,
        last=last,
        more=seen < (last, WHOLE),
    )


async def _page_before(
    doors: Doors, end: LogPosition, limit: int, wanted: Wanted, state: StreamState
) -> Page:
    """Read back from a position, a window at a time, the latest event first."""
    data: list[dict[str, Any]] = []
    last = state.last_sequence
    top = min(end[0], last)
    seen: LogPosition = (top, end[1]) if end[0] <= last else (last, WHOLE)
    looked = 0
    while len(data) < limit and top >= state.first_sequence and looked < _ENVELOPES_MAX:
        bottom = max(top - _WINDOW, state.first_sequence - 1, 0)
        window: list[tuple[LogPosition, dict[str, Any]]] = []
        async with aclosing(_read_between(doors, max(bottom - _WINDOW, 0), top)) as envelopes:
            async for stored in envelopes:
                fitting = [
                    (position, record)
                    for position, record in numbered_records(stored)
                    if wanted(record) and position < end
                ]
                window += fitting if stored.sequence > bottom else []
        kept = window[::-1][: limit - len(data)]
        data += [record for _, record in kept]
        seen = kept[-1][0] if len(data) == limit else (bottom + 1, 0)
        looked += top - bottom
        top = bottom
    return Page(
        data=data,
        next=position_text(seen),
        first=state.first_sequence,
        last=last,
        more=seen > (state.first_sequence, 0) and last > 0,
    )


async def _read_between(doors: Doors, after: int, upto: int) -> AsyncGenerator[Stored, None]:
    """Yield the envelopes behind `after`, to `upto`, which is the sequence of one."""
    if after >= upto:
        return
    async for batch in doors.log.follow_from(_EVERYTHING, after):
        for stored in batch:
            if stored.sequence <= upto:
                yield stored
        if batch[-1].sequence >= upto:
            return
