"""The operator endpoints that the original has: same paths, same fields, true numbers.

What is left now comes from the pool's fold, servers from the balancer, history from analytics.
"""

from datetime import UTC, date
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from contracts.base import SessionId
from contracts.pool import PoolStatus
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures import shapes
from services.gateway.routes.parameters import parse_day, within_bounds

DAYS_MAX = 366
SessionIdGiven = Annotated[
    str | None, QueryParameter(name="sessionId", description="Opaque id of a session.")
]


class ServerReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One server; `utilization` and `successRate` are between 0 and 1, times in ms.

    `successRate` is null where nothing was tried there in the last minutes.
    """

    id: str
    url: str
    region: str
    healthy: bool
    connections: int
    max_connections: int
    utilization: float
    avg_response_time: float
    success_rate: float | None
    capabilities: list[str]
    priority: int
    state: str
    reason: str
    """The state and why, in words; empty where there is nothing to say."""


class LoadBalancerReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every server as the balancer sees it now."""

    strategy: str
    servers: list[ServerReport]
    timestamp: str


@get("/load-balancer", tags=["original"], summary="Every server now")
async def load_balancer(doors: NamedDependency[Doors]) -> LoadBalancerReport:
    """Tell strategy, health, load and latency of every server."""
    status = await doors.balancer_status()
    return LoadBalancerReport(
        strategy=status.strategy,
        servers=[
            ServerReport(
                id=view.server.server_id,
                url=view.server.url,
                region=view.server.region,
                healthy=view.healthy,
                connections=view.connections,
                max_connections=view.server.max_sessions,
                utilization=round(view.connections / max(view.server.max_sessions, 1), 4),
                avg_response_time=round(view.avg_response_ms, 2),
                success_rate=round(view.success_rate, 4) if view.attempts else None,
                capabilities=[str(name) for name in view.server.capabilities],
                priority=view.server.priority,
                state=view.state,
                reason=view.words,
            )
            for view in status.servers
        ],
        timestamp=_now_text(doors),
    )


@get("/session/usage", tags=["original"], summary="A session's quota now")
async def session_usage(
    doors: NamedDependency[Doors], session_id: SessionIdGiven = None
) -> dict[str, Any]:
    """Tell, from the pool's fold, what a session has used and has left today."""
    if not session_id:
        raise GatewayError("invalid_request", "sessionId: expected a session's id", "sessionId")
    status = await doors.pool_status(PoolStatus(session_id=SessionId(session_id)))
    if not status.sessions:
        raise _unknown_session(session_id)
    return shapes.session_usage(status.sessions[0])


@get("/session/stats", tags=["original"], summary="A session's days, or a day's sessions")
async def session_stats(
    doors: NamedDependency[Doors],
    session_id: SessionIdGiven = None,
    days: FromQuery[int] = 7,
    given_date: Annotated[
        str | None, QueryParameter(name="date", description="Quota day, 2026-01-31.")
    ] = None,
) -> dict[str, Any]:
    """Tell a session's last days (`sessionId`, `days`), or all sessions' one day (`date`)."""
    if session_id and given_date is None:
        return await _one_session(doors, session_id, days)
    if given_date is not None and not session_id:
        return await _one_day(doors, parse_day("date", given_date))
    message = "expected either sessionId (and days) or date"
    raise GatewayError("invalid_request", message, "sessionId")


@get("/stats/daily", tags=["original"], summary="Usage day by day")
async def daily(
    doors: NamedDependency[Doors],
    start: FromQuery[str | None] = None,
    end: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """Tell the days from `start` to `end`, both included; days without usage are left out."""
    first, last = parse_day("start", start), parse_day("end", end)
    if last < first:
        raise GatewayError("invalid_request", f"end: expected {start} or later, got {end}", "end")
    if (last - first).days >= DAYS_MAX:
        message = f"end: expected at most {DAYS_MAX} days from start, got {(last - first).days + 1}"
        raise GatewayError("invalid_request", message, "end")
    days = await doors.named_query("daily", start=first.isoformat(), end=last.isoformat())
    types = doors.settings().services
    data = [
        {
            "date": when,
            "active_sessions": shapes.largest_of(rows, "active_sessions"),
            **{f"{name}s": n for name, n in shapes.by_type(rows, "units", types).items()},
        }
        for when, rows in shapes.by_day(shapes.rows_of(days)).items()
    ]
    return {"data": data, "totalDays": len(data), **shapes.freshness_of(days)}


@get("/stats/summary", tags=["original"], summary="The last seven days")
async def summary(doors: NamedDependency[Doors]) -> dict[str, Any]:
    """Add up the last seven quota days, today included."""
    totals_found = await doors.named_query("summary")
    rows = shapes.rows_of(totals_found)
    return {
        "period": "last_7_days",
        **shapes.sums_of(rows, "total_sessions", doors.settings().services),
        "total_requests": shapes.requests_in(rows),
        **shapes.freshness_of(totals_found),
    }


async def _one_session(doors: Doors, session_id: str, days: int) -> dict[str, Any]:
    """Tell a session's days: units; `totalRequests` are calls, `avgDailyUsage` units a day."""
    within_bounds("days", days, 1, DAYS_MAX)
    answer = await doors.named_query("session_stats", session_id=session_id, days=days)
    rows = shapes.rows_of(answer)
    if not rows and not await _session_exists(doors, session_id):
        raise _unknown_session(session_id)
    types = shapes.in_order({*doors.settings().services, *shapes.by_type(rows, "units", ())})
    requests = shapes.requests_in(rows)
    return {
        "sessionId": session_id,
        "totalRequests": requests,
        "dailyStats": [
            {
                "date": when,
                **{f"{n}_count": c for n, c in shapes.by_type(those, "units", types).items()},
            }
            for when, those in shapes.by_day(row for row in rows if row["units"]).items()
        ],
        "serviceBreakdown": shapes.by_type(rows, "units", types),
        "avgDailyUsage": shapes.average_of(shapes.units_in(rows), days),
        **shapes.freshness_of(answer),
    }


async def _one_day(doors: Doors, when: date) -> dict[str, Any]:
    answer = await doors.named_query("day_stats", date=when.isoformat())
    types = doors.settings().services
    return {
        "date": when.isoformat(),
        **shapes.sums_of(shapes.rows_of(answer), "active_sessions", types),
        **shapes.freshness_of(answer),
    }


async def _session_exists(doors: Doors, session_id: str) -> bool:
    """Look whether the pool has the session, or history once had it."""
    status = await doors.pool_status(PoolStatus(session_id=SessionId(session_id)))
    if status.sessions:
        return True
    (total,) = shapes.rows_of(await doors.named_query("session_total", session_id=session_id))
    return bool(total["requests"])


def _unknown_session(session_id: str) -> GatewayError:
    return GatewayError("not_found", f"there is no session {as_quoted(session_id)}", "sessionId")


def _now_text(doors: Doors) -> str:
    moment = doors.clock().astimezone(UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
