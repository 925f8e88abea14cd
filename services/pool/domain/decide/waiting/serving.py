"""Whoever waits and can be served is granted its lease, before any new command is decided."""

from collections.abc import Generator
from datetime import datetime

import msgspec

from contracts.base import GatewayId, KeyId, ServiceType
from contracts.pool import Granted, PoolEvent, SessionRequested
from services.pool.domain.decide.decision import Draft
from services.pool.domain.decide.granting import grant_lease, kinds_wanted
from services.pool.domain.decide.waiting.entering import HEARD_WITHIN
from services.pool.domain.index.choice import Choice, Index
from services.pool.domain.leading.lanes import Lane
from services.pool.domain.leading.line import Wait
from services.pool.domain.state import Pool

_TRIED_MAX = 256
"""Waits of a type that are tried in vain before the rest is left for the next time."""


class Served(msgspec.Struct, frozen=True):
    """A wait that ended in a lease: its events, and what its gateway is to be told."""

    events: list[PoolEvent]
    gateway_id: GatewayId
    granted: Granted


def serve_waiting(state: Pool, now: datetime) -> Generator[Served, None, None]:
    """Grant leases to those who wait, one after the other, as long as anything is free.

    Service types take turns. Whoever stops before the end is asked again by `is_due`.
    """
    line = state.line
    index = state.index_at(now)
    line.turns.keep_types(line.lanes)
    searches = {name: _serve_type(state, index, name, now) for name in line.lanes}
    try:
        while searches:
            service_type = line.turns.next_type(searches)
            keys = len(line.lanes[service_type].by_key) if service_type in line.lanes else 0
            served = next(searches[service_type], None)
            if served is None:
                del searches[service_type]
                continue
            line.turns.note_turn(service_type, keys)
            yield served
    finally:
        for search in searches.values():
            search.close()
    line.note_served(index)


def is_due(state: Pool, now: datetime) -> bool:
    """Whether somebody waits, and something may have come free."""
    return bool(state.line) and not state.line.is_served(state.index_at(now))


def _serve_type(
    state: Pool, index: Index, service_type: ServiceType, now: datetime
) -> Generator[Served, None, None]:
    """Serve one type: the key of the least pass first, whoever cannot be served is overtaken.

    A key of which nobody is heard has no turn before it is heard again.
    """
    lanes = state.line.lanes[service_type]
    search = _Search(state, index, service_type, now)
    overtaken: list[KeyId] = []
    try:
        while not search.exhausted and (key_id := lanes.take_turn()) is not None:
            pair = _first_servable(state, lanes.by_key[key_id], search)
            state.line.set_aside(search.unheard)
            if pair is not None:
                yield _grant_wait(state, *pair, now)
            elif search.heard:
                overtaken.append(key_id)
    finally:
        for key_id in overtaken:
            lanes.await_turn(key_id)


def _first_servable(state: Pool, lane: Lane, search: "_Search") -> tuple[Wait, Choice] | None:
    """Find the first of a key whose gateway is there and for whom there is a session."""
    waits, heard_since = state.line.waits, search.heard_since
    search.heard, search.unheard = False, []
    for _, _, lease_id in lane.orders:
        wait = waits[lease_id]
        if wait.heard_at < heard_since:
            search.unheard.append(wait)
            continue
        search.heard = True
        choice = search.choose_for(wait.requested)
        if choice is not None:
            return wait, choice
        if search.exhausted:
            return None
    return None


def _grant_wait(state: Pool, wait: Wait, choice: Choice, now: datetime) -> Served:
    draft = Draft(state, now)
    line = state.line
    state.on_rollback(line.stir)
    state.on_rollback(line.add_wait, line.remove_wait(wait.lease_id, granted=True))
    line.note_over(wait, "granted", now)
    state.on_rollback(line.over.pop)
    granted = grant_lease(draft, wait.requested, wait.lease_id, choice)
    line.untold.add(wait.lease_id)
    state.on_rollback(line.untold.discard, wait.lease_id)
    return Served(draft.events, wait.requested.gateway_id, granted)


class _Search:
    """Looks for sessions, and remembers for which shape of request there is none."""

    __slots__ = (
        "_index",
        "_now",
        "_service_type",
        "_state",
        "_too_many",
        "_tries",
        "heard",
        "heard_since",
        "unheard",
    )

    def __init__(self, state: Pool, index: Index, service_type: ServiceType, now: datetime) -> None:
        self._state = state
        self._index = index
        self._service_type = service_type
        self._now = now
        self._too_many: dict[tuple[str, ...], int] = {}
        """Units of which there are none free, by the regions to be avoided."""
        self._tries = 0
        self.heard = False
        """Whether anybody was there of those who were looked at last."""
        self.heard_since = now - HEARD_WITHIN
        """Who was not heard since then is passed over."""
        self.unheard: list[Wait] = []
        """Of those who were looked at last."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing at all is free, or too many were tried in vain."""
        return self._too_many.get((), 2) <= 1 or self._tries >= _TRIED_MAX

    def choose_for(self, requested: SessionRequested) -> Choice | None:
        """Choose a session for one who waits and is there; None where there is none."""
        regions = tuple(requested.avoid_regions)
        # Who avoids something has no more to choose from than who does not.
        lacking = min(self._too_many.get((), requested.units + 1), self._units_lacking(regions))
        if requested.units >= lacking:
            return None
        choice = self._index.choose_session(
            self._service_type,
            requested.units,
            requested.avoid_sessions,
            regions,
            kinds=kinds_wanted(self._state, requested, self._now),
            preferred=self._state.line.affinities.get(requested.affinity),
        )
        if choice is None:
            self._tries += 1
            if not requested.avoid_sessions:
                self._too_many[regions] = requested.units
        return choice

    def _units_lacking(self, regions: tuple[str, ...]) -> int:
        return self._too_many.get(regions, 2**63)
