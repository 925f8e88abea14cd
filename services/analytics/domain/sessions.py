"""Sessions as the pool's fold has them: a standing, with cooling and suspicion beside it."""

from typing import Any

from contracts.pool import (
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.analytics.domain.moments import Place, Routes, micros
from services.analytics.domain.rows import SessionRow
from services.analytics.domain.states import Journal, States, text

_SOMEBODYS = {SessionStatus.ACTIVE, SessionStatus.DRAINING, SessionStatus.DISABLED}
"""What a `SessionChanged` may set."""


class Sessions(States[SessionRow]):
    """The sessions, their events applied."""

    def __init__(self, journal: Journal) -> None:
        """Know no session."""
        super().__init__(journal)
        self.routes: Routes = {
            SessionAdded: self._added,
            SessionChanged: self._changed,
            SessionRevived: self._revived,
            SessionRetired: self._retired,
            SessionCooled: self._cooled,
            SessionSuspected: self._suspected,
            SessionRecovered: self._recovered,
        }

    def _added(self, event: SessionAdded, place: Place) -> None:
        if event.session_id in self.rows:
            self.change(event, event.session_id, place)
            return
        row = SessionRow(
            session_id=event.session_id,
            region=event.region,
            limits=text(event.limits),
            quota_timezone=event.quota_timezone,
            origin=event.origin,
            added_at=place.ts,
            added_day=place.day,
            changed_at=place.ts,
        )
        self.put(event, event.session_id, row, place)

    def _changed(self, event: SessionChanged, place: Place) -> None:
        changes: dict[str, Any] = {"reason": event.reason}
        if event.status in _SOMEBODYS:
            changes |= {"status": event.status.value, "suspected_at": None}
        if event.limits is not None:
            changes["limits"] = text(event.limits)
        self.change(event, event.session_id, place, **changes)

    def _revived(self, event: SessionRevived, place: Place) -> None:
        self.change(
            event,
            event.session_id,
            place,
            status=SessionStatus.ACTIVE.value,
            origin=event.origin,
            reason="",
            suspected_at=None,
            retired_at=None,
            retired_day=None,
        )

    def _retired(self, event: SessionRetired, place: Place) -> None:
        self.change(
            event,
            event.session_id,
            place,
            status=SessionStatus.RETIRED.value,
            reason=event.reason,
            retired_at=place.ts,
            retired_day=place.day,
        )

    def _cooled(self, event: SessionCooled, place: Place) -> None:
        """A deadline only moves forward, except by an operator."""
        until = micros(event.until)
        known = self.rows.get(event.session_id)
        if known is not None and not event.by and (known.cooling_until or 0) >= until:
            self.change(event, event.session_id, place)
            return
        self.change(event, event.session_id, place, cooling_until=until, reason=event.reason)

    def _suspected(self, event: SessionSuspected, place: Place) -> None:
        self.change(event, event.session_id, place, suspected_at=place.ts, reason="login_expired")

    def _recovered(self, event: SessionRecovered, place: Place) -> None:
        """Only an operator ends a cool-down early or enables what was disabled."""
        changes: dict[str, Any] = {"suspected_at": None, "reason": ""}
        known = self.rows.get(event.session_id)
        if event.by:
            changes["cooling_until"] = None
            if known is not None and known.status == SessionStatus.DISABLED:
                changes["status"] = SessionStatus.ACTIVE.value
        self.change(event, event.session_id, place, **changes)
