"""Whether it lives, is ready, is well; and its metrics."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.di import NamedDependency

from contracts import subjects
from contracts.balancer import BalancerStatusReply, ServerView
from contracts.base import Failed, Ping, Pong, ServiceType
from contracts.pool import PoolStatus, PoolStatusReply
from runtime.eventlog import LogUnavailableError
from runtime.nats.connection import UnansweredError, ask_command
from runtime.process import health
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.guard import watchers

_pong_decoder = msgspec.json.Decoder(Pong | Failed)
_PING_TIMEOUT_S = 1.0


class Services(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which services answer.

    `event_log`: whether the pool's leader can write the log; while the pool is silent, whether the
    log answers.
    """

    session_manager: bool
    load_balancer: bool
    analytics: bool
    event_log: bool


class SessionFigures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Sessions that may be leased, and how many there must be; null when the pool is silent."""

    active: int | None
    min_required: int | None
    sequence: int | None
    """Of the log, which they are true at."""


class ServerFigures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Servers, those that may be chosen, exchanges under way; null when the balancer is silent."""

    total: int | None
    healthy: int | None
    total_connections: int | None
    sequence: int | None
    """Of the log, which they are true at."""
    ejected_for: dict[ServiceType, int] = {}
    """How many of those that are healthy are ejected for one service type alone, by that."""


class StatisticsFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How far analytics is; `reason` says why it is not `current`.

    Calls go on without it, but the whole is `degraded`.
    """

    current: bool
    sequence: int
    reason: str


class HealthReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`status` is `ok`, or `degraded`: pool, log, balancer, sessions or servers are not well.

    So it is while a server is ejected for one service type alone, the configuration is held,
    analytics is silent or its statistics stand still.
    """

    status: str
    timestamp: str
    services: Services
    sessions: SessionFigures
    servers: ServerFigures
    configuration_held: bool = False
    """It would take away servers, and waits for an operator (`tidegate config accept`)."""
    statistics: StatisticsFigures


@get("/ping", media_type=MediaType.TEXT, tags=["health"], summary="Answer")
async def ping() -> str:
    """Answer `pong`."""
    return "pong"


@get("/livez", tags=["health"], summary="Is the process alive?")
async def livez(doors: NamedDependency[Doors]) -> Response[bytes]:
    """Answer 200 as long as the process answers anything."""
    return _own_health("/livez", doors)


@get("/readyz", tags=["health"], summary="May it be sent requests?")
async def readyz(doors: NamedDependency[Doors]) -> Response[bytes]:
    """Answer 503 with the reason while it is not ready."""
    return _own_health("/readyz", doors)


@get("/metrics", tags=["health"], summary="Prometheus metrics", guards=[watchers])
async def metrics(doors: NamedDependency[Doors]) -> Response[bytes]:
    """Answer this process's metrics, to operators' and metrics keys and to `metrics_allow`."""
    return _own_health("/metrics", doors)


def _own_health(path: str, doors: Doors) -> Response[bytes]:
    answer = health.health_answer(path, doors.readiness, doors.registry)
    assert answer is not None
    kind = answer.content_type.removesuffix("; charset=utf-8")
    return Response(answer.body, status_code=answer.status, media_type=kind)


@get("/health", tags=["health"], summary="Is the whole well?")
async def whole(doors: NamedDependency[Doors]) -> HealthReport:
    """Ask pool, balancer and analytics now; always 200, `degraded` when something is wrong."""
    pool, balancer, analytics, log_answers = await asyncio.gather(
        _answer_or_none(doors.pool_status(PoolStatus())),
        _answer_or_none(doors.balancer_status()),
        _ping_analytics(doors),
        _log_answers(doors),
    )
    return health_report(doors, pool, balancer, analytics, log_answers=log_answers)


def health_report(
    doors: Doors,
    pool: PoolStatusReply | None,
    balancer: BalancerStatusReply | None,
    analytics: Pong | None,
    *,
    log_answers: bool = True,
) -> HealthReport:
    """Judge what the services said; None is no answer."""
    servers = balancer.servers if balancer else []
    healthy = sum(view.healthy for view in servers)
    ejected_for = _ejected_for(servers)
    is_held = balancer is not None and balancer.held is not None
    well = (
        pool is not None
        and not pool.unwritable_s
        and pool.sessions_active >= max(pool.min_size, 1)
        and 0 < healthy == len(servers)
        and not ejected_for
        and not is_held
        and analytics is not None
        and not analytics.trouble
        and log_answers
    )
    moment = doors.clock().astimezone(UTC).isoformat(timespec="milliseconds")
    return HealthReport(
        status="ok" if well else "degraded",
        timestamp=moment.replace("+00:00", "Z"),
        services=Services(
            session_manager=pool is not None,
            load_balancer=balancer is not None,
            analytics=analytics is not None,
            event_log=log_answers and not (pool and pool.unwritable_s),
        ),
        sessions=SessionFigures(
            active=pool.sessions_active if pool else None,
            min_required=pool.min_size if pool else None,
            sequence=pool.sequence if pool else None,
        ),
        servers=ServerFigures(
            total=len(servers) if balancer else None,
            healthy=healthy if balancer else None,
            total_connections=sum(view.connections for view in servers) if balancer else None,
            sequence=balancer.sequence if balancer else None,
            ejected_for=ejected_for,
        ),
        statistics=StatisticsFigures(
            current=analytics is not None and not analytics.trouble,
            sequence=analytics.sequence if analytics else 0,
            reason=analytics.trouble if analytics else "analytics does not answer",
        ),
        configuration_held=is_held,
    )


def _ejected_for(servers: Iterable[ServerView]) -> dict[ServiceType, int]:
    """Count the healthy servers that are ejected for one service type alone."""
    counts = Counter(
        of_type.service_type
        for view in servers
        if view.healthy
        for of_type in view.service_types
        if of_type.state == "ejected"
    )
    return dict(sorted(counts.items()))


async def _log_answers(doors: Doors) -> bool:
    try:
        await doors.log.stream_state()
    except LogUnavailableError:
        return False
    return True


async def _answer_or_none(question: Any) -> Any:
    try:
        return await question
    except GatewayError:
        return None


async def _ping_analytics(doors: Doors) -> Pong | None:
    try:
        answer = await ask_command(
            doors.client, subjects.ANALYTICS_PING, Ping(), _pong_decoder, _PING_TIMEOUT_S
        )
    except UnansweredError:
        return None
    return answer if isinstance(answer, Pong) else None
