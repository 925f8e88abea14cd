"""Servers as the balancer journalled them."""

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
from services.analytics.domain.rows import ServerRow
from services.analytics.domain.states import EntityJournal, States, as_json


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
            ServerFellSilent: lambda event, place: self._set_state(event, place, "silent"),
            ServerHeardAgain: lambda event, place: self._set_state(event, place, ""),
            ServerDrained: lambda event, place: self._set_draining(event, place, draining=True),
            ServerUndrained: lambda event, place: self._set_draining(event, place, draining=False),
        }

    def _on_server_put(self, event: ServerAdded | ServerChanged, place: LogPlace) -> None:
        """A changed server keeps its health and its age; a removed one begins again."""
        row = _server_row(event.server, place)
        previous = self.rows.get(row.server_id)
        # Of a removed one that comes back nothing is known: its probes begin anew.
        if previous is not None and previous.removed_at is None:
            row.added_at = previous.added_at
            row.health = previous.health
            row.ejected_until = previous.ejected_until
            row.reason = previous.reason
            row.state = previous.state
            row.types_out = previous.types_out
            row.draining = previous.draining
        self.put_row(event, row.server_id, row, place)

    def _on_server_removed(self, event: ServerRemoved, place: LogPlace) -> None:
        self.change_row(event, event.server_id, place, removed_at=place.ts)

    def _on_health_changed(self, event: ServerHealthChanged, place: LogPlace) -> None:
        self.change_row(
            event, event.server_id, place, health=event.health.value, reason=event.reason
        )

    def _on_server_ejected(self, event: ServerEjected, place: LogPlace) -> None:
        if event.service_type:
            self._set_type_out(event, place, out=True)
            return
        self.change_row(
            event,
            event.server_id,
            place,
            ejected_until=as_micros(event.until),
            reason=event.reason,
            state="ejected",
        )

    def _on_server_half_opened(self, event: ServerHalfOpened, place: LogPlace) -> None:
        if event.service_type:
            self._set_type_out(event, place, out=False)
            return
        self._set_state(event, place, "half_open")

    def _on_server_readmitted(self, event: ServerReadmitted, place: LogPlace) -> None:
        if event.service_type:
            self._set_type_out(event, place, out=False)
            return
        state = "slow_start" if event.slow_start_s else ""
        self.change_row(event, event.server_id, place, ejected_until=None, reason="", state=state)

    def _set_type_out(
        self,
        event: ServerEjected | ServerHalfOpened | ServerReadmitted,
        place: LogPlace,
        *,
        out: bool,
    ) -> None:
        """Note for which service types alone a server is out."""
        row = self.rows.get(event.server_id)
        before: set[str] = set() if row is None else {*msgspec.json.decode(row.types_out)}
        after = before | {event.service_type} if out else before - {event.service_type}
        self.change_row(event, event.server_id, place, types_out=as_json(sorted(after)))

    def _set_state(
        self,
        event: ServerHalfOpened | ServerFellSilent | ServerHeardAgain,
        place: LogPlace,
        state: str,
    ) -> None:
        self.change_row(event, event.server_id, place, state=state)

    def _set_draining(
        self, event: ServerDrained | ServerUndrained, place: LogPlace, *, draining: bool
    ) -> None:
        self.change_row(event, event.server_id, place, draining=draining)


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
