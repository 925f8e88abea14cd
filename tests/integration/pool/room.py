"""Pool processes for tests: whole ones, on connections of their own, in the test's loop."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import envelope, subjects
from contracts.base import Command, Failed, GatewayId, KeyId, Pong, RequestId, ServiceType
from contracts.pool import (
    CancelAnswers,
    CancelLease,
    CancelLeases,
    Done,
    EndAnswers,
    EndLeases,
    Granted,
    KeysReply,
    LeaseAnswers,
    LeaseSessions,
    LeaseWanted,
    Outcome,
    PoolStatus,
    PoolStatusReply,
    Refused,
    RenewAnswers,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from runtime.clock import Clock, system_clock
from runtime.eventlog import EventLog
from runtime.nats import broker
from runtime.process import lifecycle, logs
from runtime.settings import ServiceTypeSection
from services.pool import app
from services.pool.audit import Auditor
from services.pool.settings import PoolSection, ProvisionerSection, Settings
from services.pool.snapshots.bucket import SnapshotBucket
from tests.waiting import eventually, until

IMAGE = ServiceType("image")
KEYS = ("master", "identity")
_replies = msgspec.json.Decoder(
    LeaseAnswers
    | EndAnswers
    | RenewAnswers
    | CancelAnswers
    | PoolStatusReply
    | KeysReply
    | Done
    | Pong
    | Failed
)


def settings(sessions: int = 1, limit: int = 10, **pool: Any) -> Settings:
    """A pool of this many sessions and no other, each with this many images a day."""
    section = PoolSection(
        **{
            "min_size": sessions,
            # It grows no further by itself, and has places for those that a test adds.
            "max_size": sessions + 100,
            "refresh_threshold": 0.0 if "max_size" not in pool else 0.2,
            "session_concurrency": 0,
            "provisioner": ProvisionerSection(kind="generated"),
            **pool,
        }
    )
    return Settings(pool=section, services={"image": ServiceTypeSection(daily_limit=limit)})


class Room:
    """One pool process."""

    def __init__(self, made: Any, client: Client, parts: app.PoolParts) -> None:
        self.client = client
        self.parts = parts
        self._made = made
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(app.serve_parts(parts, self._stop, 0))

    async def leading(self) -> None:
        """Wait until this process leads and lacks nothing."""
        parts = self.parts
        await until(
            lambda: self.task.done() or (parts.leadership.leading and not parts.unready_reason())
        )
        if self.task.done():
            self.task.result()

    async def stopped(self) -> None:
        """End in good order."""
        self._stop.set()
        await self.task
        await self._made.stop()

    async def killed(self) -> None:
        """End as a process that dies: without a word."""
        if not self.client.is_closed:
            await self.client.close()
        await lifecycle.end_tasks(self.task)


@asynccontextmanager
async def pool(
    url: str,
    load: Callable[[], Settings] = settings,
    *,
    now: Clock = system_clock,
    keys: tuple[str, str] = KEYS,
    reread: Callable[[], str] | None = None,
) -> AsyncIterator[Room]:
    """A pool process that may or may not come to lead."""
    logger = logs.configure_logs("pool")
    made = broker.make_broker(url, "pool", logger)
    client = await broker.connect_broker(made)
    edges = app.PoolEdges(
        bus=client,
        log=EventLog(client),
        make_door=partial(broker.BrokerDoor, made),
        now=now,
        writer_id=app.new_writer_id(),
        snapshots=SnapshotBucket(client),
    )
    parts = app.assemble_parts(edges, load, keys=keys, logger=logger, reread=reread)
    room = Room(made, client, parts)
    try:
        yield room
    finally:
        await room.killed()


def image_wanted(request_id: str = "", number: int = 1, **fields: Any) -> LeaseWanted:
    """One request for an image."""
    return LeaseWanted(
        requested=SessionRequested(
            request_id=RequestId(request_id or secrets.token_hex(8)),
            number=number,
            service_type=IMAGE,
            asked_at=fields.pop("asked_at", datetime.now(UTC)),
            gateway_id=GatewayId("gw"),
            key_id=KeyId("key"),
            **fields,
        )
    )


def usage_of(granted: Granted, outcome: Outcome = Outcome.SETTLED) -> UsageRecorded:
    """What the lease was used for."""
    settled = outcome is Outcome.SETTLED
    return UsageRecorded(
        lease_id=granted.lease_id,
        request_id=RequestId(granted.lease_id.rpartition(".")[0]),
        session_id=granted.session_id,
        service_type=IMAGE,
        outcome=outcome,
        verdict=Verdict.SUCCESS if settled else Verdict.REJECTED,
        units=granted.units if settled else 0,
    )


async def ask_pool(
    client: Client, subject: str, command: Command | bytes, within_s: float = 5
) -> Any:
    """Ask once and decode whatever is answered."""
    body = command if isinstance(command, bytes) else msgspec.json.encode(command)
    message = await client.request(subject, body, timeout=within_s)
    return _replies.decode(message.data)


def lease_body(*items: LeaseWanted) -> bytes:
    """The batch as it travels."""
    return msgspec.json.encode(LeaseSessions(items=list(items)))


async def lease(
    client: Client, *items: LeaseWanted, within_s: float = 5
) -> list[Granted | Refused]:
    """Ask for leases in one batch."""
    command = LeaseSessions(items=list(items))
    answer = await ask_pool(client, subjects.pool_lease(), command, within_s)
    assert isinstance(answer, LeaseAnswers), answer
    return answer.items


async def end(client: Client, *items: UsageRecorded) -> Sequence[str]:
    """Hand in usages in one batch."""
    answer = await ask_pool(client, subjects.pool_end(), EndLeases(items=list(items)))
    return answer.items


async def give_back(client: Client, request_id: str, number: int = 1) -> Sequence[str]:
    """Give a lease back."""
    item = CancelLease(request_id=RequestId(request_id), number=number, reason="test")
    return (await ask_pool(client, subjects.pool_cancel(), CancelLeases(items=[item]))).items


async def status(client: Client, **asked: Any) -> PoolStatusReply:
    """Ask the fold."""
    return await ask_pool(client, subjects.pool_status(), PoolStatus(**asked))


async def envelopes(client: Client) -> list[envelope.Envelope]:
    """Every envelope of the shard."""
    log = EventLog(client)
    last = await log.last_stored(subjects.evt_pool())
    assert last is not None
    return [
        envelope.decode_envelope(stored.body)
        async for batch in log.read_range(subjects.evt_pool(), 0, last.sequence)
        for stored in batch
    ]


async def events(client: Client, kind: type[Any]) -> list[Any]:
    """Every event of this kind."""
    return [one for made in await envelopes(client) for one in made.events if isinstance(one, kind)]


async def await_events(client: Client, kind: type[Any], count: int) -> list[Any]:
    """Wait until so many events of this kind are stored: the state is ahead of the log."""

    async def so_many() -> list[Any]:
        stored = await events(client, kind)
        return stored if len(stored) >= count else []

    return list(await eventually(so_many))


async def audit_log(client: Client) -> Auditor:
    """Audit the shard's log as it is stored."""
    log, auditor = EventLog(client), Auditor(subjects.evt_pool())
    last = await log.last_stored(subjects.evt_pool())
    assert last is not None
    async for batch in log.read_range(subjects.evt_pool(), 0, last.sequence):
        for stored in batch:
            auditor.audit_envelope(
                stored.sequence, stored.body, envelope.decode_envelope(stored.body)
            )
    auditor.finish_audit()
    return auditor
