"""Sessions as the pool's fold has them: a standing, with cooling and suspicion beside it."""

from typing import Any

from contracts.pool import (
    AccountChanged,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionJoined,
    SessionLabelled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.analytics.domain.moments import LogPlace, Routes, as_micros
from services.analytics.domain.rows import SessionRow
from services.analytics.domain.states import EntityJournal, States, as_json

_SET_BY_HAND = {SessionStatus.ACTIVE, SessionStatus.DRAINING, SessionStatus.DISABLED}
"""What a `SessionChanged` may set."""


class SessionStates(States[SessionRow]):
    """The sessions, their events applied."""

    def __init__(self, journal: EntityJournal) -> None:
        """Know no session."""
        super().__init__(journal)
        self._members: dict[str, list[str]] | None = None
        """The sessions of each account that has a name, once anybody asked."""
        self.routes: Routes = {
            SessionAdded: self._on_session_added,
            SessionChanged: self._on_session_changed,
            SessionLabelled: self._on_session_labelled,
            SessionRevived: self._on_session_revived,
            SessionRetired: self._on_session_retired,
            SessionCooled: self._on_session_cooled,
            SessionSuspected: self._on_session_suspected,
            SessionDoubted: self._on_session_doubted,
            SessionRecovered: self._on_session_recovered,
            SessionJoined: self._on_session_joined,
            AccountChanged: self._on_account_changed,
        }

    def _on_session_added(self, event: SessionAdded, place: LogPlace) -> None:
        """Open a session; one that is there already only leaves an event row."""
        # Added again it would lose what has happened to it since.
        if event.session_id in self.rows:
            self.change_row(event, event.session_id, place)
            return
        row = SessionRow(
            session_id=event.session_id,
            region=event.region,
            limits=as_json(event.limits),
            quota_timezone=event.quota_timezone,
            origin=event.origin,
            added_at=place.ts,
            added_day=place.day,
            changed_at=place.ts,
        )
        self.put_row(event, event.session_id, row, place)

    def _on_session_changed(self, event: SessionChanged, place: LogPlace) -> None:
        changes: dict[str, Any] = {"reason": event.reason}
        # As the pool folds it: whatever else it names leaves the status as it is.
        if event.status in _SET_BY_HAND:
            changes |= {"status": event.status.value, "suspected_at": None}
        if event.limits is not None:
            self._change_account(event.session_id, place, limits=as_json(event.limits))
        self.change_row(event, event.session_id, place, **changes)

    def _on_session_joined(self, event: SessionJoined, place: LogPlace) -> None:
        """Enter a session in an account; one that is in one already only leaves an event row."""
        row = self.rows.get(event.session_id)
        changes: dict[str, Any] = {}
        if row is not None and event.account and not row.account:
            members = self._members_of(event.account)
            changes["account"] = event.account
            if members:
                first = self.rows[members[0]]
                shared = ("limits", "tier", "quota_timezone")
                changes |= {name: getattr(first, name) for name in shared}
            members.append(event.session_id)
        self.change_row(event, event.session_id, place, **changes)

    def _on_account_changed(self, event: AccountChanged, place: LogPlace) -> None:
        if event.tier is not None:
            self._change_account(event.session_id, place, tier=event.tier)
        self.change_row(event, event.session_id, place)

    def _members_of(self, account: str) -> list[str]:
        """List the sessions of an account, to which more may be added."""
        if self._members is None:
            self._members = {}
            for name, row in self.rows.items():
                if row.account:
                    self._members.setdefault(row.account, []).append(name)
        return self._members.setdefault(account, [])

    def _change_account(self, session_id: str, place: LogPlace, **changes: Any) -> None:
        """Change the rows of all that use the account of a session."""
        row = self.rows.get(session_id)
        if row is None:
            return
        for name in self._members_of(row.account) if row.account else [session_id]:
            member = self.rows[name]
            member.changed_at = place.ts
            for column, value in changes.items():
                setattr(member, column, value)
            self.changed.add(name)

    def _on_session_labelled(self, event: SessionLabelled, place: LogPlace) -> None:
        self.change_row(event, event.session_id, place, label=event.label)

    def _on_session_revived(self, event: SessionRevived, place: LogPlace) -> None:
        self.change_row(
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

    def _on_session_retired(self, event: SessionRetired, place: LogPlace) -> None:
        self.change_row(
            event,
            event.session_id,
            place,
            status=SessionStatus.RETIRED.value,
            reason=event.reason,
            retired_at=place.ts,
            retired_day=place.day,
        )

    def _on_session_cooled(self, event: SessionCooled, place: LogPlace) -> None:
        """A deadline only moves forward, except by an operator."""
        until = as_micros(event.until)
        row = self.rows.get(event.session_id)
        if row is not None and not event.by and (row.cooling_until or 0) >= until:
            self.change_row(event, event.session_id, place)
            return
        self.change_row(event, event.session_id, place, cooling_until=until, reason=event.reason)

    def _on_session_suspected(self, event: SessionSuspected, place: LogPlace) -> None:
        self.change_row(
            event, event.session_id, place, suspected_at=place.ts, reason="login_expired"
        )

    def _on_session_doubted(self, event: SessionDoubted, place: LogPlace) -> None:
        """It goes on as it was, behind all others: an event row tells of it."""
        self.change_row(event, event.session_id, place)

    def _on_session_recovered(self, event: SessionRecovered, place: LogPlace) -> None:
        """Only an operator ends a cool-down early or enables what was disabled."""
        changes: dict[str, Any] = {"suspected_at": None, "reason": ""}
        row = self.rows.get(event.session_id)
        if event.by:
            changes["cooling_until"] = None
            if row is not None and row.status == SessionStatus.DISABLED:
                changes["status"] = SessionStatus.ACTIVE.value
        self.change_row(event, event.session_id, place, **changes)
