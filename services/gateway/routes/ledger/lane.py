"""A request's life on a time axis: what waited, was held and was tried, from when to when. Pure.

Everything is counted from the moment at which the request first asked for a lease, by the clock of
its gateway as far as that said so; the log's own moments are those of the pool's leader.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

Row = dict[str, Any]
_OPEN = "open"


class LifeSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One bar; ms from the lane's beginning, null where it did not come to it or goes on.

    `kind` wait: for a lease (verdict granted, refused, gone; empty while it waits); lease: a
    session held; attempt: a try at a server.
    """

    kind: Literal["wait", "lease", "attempt"]
    number: int
    """Of the lease within its request, from 1."""
    from_ms: float
    to_ms: float | None
    verdict: str
    words: str
    attempt: int = 0
    """Of an attempt within its lease, from 1."""
    connected_ms: float | None = None
    first_byte_ms: float | None = None
    server_id: str = ""
    region: str = ""
    session_id: str = ""
    session_label: str = ""
    units: int = 0
    status: int = 0
    sent: bool = False
    code: str = ""


class LifeLane(msgspec.Struct, frozen=True, kw_only=True):
    """The bars in the order in which they began, and what the request came to."""

    began_at: str
    length_ms: float
    ended: bool
    outcome: str
    status: int
    code: str
    spans: list[LifeSpan]


def lane_of(
    asked: list[Row], leases: list[Row], attempts: list[Row], refusals: list[Row]
) -> LifeLane | None:
    """Lay out what the log has of one request; None where nobody said when it asked."""
    began_at = min(
        (row["asked_at"] for row in [*asked, *leases, *refusals] if row["asked_at"]), default=None
    )
    if began_at is None:
        return None
    spans: list[LifeSpan] = []
    for number in sorted({row["number"] for row in [*asked, *leases, *refusals]}):
        refused = _numbered(refusals, number)
        lease = _numbered(leases, number)
        row: Row = lease or refused or _numbered(asked, number) or {}
        if row.get("asked_at"):
            spans.append(_wait(row, lease, refused, began_at))
        if lease is not None:
            tried = [row for row in attempts if row["lease_id"] == lease["lease_id"]]
            spans += _lease_spans(lease, tried, began_at, spans)
    last = _last_word(leases, refusals)
    return LifeLane(
        began_at=began_at,
        length_ms=max((span.to_ms or span.from_ms for span in spans), default=0.0),
        ended=last is not None,
        outcome=str(last.get("outcome", "refused")) if last else _OPEN,
        status=int(last.get("status") or 0) if last else 0,
        code=str(last.get("error_code") or last.get("reason") or "") if last else "",
        spans=sorted(spans, key=lambda span: (span.from_ms, span.number, span.attempt)),
    )


def _wait(row: Row, lease: Row | None, refused: Row | None, began_at: str) -> LifeSpan:
    """Lay out the wait for a lease, to its grant or to whatever it came to instead."""
    from_ms = _ms_between(began_at, row["asked_at"])
    to_ms, verdict, words, code = None, "", "waits for a lease", ""
    if lease is not None and lease["granted_at"]:
        waited_ms = lease["lease_ms"] or _ms_between(row["asked_at"], lease["granted_at"])
        to_ms, verdict, words = from_ms + waited_ms, "granted", "waited for a lease"
    elif refused is not None:
        to_ms = _ms_between(began_at, refused["ts"])
        code = str(refused["reason"])
        verdict, words = "refused", f"refused: {code}"
    elif lease is not None:
        to_ms = _ms_between(began_at, lease["ended_at"])
        verdict, words = "gone", "given up before a lease was granted"
    return LifeSpan(
        kind="wait",
        number=row["number"],
        from_ms=from_ms,
        to_ms=None if to_ms is None else _rounded(max(from_ms, to_ms)),
        verdict=verdict,
        words=words,
        code=code,
    )


def _lease_spans(
    lease: Row, tried: list[Row], began_at: str, before: Iterable[LifeSpan]
) -> list[LifeSpan]:
    """Lay out a lease and its attempts; those of earlier versions, which say no start, in a row."""
    if not lease["granted_at"]:
        return []
    waits = [span.to_ms for span in before if span.number == lease["number"] and span.to_ms]
    from_ms = waits[-1] if waits else _ms_between(began_at, lease["granted_at"])
    free_ms = from_ms
    spans = []
    for attempt in sorted(tried, key=lambda row: int(row["attempt"])):
        started_ms = attempt["started_ms"] or free_ms
        free_ms = started_ms + attempt["total_ms"]
        spans.append(_attempt(lease, attempt, started_ms, free_ms))
    to_ms = None
    if lease["outcome"] != _OPEN:
        # The gateway's own measure of the whole goes beyond its last try: the answer was passed on.
        seen_ms = max(free_ms, lease.get("total_ms") or 0.0)
        to_ms = seen_ms if tried else max(from_ms, _ms_between(began_at, lease["ended_at"]))
    label = str(lease.get("session_label") or "")
    units = f"{lease['units_reserved']} of {lease['service_type']}"
    whole = LifeSpan(
        kind="lease",
        number=lease["number"],
        from_ms=_rounded(from_ms),
        to_ms=None if to_ms is None else _rounded(to_ms),
        verdict=lease["outcome"],
        words=f"{units} of {label or lease['session_id']}",
        session_id=lease["session_id"],
        session_label=label,
        units=lease["units_reserved"],
        code=lease["error_code"] or "",
    )
    return [whole, *spans]


def _attempt(lease: Row, attempt: Row, started_ms: float, ended_ms: float) -> LifeSpan:
    """Lay out a try at a server; its times count from its own beginning in the log."""
    status = f" {attempt['status']}" if attempt["status"] else ""
    failure = f" ({attempt['failure']})" if attempt["failure"] else ""
    return LifeSpan(
        kind="attempt",
        number=lease["number"],
        attempt=attempt["attempt"],
        from_ms=_rounded(started_ms),
        to_ms=_rounded(ended_ms),
        connected_ms=_rounded(started_ms + attempt["connect_ms"])
        if attempt["connect_ms"]
        else None,
        first_byte_ms=_rounded(started_ms + attempt["first_byte_ms"])
        if attempt["first_byte_ms"]
        else None,
        verdict=attempt["verdict"],
        words=f"{attempt['verdict']}{status}{failure} from {attempt['server_id']}",
        server_id=attempt["server_id"],
        region=attempt["region"] or "",
        status=attempt["status"] or 0,
        sent=bool(attempt["sent"]),
        code=attempt["meaning"] or "",
    )


def _last_word(leases: list[Row], refusals: list[Row]) -> Row | None:
    """Find what the request came to: the end of its last lease, or its refusal; None: nothing."""
    ends = [row for row in [*leases, *refusals] if row.get("outcome") != _OPEN]
    last = max(ends, key=lambda row: int(row["number"]), default=None)
    under_way = any(row["outcome"] == _OPEN for row in leases)
    return None if under_way else last


def _numbered(rows: list[Row], number: int) -> Row | None:
    return next((row for row in rows if row["number"] == number), None)


def _ms_between(since: str, until: str | None) -> float:
    """Count the ms from one moment to another; what lies before counts as nothing."""
    if not until:
        return 0.0
    span = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return _rounded(max(0.0, span.total_seconds() * 1000))


def _rounded(ms: float) -> float:
    return round(ms, 3)
