"""Calls as gateways make them of the real pool: leases taken, used, and projected."""

from datetime import UTC, datetime

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import GatewayId, KeyId, RequestId, ServerId, ServiceType
from contracts.pool import (
    Attempt,
    EndAnswers,
    EndLeases,
    Granted,
    LeaseAnswers,
    LeaseSessions,
    LeaseWanted,
    Outcome,
    SessionRequested,
    UsageRecorded,
    Verdict,
    Waiting,
)
from services.gateway.clients.request import new_request_id
from tests.integration.gateway.doors import Desk
from tests.waiting import eventually

TYPES = ["image", "video", "avatar", "music"]


async def leased(client: Client, service_type: str) -> Granted:
    ((_, granted),) = await _ask_leases(client, service_type, 1)
    assert isinstance(granted, Granted)
    return granted


async def queue_leases(client: Client, service_type: str, count: int) -> list[str]:
    """Ask for so many leases of one key, ready to wait; the ids of those that do, in order."""
    asked = await _ask_leases(client, service_type, count, wait_ms=60_000)
    return [f"{one.request_id}.1" for one, answer in asked if isinstance(answer, Waiting)]


async def _ask_leases(
    client: Client, service_type: str, count: int, wait_ms: int = 0
) -> list[tuple[SessionRequested, object]]:
    """Ask for leases as one gateway does for one key; each with what it was answered."""
    wanted = [
        SessionRequested(
            request_id=new_request_id(),
            number=1,
            service_type=ServiceType(service_type),
            asked_at=datetime.now(UTC),
            gateway_id=GatewayId("gw"),
            key_id=KeyId("key"),
            wait_ms=wait_ms,
        )
        for _ in range(count)
    ]
    command = LeaseSessions(items=[LeaseWanted(requested=one) for one in wanted])
    reply = await client.request(subjects.pool_lease(), msgspec.json.encode(command), timeout=5)
    answers = msgspec.json.decode(reply.data, type=LeaseAnswers).items
    return list(zip(wanted, answers, strict=True))


async def use_lease(
    client: Client, service_type: str, outcome: Outcome = Outcome.SETTLED
) -> Granted:
    granted = await leased(client, service_type)
    verdict = Verdict.SUCCESS if outcome is Outcome.SETTLED else Verdict.OUTCOME_UNKNOWN
    usage = UsageRecorded(
        lease_id=granted.lease_id,
        request_id=RequestId(granted.lease_id.rpartition(".")[0]),
        session_id=granted.session_id,
        service_type=ServiceType(service_type),
        outcome=outcome,
        verdict=verdict,
        units=granted.units if outcome is Outcome.SETTLED else 0,
        status=200,
        attempts=[Attempt(server_id=ServerId("server-1"), verdict=verdict, sent=True)],
    )
    body = msgspec.json.encode(EndLeases(items=[usage]))
    reply = await client.request(subjects.pool_end(), body, timeout=5)
    assert msgspec.json.decode(reply.data, type=EndAnswers).items == ["journalled"]
    return granted


async def projected(made: Desk) -> None:
    """Wait until analytics has seen everything that is in the log."""
    last = (await made.doors.log.stream_state()).last_sequence

    async def seen() -> bool:
        found = await made.ask("POST", "/api/sql", json={"query": "select 1"})
        return bool(found["sequence"] >= last)

    await eventually(seen)
