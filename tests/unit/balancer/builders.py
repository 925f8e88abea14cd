"""Builders of the balancer's tests."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from contracts.balancer import (
    Health,
    NoServer,
    Selected,
    SelectServer,
    Server,
    ServerAdded,
    ServerFailed,
    ServerHealthChanged,
    StrategyChanged,
)
from contracts.base import (
    Event,
    GatewayId,
    LeaseId,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
    WriterId,
)
from contracts.envelope import Envelope
from contracts.pool import Attempt, LeaseCancelled, Verdict
from services.balancer.domain import Balancer, ConfiguredFleet, observe_envelope, select_server
from tests.moments import NOON

ONE, TWO = GatewayId("gateway-1"), GatewayId("gateway-2")
SESSION = SessionId("s")
IMAGE = ServiceType("image")
AVATAR = ServiceType("avatar")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def server(
    name: str,
    capabilities: tuple[str, ...] = (),
    *,
    url: str = "",
    weight: int = 1,
    priority: int = 1,
    max_sessions: int = 100,
) -> Server:
    return Server(
        server_id=ServerId(name),
        url=url or f"http://{name}:9000",
        capabilities=[ServiceType(one) for one in capabilities],
        weight=weight,
        priority=priority,
        max_sessions=max_sessions,
    )


def added(name: str, capabilities: tuple[str, ...] = (), **rest: int) -> ServerAdded:
    return ServerAdded(server=server(name, capabilities, **rest))  # type: ignore[arg-type]


def up(name: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=ServerId(name), health=Health.UP, reason="test")


def down(name: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=ServerId(name), health=Health.DOWN, reason="test")


def configured(by: str, servers: Sequence[Server], **rest: Any) -> ConfiguredFleet:
    """What a file says of servers and strategies."""
    return ConfiguredFleet(strategy=by, servers=servers, **rest)


def strategy(name: str) -> StrategyChanged:
    return StrategyChanged(strategy=name, reason="test")


def folded(*events: Event) -> Balancer:
    balancer = Balancer()
    for event in events:
        balancer.take_event(event)
    return balancer


def well(*names: str, by: str = "least_connections") -> Balancer:
    """Servers that are up, able to do everything."""
    return folded(*[added(name) for name in names], *[up(name) for name in names], strategy(by))


def wanted(
    lease: str = "",
    service_type: ServiceType = IMAGE,
    *,
    avoid: tuple[str, ...] = (),
    failed: ServerFailed | None = None,
    expires_in_s: float = 900.0,
) -> SelectServer:
    return SelectServer(
        request_id=RequestId("r"),
        lease_id=LeaseId(lease),
        service_type=service_type,
        expires_in_s=expires_in_s,
        avoid=[ServerId(one) for one in avoid],
        failed=failed,
    )


def unreachable(name: str) -> ServerFailed:
    return ServerFailed(server_id=ServerId(name), verdict=Verdict.UNREACHABLE, failure="connect")


def attempt(name: str, verdict: Verdict = Verdict.SUCCESS, **rest: float) -> Attempt:
    return Attempt(server_id=ServerId(name), verdict=verdict, **rest)  # type: ignore[arg-type]


def chosen(balancer: Balancer, lease: str = "", **rest: object) -> str:
    """Whom a selection names; fails when it names nobody."""
    answer = select_server(balancer, wanted(lease, **rest), ONE, NOON)  # type: ignore[arg-type]
    assert isinstance(answer, Selected), answer
    return answer.server_id


def nobody(balancer: Balancer, lease: str = "", **rest: object) -> NoServer:
    answer = select_server(balancer, wanted(lease, **rest), ONE, NOON)  # type: ignore[arg-type]
    assert isinstance(answer, NoServer), answer
    return answer


def in_flight(balancer: Balancer) -> dict[str, int]:
    return {name: standing.in_flight for name, standing in balancer.standings.items()}


def journalled(*events: Event, time: datetime = NOON) -> Envelope:
    """An envelope of the pool."""
    return Envelope(
        writer=WriterId("pool"),
        epoch=1,
        number=1,
        time=time,
        previous_hash="",
        events=list(events),  # type: ignore[arg-type]
    )


def cancelled(lease: str) -> LeaseCancelled:
    return LeaseCancelled(
        lease_id=LeaseId(lease), request_id=RequestId("r"), number=1, reason="test"
    )


def see(balancer: Balancer, *events: Event) -> None:
    assert observe_envelope(balancer, journalled(*events), NOON) == []
