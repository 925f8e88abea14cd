"""Servers as the balancer journalled them."""

from typing import Any

import msgspec

from contracts.balancer import (
    Server,
    ServerAdded,
    ServerChanged,
    ServerDrained,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerHeardAgain,
    ServerReadmitted,
    ServerRemoved,
    ServerUndrained,
)
from services.analytics.domain.moments import LogPlace, Routes, as_micros
from services.analytics.domain.rows import Moment, ServerRow
from services.analytics.domain.states import EntityJournal, States, as_json

_WARM_S_MAX = 86_400.0
"""A slow start that says to last longer than a day is told as one of a day."""
_EjectionEvent = ServerEjected | ServerHalfOpened | ServerReadmitted


class _TypeState(msgspec.Struct, frozen=True):
    """How far a server is back from an ejection of one service type; moments as in the store."""

    service_type: str
    state: str
    reason: str = ""
    since: int | None = None
    until: int | None = None
    """The end of the ejection, or of the slow start."""


_OF_ITS_NAME = ("added_at", "draining", "drained_at")
"""What a server keeps whatever changes of it."""
_OF_ITS_ADDRESS = (
    "health",
    "health_at",
    "reason",
    "ejected_until",
    "state",
    "state_at",
    "state_reason",
    "warm_until",
    "silent_at",
    "silent_why",
    "types_out",
    "type_states",
)
"""What it keeps while it stays where it is: at another address it is another machine."""
_states_decoder = msgspec.json.Decoder(list[_TypeState])


