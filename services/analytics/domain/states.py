"""Last states of sessions, servers, keys: which changed, and a row for every event about them."""

from typing import Any, Generic, TypeVar

import msgspec

from contracts.base import Event
from services.analytics.domain.moments import LogPlace
from services.analytics.domain.rows import EntityEventRow, KeyRow, ServerRow, SessionRow

_Some = TypeVar("_Some", SessionRow, ServerRow, KeyRow)
_json = msgspec.json.Encoder()


def as_json(value: Any) -> str:
    """Write what a column of JSON texts keeps of `value`."""
    return _json.encode(value).decode()


class EntityJournal:
    """Event rows of one batch."""

    def __init__(self) -> None:
        """Begin a batch."""
        self.events: list[EntityEventRow] = []

    def begin_batch(self) -> None:
        """Begin the next batch."""
        self.events = []

    def record_event(self, event: Event, entity_id: str, place: LogPlace) -> None:
        """Append the event, whole but for a key's hash."""
        # Before it is written anywhere: reports and strangers' SQL read this column.
        named: dict[str, Any] = msgspec.to_builtins(event)
        named.pop("key_hash", None)
        self.events.append(
            EntityEventRow(
                sequence=place.sequence,
                position=place.position,
                ts=place.ts,
                subject=place.subject,
                event=named["type"],
                entity_id=entity_id,
                reason=named.get("reason", ""),
                caused_by=named.get("by", ""),
                detail=as_json(named),
            )
        )


class States(Generic[_Some]):
    """Rows by id, and the ids of those that changed in this batch."""

    def __init__(self, journal: EntityJournal) -> None:
        """Know nothing."""
        self.rows: dict[str, _Some] = {}
        self.changed: set[str] = set()
        self._journal = journal

    def begin_batch(self) -> None:
        """Begin a batch."""
        self.changed = set()

    def put_row(self, event: Event, key: str, row: _Some, place: LogPlace) -> None:
        """Take in a new row."""
        self.rows[key] = row
        self.changed.add(key)
        self._journal.record_event(event, key, place)

    def change_row(self, event: Event, key: str, place: LogPlace, **changes: Any) -> None:
        """Change a known row; an event about an unknown one is recorded all the same."""
        # In place: nobody but this fold holds it, and a batch takes a copy.
        row = self.rows.get(key)
        if row is not None:
            row.changed_at = place.ts
            for name, value in changes.items():
                setattr(row, name, value)
            self.changed.add(key)
        self._journal.record_event(event, key, place)
