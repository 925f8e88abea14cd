"""Events into state. Total: any history folds; what should never be is noted and skipped."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from contracts.base import LeaderElected, lease_id
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent
from contracts.pool import (
    CallsRefused,
    LeaseCancelled,
    LeaseGranted,
    LeaseQueued,
    LeaseRefused,
    PoolCheckpointed,
    Refused,
    WaitsEnded,
)
from services.pool.domain.evolve.ends import END_EVENTS
from services.pool.domain.evolve.keeping import KEEPING_EVENTS, note_asked
from services.pool.domain.evolve.leases import LEASE_EVENTS
from services.pool.domain.evolve.rotation import ROTATION_EVENTS
from services.pool.domain.evolve.sessions import SESSION_EVENTS
from services.pool.domain.state import Pool


def fold_envelope(state: Pool, sequence: int, envelope: Envelope) -> None:
    """Take one envelope of the log into the state; it cannot be taken back."""
    at = envelope.time
    state.begin()
    for event in envelope.events:
        evolve(state, event, at, sequence)
    state.sequence = sequence
    if state.line:
        _follow_in_line(state, envelope.events)
    state.commit()


def _follow_in_line(state: Pool, events: Iterable[AnyEvent | UnknownEvent]) -> None:
    """Let nobody wait any more of whom the log has told otherwise.

    A leader reads what it decided itself where an append was given up and stored all the same: its
    decisions had been taken back by then, and who was granted a lease by them stood in line again.
    """
    line = state.line
    for event in events:
        if isinstance(event, LeaseGranted | LeaseCancelled):
            line.drop_wait(event.lease_id)
        elif isinstance(event, LeaseRefused):
            line.drop_wait(lease_id(event.request_id, event.number))
        elif isinstance(event, WaitsEnded):
            for item in event.items:
                line.drop_wait(item.lease_id)
        elif isinstance(event, LeaseQueued):
            line.note_journalled(event.lease_id)


def evolve(state: Pool, event: AnyEvent | UnknownEvent, at: datetime, sequence: int) -> None:
    """Take one event into the state; `at` is its envelope's time."""
    state.at, state.event_sequence = at, sequence
    # Before the event, not after: whoever decided for it no longer saw what was due to leave.
    departures = state.departures
    if (departures and departures[0].due_at <= at) or state.ended.due_at <= at:
        state.drop_due(at)
    take = _TAKE.get(type(event), _on_unknown_event)
    if take is not None:
        take(state, event)


def _on_unknown_event(state: Pool, event: object) -> None:
    tag = event.tag if isinstance(event, UnknownEvent) else type(event).__name__
    state.put_entry(state.unknown, tag, state.unknown.get(tag, 0) + 1)


def _on_lease_refused(state: Pool, event: LeaseRefused) -> None:
    """Know a refusal again under the next leader, too; it changes nothing in the ledger."""
    note_asked(state, event.service_type)
    name = lease_id(event.request_id, event.number)
    # A counted one stands for requests that it does not name. What this process has told itself it
    # remembers with its message, which the log does not keep.
    if event.since is None and event.count == 1 and name not in state.refusals.refused:
        state.remember_refused(
            name, Refused(reason=event.reason, retry_after_s=event.retry_after_s)
        )


def _on_leader_elected(state: Pool, event: LeaderElected) -> None:
    state.set_field(state, "epoch", event.epoch)
    state.set_field(state, "leader", event.writer)


_TAKE: dict[type, Callable[[Pool, Any], None] | None] = {
    **SESSION_EVENTS,
    **LEASE_EVENTS,
    **END_EVENTS,
    **ROTATION_EVENTS,
    **KEEPING_EVENTS,
    # What gateways refused, what the state hashed to: none of it changes anything.
    LeaseRefused: _on_lease_refused,
    CallsRefused: None,
    PoolCheckpointed: None,
    LeaderElected: _on_leader_elected,
}