class ServerStates(States[ServerRow]):
    """The servers, their events applied; removed ones keep their row."""

    def __init__(self, journal: EntityJournal) -> None:
        """Know no server."""
        super().__init__(journal)
        self.routes: Routes = {
            ServerAdded: self._on_server_put,
            ServerChanged: self._on_server_put,
            ServerRemoved: self._on_server_removed,
            ServerHealthChanged: self._on_health_changed,
            ServerEjected: self._on_server_ejected,
            ServerHalfOpened: self._on_server_half_opened,
            ServerReadmitted: self._on_server_readmitted,
            ServerFellSilent: self._on_server_silent,
            ServerHeardAgain: self._on_server_heard,
            ServerDrained: lambda event, place: self._set_draining(event, place, draining=True),
            ServerUndrained: lambda event, place: self._set_draining(event, place, draining=False),
        }

    def _on_server_put(self, event: ServerAdded | ServerChanged, place: LogPlace) -> None:
        """A changed server keeps its health and its age; a removed one begins again."""
        row = _server_row(event.server, place)
        previous = self.rows.get(row.server_id)
        # Of a removed one that comes back nothing is known: its probes begin anew.
        if previous is not None and previous.removed_at is None:
            names = _OF_ITS_NAME if previous.url != row.url else (*_OF_ITS_NAME, *_OF_ITS_ADDRESS)
            for name in names:
                setattr(row, name, getattr(previous, name))
        self.put_row(event, row.server_id, row, place)

    def _on_server_removed(self, event: ServerRemoved, place: LogPlace) -> None:
        self.change_row(event, event.server_id, place, removed_at=place.ts)

    def _on_health_changed(self, event: ServerHealthChanged, place: LogPlace) -> None:
        row, health = self.rows.get(event.server_id), event.health.value
        same = row is not None and row.health == health
        changes: dict[str, Any] = {} if same else {"health_at": place.ts}
        self.change_row(
            event, event.server_id, place, health=health, reason=event.reason, **changes
        )

    def _on_server_ejected(self, event: ServerEjected, place: LogPlace) -> None:
        """Put a server out, or one service type of it."""
        if event.service_type:
            until = as_micros(event.until)
            state = _TypeState(event.service_type, "ejected", event.reason, place.ts, until)
            self._set_type_state(event, place, state)
            return
        self.change_row(
            event,
            event.server_id,
            place,
            ejected_until=as_micros(event.until),
            reason=event.reason,
            state="ejected",
            state_at=place.ts,
            state_reason=event.reason,
        )

    def _on_server_half_opened(self, event: ServerHalfOpened, place: LogPlace) -> None:
        """Note that it is tried again; whoever was silent is silent no more."""
        if event.service_type:
            before = self._type_states(event.server_id).get(event.service_type)
            reason = event.reason if before is None else before.reason
            state = _TypeState(event.service_type, "half_open", reason, place.ts)
            self._set_type_state(event, place, state)
            return
        row = self.rows.get(event.server_id)
        was_out = row is not None and row.state == "ejected"
        # After a silence there is no ejection whose reason would be told.
        changes: dict[str, Any] = {} if was_out else {"state_reason": event.reason}
        self.change_row(
            event,
            event.server_id,
            place,
            state="half_open",
            state_at=place.ts,
            silent_at=None,
            **changes,
        )

    def _on_server_readmitted(self, event: ServerReadmitted, place: LogPlace) -> None:
        """Let it in; its slow start, if it has one, ends by the clock."""
        warm_until = _warm_until(event, place)
        if event.service_type:
            state = "slow_start" if event.slow_start_s else ""
            self._set_type_state(
                event, place, _TypeState(event.service_type, state, "", place.ts, warm_until)
            )
            return
        self.change_row(
            event,
            event.server_id,
            place,
            ejected_until=None,
            reason="",
            state="slow_start" if event.slow_start_s else "",
            state_at=place.ts,
            state_reason="",
            warm_until=warm_until,
        )

    def _on_server_silent(self, event: ServerFellSilent, place: LogPlace) -> None:
        why = f"{event.service_type or 'a call'} waited for {event.waited_s:g} s"
        self.change_row(event, event.server_id, place, silent_at=place.ts, silent_why=why)

    def _on_server_heard(self, event: ServerHeardAgain, place: LogPlace) -> None:
        row = self.rows.get(event.server_id)
        # So earlier versions wrote a silence down.
        was_silent = row is not None and row.state == "silent"
        changes: dict[str, Any] = {"state": ""} if was_silent else {}
        self.change_row(event, event.server_id, place, silent_at=None, **changes)

    def _type_states(self, server_id: str) -> dict[str, _TypeState]:
        """Say how far each service type of a server is back from an ejection of it alone."""
        row = self.rows.get(server_id)
        states = [] if row is None else _states_decoder.decode(row.type_states)
        return {state.service_type: state for state in states}

    def _set_type_state(self, event: _EjectionEvent, place: LogPlace, state: _TypeState) -> None:
        """Note how far one service type of a server is back; and for which it is out at all."""
        row = self.rows.get(event.server_id)
        out: set[str] = set() if row is None else {*msgspec.json.decode(row.types_out)}
        out -= {state.service_type}
        if state.state == "ejected":
            out |= {state.service_type}
        states = self._type_states(event.server_id)
        states[state.service_type] = state
        kept = [states[name] for name in sorted(states) if states[name].state]
        self.change_row(
            event,
            event.server_id,
            place,
            types_out=as_json(sorted(out)),
            type_states=as_json(kept),
        )

    def _set_draining(
        self, event: ServerDrained | ServerUndrained, place: LogPlace, *, draining: bool
    ) -> None:
        drained_at = place.ts if draining else None
        self.change_row(event, event.server_id, place, draining=draining, drained_at=drained_at)


def _warm_until(event: ServerReadmitted, place: LogPlace) -> Moment:
    """When a slow start is over."""
    lasts_s = min(max(event.slow_start_s, 0.0), _WARM_S_MAX)
    return Moment(place.ts + round(lasts_s * 1e6))


def _server_row(server: Server, place: LogPlace) -> ServerRow:
    return ServerRow(
        server_id=server.server_id,
        url=server.url,
        region=server.region,
        priority=server.priority,
        weight=server.weight,
        sessions_max=server.max_sessions,
        capabilities=as_json(server.capabilities),
        idempotent=server.idempotent,
        added_at=place.ts,
        changed_at=place.ts,
        dialect=server.dialect,
    )
