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
from services.analytics.domain.moments import Place, Routes, micros
from services.analytics.domain.rows import ServerRow
from services.analytics.domain.states import Journal, States, text


class Servers(States[ServerRow]):
    """The servers, their events applied; removed ones keep their row."""

    def __init__(self, journal: Journal) -> None:
        """Know no server."""
        super().__init__(journal)
        self.routes: Routes = {
            ServerAdded: self._put,
            ServerChanged: self._put,
            ServerRemoved: self._removed,
            ServerHealthChanged: self._health_changed,
            ServerEjected: self._ejected,
            ServerReadmitted: self._readmitted,
        }

    def _put(self, event: ServerAdded | ServerChanged, place: Place) -> None:
        """A changed server keeps its health and its age; a removed one begins again."""
        row = _row(event.server, place)
        known = self.rows.get(row.server_id)
        if known is not None and known.removed_at is None:
            row.added_at = known.added_at
            row.health = known.health
            row.ejected_until = known.ejected_until
            row.reason = known.reason
        self.put(event, row.server_id, row, place)

    def _removed(self, event: ServerRemoved, place: Place) -> None:
        self.change(event, event.server_id, place, removed_at=place.ts)

    def _health_changed(self, event: ServerHealthChanged, place: Place) -> None:
        self.change(event, event.server_id, place, health=event.health.value, reason=event.reason)

    def _ejected(self, event: ServerEjected, place: Place) -> None:
        until = micros(event.until)
        self.change(event, event.server_id, place, ejected_until=until, reason=event.reason)

    def _readmitted(self, event: ServerReadmitted, place: Place) -> None:
        self.change(event, event.server_id, place, ejected_until=None, reason="")


def _row(server: Server, place: Place) -> ServerRow:
    return ServerRow(
        server_id=server.server_id,
        url=server.url,
        region=server.region,
        priority=server.priority,
        weight=server.weight,
        sessions_max=server.max_sessions,
        capabilities=text(server.capabilities),
        idempotent=server.idempotent,
        added_at=place.ts,
        changed_at=place.ts,
        dialect=server.dialect,
    )
