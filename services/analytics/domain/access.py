"""Client keys without their hashes, and the policy in force."""

from typing import Any

import msgspec

from contracts.gateway import (
    AuditRecorded,
    BackupRecorded,
    KeyBounds,
    KeyChanged,
    KeyIssued,
    KeyRevoked,
    MetricsKeyIssued,
    SignedOut,
    SignInLinkUsed,
    ViewerKeyIssued,
)
from contracts.pool import PolicyChanged
from services.analytics.domain.moments import LogPlace, Routes
from services.analytics.domain.rows import ConfigRow, KeyRow
from services.analytics.domain.states import EntityJournal, States, as_json

_HOUR_MAX = 23
_DESCRIPTIONS = {
    "min_size": "sessions the pool keeps at least",
    "max_size": "sessions the pool keeps at most",
    "session_concurrency": "leases one session may hold at once; 0 is no bound",
    "lease_ttl_s": "seconds until a lease without a word expires",
    "reset_guard_s": "seconds before a reset in which nothing is granted",
    "reconcile_after_s": "seconds past its deadline until a doubtful lease may be reconciled",
    "quota_timezone": "time zone in which quota days begin",
    "quota_reset_hour": "hour of the clock there at which they begin",
}


class KeyStates(States[KeyRow]):
    """The keys, their events applied; revoked ones keep their row."""

    def __init__(self, journal: EntityJournal) -> None:
        """Know no key."""
        super().__init__(journal)
        self.routes: Routes = {
            KeyIssued: self._on_key_issued,
            MetricsKeyIssued: self._on_key_issued,
            ViewerKeyIssued: self._on_key_issued,
            SignInLinkUsed: self._on_sign_in_event,
            SignedOut: self._on_sign_in_event,
            AuditRecorded: self._on_operation,
            BackupRecorded: self._on_operation,
            KeyChanged: self._on_key_changed,
            KeyRevoked: self._on_key_revoked,
        }

    def _on_key_issued(
        self, event: KeyIssued | MetricsKeyIssued | ViewerKeyIssued, place: LogPlace
    ) -> None:
        """Open a key's row, with bounds where its event has any."""
        # Events of their own say neither: such keys only read, and there is nothing to bound.
        bounds = KeyBounds()
        if isinstance(event, KeyIssued):
            scope, bounds = event.scope.value, event.bounds
        else:
            scope = "metrics" if isinstance(event, MetricsKeyIssued) else "viewer"
        row = KeyRow(
            key_id=event.key_id,
            name=event.name,
            scope=scope,
            **_bounds_columns(bounds),
            issued_at=place.ts,
            issued_by=event.by,
            changed_at=place.ts,
        )
        self.put_row(event, event.key_id, row, place)

    def _on_key_changed(self, event: KeyChanged, place: LogPlace) -> None:
        changes: dict[str, Any] = {} if event.bounds is None else _bounds_columns(event.bounds)
        if event.name is not None:
            changes["name"] = event.name
        self.change_row(event, event.key_id, place, **changes)

    def _on_sign_in_event(self, event: SignInLinkUsed | SignedOut, place: LogPlace) -> None:
        """Journal it; it changes nothing of the key for which it stands."""
        self._journal.record_event(event, event.key_id, place)

    def _on_operation(self, event: AuditRecorded | BackupRecorded, place: LogPlace) -> None:
        """Journal it; it is about no key."""
        self._journal.record_event(event, "", place)

    def _on_key_revoked(self, event: KeyRevoked, place: LogPlace) -> None:
        self.change_row(event, event.key_id, place, revoked_at=place.ts, reason=event.reason)


class Config:
    """The limits that the pool journalled last, one row each."""

    def __init__(self, journal: EntityJournal) -> None:
        """Know no policy."""
        self.rows: dict[str, ConfigRow] = {}
        self.changed: set[str] = set()
        self._journal = journal

    @property
    def quota_timezone(self) -> str:
        """Where quota days begin, by name."""
        row = self.rows.get("quota_timezone")
        return row.value if row else "UTC"

    @property
    def quota_reset_hour(self) -> int:
        """At which hour of the clock there they begin."""
        row = self.rows.get("quota_reset_hour")
        hour = int(row.value) if row else 0
        # A log may hold any number; the pool, too, reads what is no hour as midnight.
        return hour if 0 <= hour <= _HOUR_MAX else 0

    def begin_batch(self) -> None:
        """Begin a batch: nothing has changed in it yet."""
        self.changed = set()

    def replace_policy(self, event: PolicyChanged, place: LogPlace) -> None:
        """Put the new policy in the place of the old one."""
        values = msgspec.structs.asdict(event.policy)
        limits, tiers = values.pop("daily_limits"), values.pop("tiers")
        # The names of before as well: a limit that is gone has a row to be deleted.
        before = self.rows.keys()
        self.rows = {
            name: ConfigRow(key=name, value=str(value), description=_DESCRIPTIONS.get(name, ""))
            for name, value in values.items()
        }
        for service_type, limit in limits.items():
            name = f"daily_limit.{service_type}"
            meaning = "units per session and quota day"
            self.rows[name] = ConfigRow(key=name, value=str(limit), description=meaning)
        for tier, own in tiers.items():
            for service_type, limit in own.items():
                name = f"tier.{tier}.{service_type}"
                meaning = "units per quota day of an account of this tier"
                self.rows[name] = ConfigRow(key=name, value=str(limit), description=meaning)
        self.changed |= self.rows.keys() | before
        self._journal.record_event(event, "", place)


def _bounds_columns(bounds: KeyBounds) -> dict[str, Any]:
    return {
        "requests_per_minute": bounds.requests_per_minute,
        "concurrency": bounds.concurrency,
        "models": as_json(bounds.models),
        "weight": bounds.weight,
    }
