"""What an event writes into the rows of its lease and of its attempts."""

import msgspec

from contracts.pool import (
    Attempt,
    LeaseCancelled,
    LeaseExpired,
    LeaseReconciled,
    Outcome,
    SessionRequested,
    UsageRecorded,
)
from services.analytics.domain.moments import LogPlace, as_micros
from services.analytics.domain.rows import AttemptRow, CalledRow, LeaseRow

_CODE_LIMIT = 10**18
_json = msgspec.json.Encoder()


def set_request(row: CalledRow, asked: SessionRequested) -> None:
    """Keep when a call was asked for, and what its gateway says of it."""
    # One that waits asks again and again: it was asked for when that began.
    row.asked_at = as_micros(asked.waiting_since or asked.asked_at)
    _set_call(row, asked)


def _set_call(row: CalledRow, said: SessionRequested | UsageRecorded) -> None:
    """Keep what a gateway says of the client's call."""
    row.gateway_id = said.gateway_id
    row.key_id = said.key_id
    row.path = said.path
    row.model = said.model
    row.client_request_id = said.client_request_id
    row.client_address = said.client_address
    row.user_agent = said.user_agent


def set_cancelled(row: LeaseRow, event: LeaseCancelled) -> None:
    """A lease was given back: nothing is charged."""
    row.outcome, row.reason = Outcome.CANCELLED, event.reason
    row.status = event.status
    row.error_code = event.error_code
    row.error_message = event.error_message


def set_expired(row: LeaseRow, _: LeaseExpired) -> None:
    """Nobody ended it in time: all of its units count."""
    row.outcome, row.units_expired = Outcome.EXPIRED, row.units_reserved


def set_reconciled(row: LeaseRow, event: LeaseReconciled) -> None:
    """Someone found out what was charged, which is no more than was reserved."""
    row.units_unknown = row.units_expired = 0
    row.units_settled = min(event.units, row.units_reserved)
    row.correction_reason = f"{event.reason} ({event.by})"


def set_usage(row: LeaseRow, event: UsageRecorded) -> None:
    """Write a usage into its lease: at most the reserved units, all of them when unknown."""
    # A grant whose envelope had no request: the end says whose call it was.
    if not row.gateway_id:
        _set_call(row, event)
    # A word of a later version is not understood: as good as unknown, and all units count.
    outcome = event.outcome
    if outcome not in (Outcome.SETTLED, Outcome.RELEASED):
        outcome = Outcome.UNKNOWN
    row.outcome = outcome
    row.units_expired = 0
    row.units_settled = min(event.units, row.units_reserved) if outcome is Outcome.SETTLED else 0
    row.units_unknown = row.units_reserved if outcome is Outcome.UNKNOWN else 0
    row.units_over = event.units_over
    row.verdict = event.verdict
    row.status = event.status
    row.error_code = event.error_code
    row.error_message = event.error_message
    row.cut = event.cut
    row.attempts = len(event.attempts)
    row.lease_ms = event.lease_ms
    row.total_ms = event.total_ms
    row.bytes_in = event.bytes_in
    row.bytes_out = event.bytes_out
    # The lease is told by its last attempt; the others have rows of their own.
    if event.attempts:
        last = event.attempts[-1]
        row.server_id = last.server_id
        row.region = last.region
        row.strategy = last.strategy
        row.upstream_code = _storable_code(last.upstream_code)
        row.first_byte_ms = last.first_byte_ms


def attempt_row(
    event: UsageRecorded, number: int, attempt: Attempt, quota_day: str, place: LogPlace
) -> AttemptRow:
    """Write one attempt of a usage as its row."""
    return AttemptRow(
        sequence=place.sequence,
        position=place.position,
        attempt=number,
        ts=place.ts,
        quota_day=quota_day,
        lease_id=event.lease_id,
        session_id=event.session_id,
        service_type=event.service_type,
        server_id=attempt.server_id,
        region=attempt.region,
        strategy=attempt.strategy,
        candidates=_json.encode(attempt.candidates).decode() if attempt.candidates else "[]",
        verdict=attempt.verdict,
        status=attempt.status,
        upstream_code=_storable_code(attempt.upstream_code),
        failure=attempt.failure,
        sent=attempt.sent,
        connect_ms=attempt.connect_ms,
        first_byte_ms=attempt.first_byte_ms,
        total_ms=attempt.total_ms,
        inner_code=_storable_code(attempt.inner_code),
        meaning=attempt.meaning,
        translated=attempt.translated,
        why=attempt.why,
        started_ms=attempt.started_ms,
    )


def _storable_code(said: int | None) -> int | None:
    """Keep a code that a column holds: older logs hold whatever a backend called one."""
    return said if said is not None and abs(said) < _CODE_LIMIT else None
