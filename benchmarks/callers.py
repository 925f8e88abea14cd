"""Callers of a pool: each leases and ends in turn, coalesced as a gateway does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from contracts.base import GatewayId, KeyId, ServerId, ServiceType
from contracts.pool import (
    Attempt,
    EndLeases,
    GrantsDelivered,
    LeaseSessions,
    LeaseWanted,
    Outcome,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from services.gateway.clients.request import new_request_id

IMAGE = ServiceType("image")
KEYS = 10
GATEWAY = GatewayId("gateway-1")
_encoder = msgspec.json.Encoder()
_answers = msgspec.json.Decoder(dict[str, Any])


class Lane:
    """Everything of one loop turn travels as one request."""

    def __init__(self, client: Client, subject: str, command: Callable[[list[Any]], Any]) -> None:
        self._client = client
        self._subject = subject
        self._command = command
        self._items: list[Any] = []
        self._answers: list[asyncio.Future[Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, item: Any) -> Awaitable[Any]:
        """Put one item on its way."""
        if not self._items:
            asyncio.get_running_loop().call_soon(self._depart)
        answer = asyncio.get_running_loop().create_future()
        self._items.append(item)
        self._answers.append(answer)
        return answer

    def _depart(self) -> None:
        task = asyncio.create_task(self._travel(self._items, self._answers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._items, self._answers = [], []

    async def _travel(self, items: list[Any], answers: list[asyncio.Future[Any]]) -> None:
        body = _encoder.encode(self._command(items))
        message = await self._client.request(self._subject, body, timeout=10)
        for answer, found in zip(answers, _answers.decode(message.data)["items"], strict=True):
            answer.set_result(found)


class Gateway:
    """What all callers share: a lane for each sort of command, and the leases waited for."""

    def __init__(self, client: Client) -> None:
        self.leases = Lane(client, subjects.pool_lease(), lambda items: LeaseSessions(items=items))
        self.ends = Lane(client, subjects.pool_end(), lambda items: EndLeases(items=items))
        self._client = client
        self._waits: dict[str, asyncio.Future[Any]] = {}

    async def listen(self) -> None:
        """Hear of the leases that are waited for."""
        await self._client.subscribe(subjects.gateway_granted(GATEWAY), cb=self._on_granted)

    async def lease(self, wanted: SessionRequested) -> Any:
        """Get a lease, at once or when its turn comes."""
        name = f"{wanted.request_id}.{wanted.number}"
        granted = self._waits[name] = asyncio.get_running_loop().create_future()
        answer = await self.leases.ask(LeaseWanted(requested=wanted))
        if answer["type"] == "waiting":
            answer = await granted
        self._waits.pop(name, None)
        if answer["type"] != "granted":
            raise SystemExit(f"refused: {answer}")
        return answer

    async def _on_granted(self, message: Msg) -> None:
        for item in _answers.decode(message.data)["items"]:
            waiting = self._waits.pop(item["lease_id"], None)
            if waiting is not None:
                waiting.set_result(item)
        await message.respond(_encoder.encode(GrantsDelivered()))


async def caller(number: int, gateway: Gateway, until: float, wait_ms: int) -> int:
    """Lease and end in turn; return how many."""
    done = 0
    while time.monotonic() < until:
        request_id = new_request_id()
        wanted = SessionRequested(
            request_id=request_id,
            number=1,
            service_type=IMAGE,
            asked_at=datetime.now(UTC),
            gateway_id=GATEWAY,
            key_id=KeyId(f"key_{number % KEYS}"),
            path="/v1/images/generations",
            model="jimeng-4.0",
            client_address="203.0.113.0",
            wait_ms=wait_ms,
        )
        granted = await gateway.lease(wanted)
        attempt = Attempt(
            server_id=ServerId("server-1"),
            strategy="capability_based",
            verdict=Verdict.SUCCESS,
            status=200,
            sent=True,
            connect_ms=0.4,
            first_byte_ms=201.5,
            total_ms=204.1,
        )
        used = UsageRecorded(
            lease_id=granted["lease_id"],
            request_id=request_id,
            session_id=granted["session_id"],
            service_type=IMAGE,
            outcome=Outcome.SETTLED,
            verdict=Verdict.SUCCESS,
            units=1,
            key_id=KeyId(f"key_{number % KEYS}"),
            gateway_id=GATEWAY,
            status=200,
            attempts=[attempt],
            lease_ms=1.2,
            total_ms=206.0,
        )
        await gateway.ends.ask(used)
        done += 1
    return done
