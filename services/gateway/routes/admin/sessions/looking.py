"""A list of sessions, looked through: which sessions fit, in which order.

The pool looks at a bounded number of sessions at a time; here the looks are put together, to the
first so many behind a place, or to all of the list.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import msgspec

from contracts.pool import FindSessions, FoundSession, SessionFilter, SessionsFound, SessionStatus
from contracts.pool.lists import LOOKED_MAX
from services.gateway.routes.doors import Doors

_LOOKS_AT_ONCE = 2
"""The pool is asked for the next while it answers one; it goes on granting in between."""
_ALL = 1_000_000
"""More than any look has."""
_RETIRED = str(SessionStatus.RETIRED)


class SessionQuery(NamedTuple):
    """Which sessions, in which order."""

    wanted: SessionFilter
    sort: str
    """As it was given: with `-` before it, the last one first."""


class ListPlace(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    retired: bool
    key: str | float
    place: int


class SessionOrder(NamedTuple):
    """A whole list in order, as it was looked through; it holds no state of a session."""

    of: str
    """The filter and order that it is of."""
    entries: Sequence[FoundSession]
    standing: int
    """So many come first; those behind them retired."""


def query_digest(query: SessionQuery) -> str:
    """Name a list by its filter and order."""
    return hashlib.sha256(msgspec.json.encode(query)).hexdigest()[:12]


def parts_of(query: SessionQuery, behind: ListPlace | None) -> list[bool]:
    """Tell which parts of the list have something, from where a page begins: retired ones last."""
    statuses = set(query.wanted.statuses)
    parts = [
        retired
        for retired, has_any in (
            (False, not statuses or bool(statuses - {_RETIRED})),
            (True, not statuses or _RETIRED in statuses),
        )
        if has_any
    ]
    return parts if behind is None else [part for part in parts if part >= behind.retired]


async def first_of_part(
    doors: Doors,
    query: SessionQuery,
    begin: ListPlace | None,
    limit: int | None,
    *,
    retired: bool,
) -> list[FoundSession]:
    """Look through a part of the list until it is certain which are its first so many, or all."""
    descending, sort = query.sort.startswith("-"), query.sort.removeprefix("-")
    in_order = sort == "added"
    entries: list[FoundSession] = []
    start: int | None = None
    if begin is not None and in_order:
        start = begin.place if descending else begin.place + 1
        if descending and not start:
            return []
    asked = FindSessions(
        wanted=query.wanted,
        retired=retired,
        sort=sort,
        descending=descending,
        start=start,
        beyond=None if begin is None or in_order else (begin.key, begin.place),
        limit=_ALL if limit is None else limit,
    )
    if limit is not None and in_order:
        return await _first_in_order(doors, asked, limit)
    async for look in _every_look(doors, asked):
        entries += look.items
        if limit is not None:
            entries = _in_order(entries, descending=descending)[:limit]
    return entries if in_order or limit is not None else _in_order(entries, descending=descending)


def _in_order(entries: list[FoundSession], *, descending: bool) -> list[FoundSession]:
    return sorted(entries, key=lambda one: (one.key, one.place), reverse=descending)


async def _first_in_order(doors: Doors, asked: FindSessions, limit: int) -> list[FoundSession]:
    """Look on until there are so many: of an order that is the places' nobody need look further."""
    entries: list[FoundSession] = []
    start = asked.start
    while True:
        further = msgspec.structs.replace(asked, start=start, limit=limit - len(entries))
        look = await doors.find_sessions(further)
        entries += look.items
        if look.next is None or len(entries) >= limit:
            return entries
        start = look.next


async def _every_look(doors: Doors, asked: FindSessions) -> AsyncIterator[SessionsFound]:
    """Look to the end, at the next stretch while the one before is answered.

    Where stretches are of another length than ours the look before says where to look on.
    """
    look = await doors.find_sessions(asked)
    yield look
    stride = LOOKED_MAX * (-1 if asked.sort == "added" and asked.descending else 1)
    while look.next is not None:
        starts = [look.next + place * stride for place in range(_LOOKS_AT_ONCE)]
        looks = await asyncio.gather(
            *(
                doors.find_sessions(msgspec.structs.replace(asked, start=start))
                for start in starts
                if start > 0
            )
        )
        for start, look in zip(starts, looks, strict=False):
            yield look
            if look.next != start + stride:
                break


async def whole_list(doors: Doors, query: SessionQuery) -> SessionOrder:
    """Look through the whole list for every session that fits."""
    standing: list[FoundSession] = []
    gone: list[FoundSession] = []
    for retired in parts_of(query, None):
        part = gone if retired else standing
        part += await first_of_part(doors, query, None, None, retired=retired)
    return SessionOrder(query_digest(query), [*standing, *gone], len(standing))


def place_of(entry: FoundSession, *, retired: bool) -> ListPlace:
    """Name the place of a session, behind which a page may begin."""
    return ListPlace(retired, entry.key, entry.place)
