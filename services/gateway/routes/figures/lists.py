"""Figures beside the lists of servers, and of quota by day."""

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures.shapes import FigureRow, rows_of
from services.gateway.routes.parameters import parse_day

_MINUTES_MAX = 1440
_DAYS_MAX = 400
Minutes = Annotated[
    int, QueryParameter(ge=1, le=_MINUTES_MAX, description="How many of the last minutes.")
]
FirstDay = Annotated[
    str, QueryParameter(name="from", description="First quota day; else 30 days before the last.")
]
LastDay = Annotated[
    str, QueryParameter(name="to", description="Last quota day, included; else today.")
]


class ServerMinute(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts at a server that were told within the minute that begins at `at`."""

    at: str
    attempts: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None


class ServerHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A server's minutes with attempts, the oldest first; `share` is of all attempts, 0 to 1."""

    server_id: str
    attempts: int
    share: float
    points: list[ServerMinute]


class ServerHistories(msgspec.Struct, frozen=True, kw_only=True):
    """Every server that was tried in the last `minutes`."""

    data: list[ServerHistory]
    minutes: int
    sequence: int
    lag: int


class DayOfQuota(msgspec.Struct, frozen=True, kw_only=True):
    """Units used of those that there were; `share` is null where there were none."""

    day: str
    service_type: str
    used: int
    limit: int
    sessions: int
    share: float | None


class DaysOfQuota(msgspec.Struct, frozen=True, kw_only=True):
    """Every day and service type, days without any use too."""

    data: list[DayOfQuota]
    sequence: int
    lag: int


@get("/servers/history", tags=["servers"], summary="Attempts at each server by the minute")
async def server_history(doors: NamedDependency[Doors], minutes: Minutes = 60) -> ServerHistories:
    """Tell how many attempts each server had, how they went, and how long they took."""
    answer = await doors.named_query("server_minutes", minutes=minutes)
    by_server: dict[str, list[FigureRow]] = {}
    for row in rows_of(answer):
        by_server.setdefault(row["server_id"], []).append(row)
    total = sum(row["attempts"] for rows in by_server.values() for row in rows)
    return ServerHistories(
        data=[_server_history(name, rows, total) for name, rows in by_server.items()],
        minutes=minutes,
        sequence=answer.sequence,
        lag=answer.lag,
    )


@get("/stats/limits", tags=["analysis"], summary="Units used against limits, by quota day")
async def limits_by_day(
    doors: NamedDependency[Doors], since: FirstDay = "", until: LastDay = ""
) -> DaysOfQuota:
    """Tell of each quota day and service type how much of what there was has been used."""
    first = parse_day("from", since) if since else None
    last = parse_day("to", until) if until else None
    if first and last and not 0 <= (last - first).days <= _DAYS_MAX:
        message = f"from: expected a day at most {_DAYS_MAX} before to ({until}), got {since}"
        raise GatewayError("invalid_request", message, "from")
    if first and not last:
        message = "to: expected the last day beside from"
        raise GatewayError("invalid_request", message, "to")
    answer = await doors.named_query("limits_by_day", since=since, until=until)
    rows = [msgspec.convert(row, DayOfQuota) for row in rows_of(answer)]
    return DaysOfQuota(data=rows, sequence=answer.sequence, lag=answer.lag)


def _server_history(name: str, rows: list[FigureRow], total: int) -> ServerHistory:
    attempts = sum(row["attempts"] for row in rows)
    points = [
        ServerMinute(
            at=row["minute"],
            attempts=row["attempts"],
            failed=row["failed"],
            p50_ms=row["p50_ms"],
            p95_ms=row["p95_ms"],
        )
        for row in rows
    ]
    share = round(attempts / total, 6) if total else 0.0
    return ServerHistory(server_id=name, attempts=attempts, share=share, points=points)
