"""Everything that an operator's first page shows, by one question to each service."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, TypeVar

from litestar import get
from litestar.di import NamedDependency

from contracts.base import ServiceType
from contracts.pool import PoolOverview, PoolStatus, PoolStatusReply
from runtime.process.findings import DoctorFinding
from services.gateway.domain.attention import attention_needed
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures.shapes import FigureRow, in_order, rows_of
from services.gateway.routes.overview.fleet import server_counts
from services.gateway.routes.overview.parts import (
    Attention,
    CallFigures,
    Calls,
    Doubt,
    LastError,
    MinuteOfCalls,
    Overview,
    Sequences,
    ServiceUnits,
    SessionCounts,
    Silent,
    StateCount,
    Waiters,
)

_Answer = TypeVar("_Answer")
_FIRST_STATES = ("active", "cooling", "suspect", "draining", "disabled")


@get("/overview", tags=["analysis"], summary="How everything is, on one page")
async def overview(doors: NamedDependency[Doors]) -> Overview:
    """Ask pool, balancer and analytics once each; the answer is kept for a second."""
    page: Overview = await doors.overviews.ask(lambda: _ask_all(doors))
    return page


async def _ask_all(doors: Doors) -> Overview:
    """Ask the three at once, and put their answers together."""
    pool, balancer, figures = await asyncio.gather(
        _answer_or_reason(doors.pool_status(PoolStatus(overview=True))),
        _answer_or_reason(doors.balancer_status()),
        _answer_or_reason(doors.named_query("overview")),
    )
    silent = [
        Silent(service=service, reason=answer.message)
        for service, answer in (("pool", pool), ("balancer", balancer), ("analytics", figures))
        if isinstance(answer, GatewayError)
    ]
    pooled = None if isinstance(pool, GatewayError) else pool
    balanced = None if isinstance(balancer, GatewayError) else balancer
    rows = None if isinstance(figures, GatewayError) else figures
    row = rows_of(rows)[0] if rows else None
    trouble = figures.message if isinstance(figures, GatewayError) else ""
    now = doors.clock().astimezone(UTC)
    whole = pooled.overview if pooled else None
    return Overview(
        at=now,
        sequences=Sequences(
            pool=pooled.sequence if pooled else None,
            balancer=balanced.sequence if balanced else None,
            analytics=rows.sequence if rows else None,
        ),
        lag=rows.lag if rows else None,
        silent=silent,
        quota_timezone=row["zone"] if row else None,
        quota_day=row["day"] if row else None,
        units=_units(whole, row, now) if whole else None,
        calls=_calls(row) if row else None,
        queue=Waiters(waiting=pooled.waiting, open_leases=pooled.open_leases) if pooled else None,
        sessions=_session_counts(pooled, whole) if pooled and whole else None,
        servers=server_counts(balanced, row) if balanced else None,
        in_doubt=_doubt(whole) if whole else None,
        attention=[_attention(finding) for finding in attention_needed(pooled, balanced, trouble)],
        errors=_errors(row) if row else None,
    )


async def _answer_or_reason(question: Awaitable[_Answer]) -> _Answer | GatewayError:
    try:
        return await question
    except GatewayError as error:
        return error


def _units(whole: PoolOverview, row: FigureRow | None, now: datetime) -> list[ServiceUnits]:
    """Put what was used beside what is left; types in the order in which they are always told."""
    used = {of_type["service_type"]: of_type["units"] for of_type in (row or {}).get("used") or []}
    by_type = {units.service_type: units for units in whole.units}
    resets_at = whole.resets[0].resets_at
    listed = []
    for name in in_order(by_type):
        units = by_type[ServiceType(name)]
        spent = None if row is None else used.get(name, 0)
        limit = units.limit
        if limit is None and spent is not None:  # of a pool of an earlier version
            limit = spent + units.remaining + units.reserved
        listed.append(
            ServiceUnits(
                service_type=name,
                remaining=units.remaining,
                reserved=units.reserved,
                used=spent,
                limit=limit,
                resets_at=resets_at,
                resets_in_s=round(max(0.0, (resets_at - now).total_seconds()), 3),
            )
        )
    return listed


def _calls(row: FigureRow) -> Calls:
    return Calls(
        minute=_figures(row["minute"]),
        hour=_figures(row["hour"]),
        by_minute=[
            MinuteOfCalls(at=minute["ts"], **{name: minute[name] for name in _MINUTE_FIELDS})
            for minute in row["by_minute"] or []
        ],
    )


def _figures(span: dict[str, Any]) -> CallFigures:
    return CallFigures(
        **{name: span[name] for name in CallFigures.__struct_fields__ if name != "per_s"},
        per_s=round(span["per_s"] or 0.0, 4),
    )


def _session_counts(reply: PoolStatusReply, whole: PoolOverview) -> SessionCounts:
    return SessionCounts(
        total=reply.sessions_total,
        min_size=reply.min_size,
        max_size=reply.max_size,
        states=[
            StateCount(state=state, count=whole.states.get(state, 0)) for state in _FIRST_STATES
        ],
    )


def _doubt(whole: PoolOverview) -> Doubt:
    return Doubt(
        leases=whole.in_doubt_leases, units=whole.in_doubt_units, since=whole.in_doubt_since
    )


def _attention(finding: DoctorFinding) -> Attention:
    assert finding.code, "what is well needs no attention"
    return Attention(
        code=finding.code, state=finding.state, message=finding.message, cure=finding.cure
    )


def _errors(row: FigureRow) -> list[LastError]:
    return [
        LastError(at=error["ts"], **{name: error[name] for name in _ERROR_FIELDS})
        for error in row["errors"] or []
    ]


_MINUTE_FIELDS = [name for name in MinuteOfCalls.__struct_fields__ if name != "at"]
_ERROR_FIELDS = [name for name in LastError.__struct_fields__ if name != "at"]
