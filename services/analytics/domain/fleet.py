"""Servers as the balancer journalled them."""

from contracts.balancer import (
    Server,
    ServerAdded,
    ServerChanged,
    ServerEjected,
    ServerHealthChanged,
    ServerReadmitted,
    ServerRemoved,
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
            ServerReadmitted: self._on_server_readmitted,
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
        self.put_row(event, row.server_id, row, place)

    def _on_server_removed(self, event: ServerRemoved, place: LogPlace) -> None:
        self.change_row(event, event.server_id, place, removed_at=place.ts)

    def _on_health_changed(self, event: ServerHealthChanged, place: LogPlace) -> None:
        self.change_row(
            event, event.server_id, place, health=event.health.value, reason=event.reason
        )

    def _on_server_ejected(self, event: ServerEjected, place: LogPlace) -> None:
        until = as_micros(event.until)
        self.change_row(event, event.server_id, place, ejected_until=until, reason=event.reason)

    def _on_server_readmitted(self, event: ServerReadmitted, place: LogPlace) -> None:
        self.change_row(event, event.server_id, place, ejected_until=None, reason="")


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
