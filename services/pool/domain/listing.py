"""Sessions looked for by operators: filtered, sorted, a bounded number of them at a time.

Sessions keep their place for good: the fold adds behind the last one, and forgets none. So a look
can go on where another stopped, whatever happened between. Each looks at `LOOKED_MAX` at most,
for it runs in the loop that grants leases; who wants the first hundred of 100,000 by another
order than that in which they were added takes the first hundred of each look, and of these.
"""

import heapq
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Any

from contracts.base import Failed
from contracts.pool import (
    FindSessions,
    FoundSession,
    PoolStatus,
    PoolStatusReply,
    SessionFilter,
    SessionsFound,
    SessionStatus,
)
from contracts.pool.lists import LOOKED_MAX
from services.pool.domain.records import Session
from services.pool.domain.state import Pool
from services.pool.domain.views import pool_status, session_status, shown_reason

ADDED = "added"
_TEXTS = frozenset({"id", "status", "label", "region"})
"""Sorts by a text; the others go by a number."""
_Key = Callable[[Session], str | float]
_Entry = tuple[str | float, int, Session]


def answer_question(
    state: Pool, asked: PoolStatus | FindSessions, now: datetime, sequence: int, epoch: int
) -> PoolStatusReply | SessionsFound | Failed:
    """Answer what operators ask of the fold, which changes nothing."""
    if isinstance(asked, FindSessions):
        return find_sessions(state, asked, now, sequence)
    return pool_status(state, asked, now, sequence, epoch)


def find_sessions(
    state: Pool, asked: FindSessions, now: datetime, sequence: int
) -> SessionsFound | Failed:
    """Name the first that fit of the next `LOOKED_MAX`, in the order that is wanted."""
    keys = _sort_keys(state, asked, now)
    if asked.sort != ADDED and asked.sort not in keys:
        names = ", ".join((ADDED, *keys))
        return Failed(code="bad_request", message=f"sort: expected one of {names}")
    if asked.beyond is not None and isinstance(asked.beyond[0], str) is not (asked.sort in _TEXTS):
        return Failed(code="bad_request", message=f"beyond: expected a key of {asked.sort}")
    if asked.retired and not state.standing[SessionStatus.RETIRED]:
        return SessionsFound(sequence=sequence)
    places, behind = _places(len(state.session_ids), asked)
    fits = session_test(state, asked.wanted, now)
    among = (
        (place, session)
        for place, session in _sessions_at(state, places)
        if (session.status is SessionStatus.RETIRED) is asked.retired and fits(session)
    )
    if asked.sort == ADDED:
        entries: list[_Entry] = [
            (float(place), place, session) for place, session in islice(among, asked.limit)
        ]
        if len(entries) == asked.limit:
            # There may be more of them in this stretch.
            last = entries[-1][1]
            behind = last if asked.descending else last + 1
    else:
        entries = _first_by_key(among, keys[asked.sort], asked)
    items = [
        FoundSession(session_id=session.session_id, key=key, place=place)
        for key, place, session in entries
    ]
    return SessionsFound(sequence=sequence, items=items, next=behind)


def session_test(state: Pool, wanted: SessionFilter, now: datetime) -> Callable[[Session], bool]:
    """Tell how to know whether a session fits."""
    statuses, service_type = frozenset(wanted.statuses), wanted.service_type
    label, text = wanted.label, wanted.text.casefold()
    labels = state.labels

    def fits(session: Session) -> bool:
        if statuses and session_status(session, now) not in statuses:
            return False
        if service_type and session.account.daily_limit(state.policy, service_type) <= 0:
            return False
        own = labels.get(session.session_id, "")
        if label and own != label:
            return False
        return not text or _mentions(session, own, text, now)

    return fits


def _mentions(session: Session, label: str, text: str, now: datetime) -> bool:
    account = session.account
    said = (
        session.session_id,
        label,
        session.region,
        session.origin,
        shown_reason(session, now),
        account.name,
        account.tier,
    )
    return any(text in one.casefold() for one in said)


def _places(count: int, asked: FindSessions) -> tuple[range, int | None]:
    """Tell where to look, in this order, and where the next look begins."""
    if asked.sort == ADDED and asked.descending:
        end = count if asked.start is None else min(asked.start, count)
        begin = max(0, end - LOOKED_MAX)
        return range(end - 1, begin - 1, -1), begin or None
    begin = asked.start or 0
    end = min(begin + LOOKED_MAX, count)
    return range(begin, end), end if end < count else None


def _sessions_at(state: Pool, places: range) -> Iterable[tuple[int, Session]]:
    ids, sessions = state.session_ids, state.sessions
    return ((place, sessions[ids[place]]) for place in places)


def _first_by_key(
    among: Iterable[tuple[int, Session]], key: _Key, asked: FindSessions
) -> list[_Entry]:
    """Take the first of them in the order of their keys, and of equal keys in that of places."""
    keyed = ((key(session), place, session) for place, session in among)
    beyond: Any = asked.beyond
    order: Callable[[Any], Any] = _key_and_place
    if asked.descending:
        if beyond is not None:
            keyed = (entry for entry in keyed if order(entry) < tuple(beyond))
        return heapq.nlargest(asked.limit, keyed, order)
    if beyond is not None:
        keyed = (entry for entry in keyed if order(entry) > tuple(beyond))
    return heapq.nsmallest(asked.limit, keyed, order)


def _key_and_place(entry: _Entry) -> tuple[str | float, int]:
    return entry[:2]


def _sort_keys(state: Pool, asked: FindSessions, now: datetime) -> dict[str, _Key]:
    """Tell by what sessions can be sorted, and how it is had of one."""
    index = state.index_at(now)
    name = asked.wanted.service_type

    def remaining(session: Session) -> float:
        left = index.units_left_by_type(session)
        return left.get(name, 0) if name else sum(left.values())

    def used(session: Session) -> float:
        tallies = session.account.days.get(index.zone_of(session).day, {})
        return sum(kept.used for of, kept in tallies.items() if name in {"", of})

    def last_used(session: Session) -> float:
        at = state.used_at.get(session.session_id)
        return 0.0 if at is None else at.timestamp()

    return {
        "id": lambda session: session.session_id,
        "status": lambda session: session_status(session, now),
        "label": lambda session: state.labels.get(session.session_id, ""),
        "region": lambda session: session.region,
        "last_used": last_used,
        "open_leases": lambda session: session.open_leases,
        "remaining": remaining,
        "used": used,
    }
