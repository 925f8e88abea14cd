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
    ServerEjected,
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
from contracts.pool import Attempt, LeaseCancelled, Outcome, UsageRecorded, Verdict
from services.balancer.domain import (
    Balancer,
    ConfiguredFleet,
    health_due,
    observe_envelope,
    select_server,
    take_report,
)
from tests.moments import NOON

ONE, TWO = GatewayId("gateway-1"), GatewayId("gateway-2")
SESSION = SessionId("s")
IMAGE = ServiceType("image")
AVATAR = ServiceType("avatar")


def after(seconds: float, since: datetime = NOON) -> datetime:
    return since + timedelta(seconds=seconds)


def server(
    name: str,
    capabilities: tuple[str, ...] = (),
    *,
    url: str = "",
    weight: int = 1,
    priority: int = 1,
    max_sessions: int = 100,
    level: int = 1,
    region: str = "",
    serves: tuple[str, ...] = (),
) -> Server:
    return Server(
        server_id=ServerId(name),
        url=url or f"http://{name}:9000",
        capabilities=[ServiceType(one) for one in capabilities],
        weight=weight,
        priority=priority,
        max_sessions=max_sessions,
        level=level,
        region=region,
        serves=list(serves),
    )


def added(name: str, capabilities: tuple[str, ...] = (), **rest: Any) -> ServerAdded:
    return ServerAdded(server=server(name, capabilities, **rest))


def up(name: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=ServerId(name), health=Health.UP, reason="test")


def down(name: str) -> ServerHealthChanged:
    return ServerHealthChanged(server_id=ServerId(name), health=Health.DOWN, reason="test")


def configured(by: str, servers: Sequence[Server], **rest: Any) -> ConfiguredFleet:
    """What a file says of servers and strategies."""
    return ConfiguredFleet(strategy=by, servers=servers, **rest)


def strategy(name: str) -> StrategyChanged:
    return StrategyChanged(strategy=name, reason="test")


def balancer_of(*events: Event) -> Balancer:
    balancer = Balancer()
    for event in events:
        balancer.take_event(event)
    return balancer


def well(*names: str, by: str = "least_connections") -> Balancer:
    """Servers that are up, able to do everything."""
    return balancer_of(
        *[added(name) for name in names], *[up(name) for name in names], strategy(by)
    )


def wanted(
    lease: str = "",
    service_type: ServiceType = IMAGE,
    *,
    avoid: tuple[str, ...] = (),
    failed: ServerFailed | None = None,
    expires_in_s: float = 900.0,
    **rest: Any,
) -> SelectServer:
    return SelectServer(
        request_id=RequestId("r"),
        lease_id=LeaseId(lease),
        service_type=service_type,
        expires_in_s=expires_in_s,
        avoid=[ServerId(one) for one in avoid],
        failed=failed,
        **rest,
    )


def unreachable(name: str) -> ServerFailed:
    return ServerFailed(server_id=ServerId(name), verdict=Verdict.UNREACHABLE, failure="connect")


def attempt_at(name: str, verdict: Verdict = Verdict.SUCCESS, **rest: float) -> Attempt:
    return Attempt(server_id=ServerId(name), verdict=verdict, **rest)  # type: ignore[arg-type]


def chosen(balancer: Balancer, lease: str = "", **rest: object) -> str:
    """Whom a selection names, after so many `seconds`; fails when it names nobody."""
    at = after(rest.pop("seconds", 0))  # type: ignore[arg-type]
    answer = select_server(balancer, wanted(lease, **rest), ONE, at)  # type: ignore[arg-type]
    assert isinstance(answer, Selected), answer
    return answer.server_id


def no_server(balancer: Balancer, lease: str = "", **rest: object) -> NoServer:
    at = after(rest.pop("seconds", 0))  # type: ignore[arg-type]
    answer = select_server(balancer, wanted(lease, **rest), ONE, at)  # type: ignore[arg-type]
    assert isinstance(answer, NoServer), answer
    return answer


def in_flight(balancer: Balancer) -> dict[str, int]:
    return {name: standing.in_flight for name, standing in balancer.standings.items()}


def pool_envelope(*events: Event, time: datetime = NOON) -> Envelope:
    """An envelope of the pool."""
    return Envelope(
        writer=WriterId("pool"),
        epoch=1,
        number=1,
        time=time,
        previous_hash="",
        events=list(events),  # type: ignore[arg-type]
    )


def cancel_told(lease: str) -> LeaseCancelled:
    return LeaseCancelled(
        lease_id=LeaseId(lease), request_id=RequestId("r"), number=1, reason="test"
    )


def usage_at(
    name: str,
    verdict: Verdict = Verdict.SUCCESS,
    *,
    session: str = "s",
    service_type: ServiceType = IMAGE,
    lease: str = "other.1",
    status: int | None = None,
    first_byte_ms: float = 100.0,
) -> UsageRecorded:
    """The end of a lease that was tried at one server."""
    by_verdict = {Verdict.SUCCESS: 200, Verdict.OUTCOME_UNKNOWN: 500, Verdict.REJECTED: 400}
    told = by_verdict.get(verdict, 0) if status is None else status
    tried = attempt_at(name, verdict, status=told, first_byte_ms=first_byte_ms)
    return UsageRecorded(
        lease_id=LeaseId(lease),
        request_id=RequestId("r"),
        session_id=SessionId(session),
        service_type=service_type,
        outcome=Outcome.UNKNOWN if verdict is Verdict.OUTCOME_UNKNOWN else Outcome.SETTLED,
        verdict=verdict,
        attempts=[tried],
    )


def fail_calls(balancer: Balancer, name: str, times: int = 1, **more: Any) -> None:
    """Let so many calls at a server fail, each of another session, so that units may be lost."""
    for number in range(times):
        at = after(more.get("seconds", 0.0))
        session = more.get("session", f"s{number}")
        rest = {key: more[key] for key in more if key not in {"seconds", "session"}}
        see(
            balancer,
            usage_at(name, **{"verdict": Verdict.OUTCOME_UNKNOWN, **rest}, session=session),
            at=at,
        )


def still_waits(balancer: Balancer, name: str, seconds: float) -> None:
    """Let the gateway say that it has an exchange open there."""
    take_report(balancer, ONE, {ServerId(name): 1}, after(seconds))


def settle_health(balancer: Balancer, seconds: float = 0) -> list[Event]:
    """Journal what is due of the servers' health, and return it."""
    events: list[Event] = [*health_due(balancer, after(seconds))]
    for event in events:
        balancer.take_event(event, after(seconds))
    return events


def eject(balancer: Balancer, *names: str, seconds: float = 0) -> list[ServerEjected]:
    """Let the pool accuse servers; return the ejections that follow."""
    balancer.accused = {ServerId(name): None for name in names}
    events = settle_health(balancer, seconds)
    balancer.accused = {}
    return [event for event in events if isinstance(event, ServerEjected)]


def see(balancer: Balancer, *events: Event, at: datetime = NOON) -> None:
    """Let the balancer read what the pool journals."""
    observe_envelope(balancer, pool_envelope(*events, time=at), at)
