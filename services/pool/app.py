"""Composition root of the pool: the only place where its adapters are made."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from contracts.base import WriterId
from contracts.subjects import SHARD, evt_pool, pool_ping
from runtime.clock import Clock, make_clock
from runtime.environment import Environment
from runtime.eventlog import UNWRITABLE, EventLog, LogUnavailableError
from runtime.eventlog.writer import SubjectWriter
from runtime.leaderpings import KeyPings
from runtime.leadership import Leadership
from runtime.nats import broker
from runtime.nats.broker import BrokerDoor, MakeDoor
from runtime.nats.bus import Bus
from runtime.process import health, lifecycle, logs
from runtime.process.logs import Log
from runtime.secrets import Sealer, SealError
from runtime.settings import SettingsError
from services.pool.bucket import CredentialsUnavailableError
from services.pool.checking import AccountChecks
from services.pool.commits.committer import Committer
from services.pool.handlers import PoolDoors
from services.pool.keeping import SessionKeeper
from services.pool.keys.holders import KeyHolders
from services.pool.keys.rotator import KeyRotator
from services.pool.leader import PoolLeader
from services.pool.metrics import Metrics
from services.pool.settings import Settings
from services.pool.snapshots.booting import boot_pool
from services.pool.snapshots.bucket import (
    NoBucketError,
    SnapshotBucket,
    SnapshotsUnavailableError,
)
from services.pool.snapshots.keeping import SnapshotKeeper
from services.pool.store import CredentialStore, PoolLedger

_PAUSE_S = 0.5
_BUCKET_TRIES = 3


class PoolEdges(NamedTuple):
    """What a pool process reaches the world by; the simulation has its own of each."""

    bus: Bus
    log: EventLog
    make_door: MakeDoor
    now: Clock
    writer_id: WriterId
    snapshots: SnapshotBucket | None = None
    """None: it reads the whole log."""


class PoolParts(NamedTuple):
    """What one pool process is made of."""

    log: EventLog
    snapshots: SnapshotBucket | None
    ledger: PoolLedger
    credentials: CredentialStore
    leadership: Leadership
    leader: PoolLeader
    rotator: KeyRotator
    metrics: Metrics
    logger: Log

    def unready_reason(self) -> str:
        """Say what this process still lacks; empty when it is ready."""
        if not self.leadership.is_reachable:
            return "NATS is not reachable"
        if not self.leadership.following:
            return "the log is still being read"
        if self.leadership.writer.unwritable_s:
            return UNWRITABLE
        if self.leadership.leading:
            return self.leader.missing
        if self.leadership.hears_leader:
            return ""
        return self.leadership.unfitness or "nobody leads the pool yet"


async def run(stop: asyncio.Event, environment: Environment, load: Callable[[], Settings]) -> None:
    """Follow the shard's log, lead it when nobody does, until `stop`.

    Raises `SettingsError` for wrong settings, a missing secret, or a master key that does not
    open the credentials there are; `BrokenLogError` when the log lacks what was there.
    """
    logger = logs.configure_logs("pool")
    master_key = environment.read_secret("TIDEGATE_SECRET_KEY", environment.home.master_key)
    identity_key = environment.read_secret("TIDEGATE_IDENTITY_KEY", environment.home.identity_key)
    nats_broker = broker.make_broker(broker.nats_urls(environment, "pool"), "pool", logger)
    client = await lifecycle.unless_stopped(stop, broker.connect_broker(nats_broker))
    if client is None:
        return
    try:
        edges = PoolEdges(
            bus=client,
            log=EventLog(client),
            make_door=partial(BrokerDoor, nats_broker),
            now=make_clock(environment.clock_offset_file),
            writer_id=new_writer_id(),
            snapshots=SnapshotBucket(client),
        )
        parts = assemble_parts(
            edges,
            load,
            keys=(master_key, identity_key),
            logger=logger,
            reread=partial(
                environment.reread_secret, "TIDEGATE_SECRET_KEY", environment.home.master_key
            ),
        )
        keeper = SnapshotKeeper(
            environment,
            client,
            parts.leadership,
            parts.ledger,
            metrics=parts.metrics,
            logger=logger,
        )
        await serve_parts(
            parts, stop, environment.health_port, environment.health_network, keeper=keeper
        )
    finally:
        await broker.disconnect_broker(nats_broker)
        logger.info("stopped")


def assemble_parts(
    edges: PoolEdges,
    load: Callable[[], Settings],
    *,
    keys: tuple[str, str],
    logger: Log,
    reread: Callable[[], str] | None = None,
) -> PoolParts:
    """Put a pool process together; `keys` are the master keys, as text, and the identity key.

    `reread` reads the first of these again. Raises `SettingsError`.
    """
    bus, log, make_door, now, writer_id, _ = edges
    ledger, metrics = PoolLedger(), Metrics()
    sealer = Sealer(keys[0], reread)
    credentials = CredentialStore(bus, sealer)
    writer = SubjectWriter(log, evt_pool(SHARD), writer_id)
    leadership = Leadership(
        bus,
        log,
        writer,
        ledger,
        ping=pool_ping(SHARD),
        clock=now,
        logger=logger,
        skipped=lambda: ledger.state.unknown,
        next_ping=KeyPings(writer.writer, sealer, logger).next_ping,
    )
    committer = Committer(
        leadership, ledger, credentials, client=bus, clock=now, metrics=metrics, logger=logger
    )
    holders = KeyHolders(writer.writer, sealer)
    rotator = KeyRotator(ledger, credentials, committer, holders, logger=logger)
    doors = PoolDoors(make_door, bus, committer, leadership, ledger, credentials, rotator, SHARD)
    keeper = SessionKeeper(keys[1], ledger, credentials, committer, logger=logger)
    checks = AccountChecks(bus, ledger, committer, random.Random(), logger=logger)  # noqa: S311
    leader = PoolLeader(
        load,
        keeper,
        log,
        writer,
        ledger,
        credentials,
        committer,
        doors,
        rotator=rotator,
        checks=checks,
        logger=logger,
    )
    metrics.queued.set_function(lambda: committer.unanswered_count)
    metrics.waiting.set_function(lambda: len(ledger.state.line))
    metrics.full.set_function(lambda: committer.full)
    metrics.leading.set_function(lambda: leadership.leading)
    metrics.unwritable.set_function(lambda: writer.unwritable_s)
    metrics.sequence.set_function(lambda: writer.link.sequence)
    metrics.places.set_function(lambda: ledger.state.places)
    metrics.growth_held.set_function(lambda: ledger.state.upkeep.held is not None)
    metrics.unknown.set_function(lambda: sum(ledger.state.unknown.values()))
    metrics.doubted.set_function(lambda: len(ledger.state.evidence.doubted))
    metrics.logins_refused.set_function(lambda: ledger.state.evidence.refused_at is not None)
    metrics.violations.set_function(lambda: len(ledger.state.violations))
    return PoolParts(
        log, edges.snapshots, ledger, credentials, leadership, leader, rotator, metrics, logger
    )


async def serve_parts(
    parts: PoolParts,
    stop: asyncio.Event,
    health_port: int,
    health_network: str = "",
    *,
    keeper: SnapshotKeeper | None = None,
) -> None:
    """Follow and lead until `stop`; then answer what is queued, and end."""
    ended = asyncio.Event()

    async def follow_and_lead() -> None:
        await _open_credentials(parts.credentials, parts.logger)
        await _boot_ledger(parts)
        await parts.leadership.serve_terms(parts.leader.lead_term)

    async def orderly_end() -> None:
        await stop.wait()
        parts.leadership.resign_term()
        await parts.leader.finish_term()
        ended.set()

    serving_health = health.serve_health(
        health_port, parts.unready_reason, parts.metrics.registry, network=health_network
    )
    keeping = [] if keeper is None else [keeper.keep_making()]
    await lifecycle.until_stopped(ended, follow_and_lead(), orderly_end(), serving_health, *keeping)


async def _boot_ledger(parts: PoolParts) -> None:
    """Begin with the newest good snapshot, or with nothing. Raises `BrokenLogError`."""
    subject, tries = parts.leadership.writer.subject, 0
    while parts.snapshots is not None:
        try:
            booted = await boot_pool(parts.log, parts.snapshots, subject, parts.logger)
        except LogUnavailableError as error:
            parts.logger.warning("log_unavailable", reason=str(error))
        except SnapshotsUnavailableError as error:
            parts.logger.warning("snapshots_unavailable", reason=str(error))
            tries += 1
            # As in a home that was not migrated since there are any: the log says it all.
            if isinstance(error, NoBucketError) or tries == _BUCKET_TRIES:
                return
        else:
            parts.ledger.state = booted.pool
            parts.leadership.writer.link = booted.link
            return
        await asyncio.sleep(_PAUSE_S)


async def _open_credentials(credentials: CredentialStore, logger: Log) -> None:
    """Learn what ciphertexts there are, and that the master key opens them."""
    while True:
        try:
            await credentials.catch_up()
        except CredentialsUnavailableError as error:
            logger.warning("credentials_unavailable", reason=str(error))
            await asyncio.sleep(_PAUSE_S)
        except SealError as error:
            raise SettingsError(
                "TIDEGATE_SECRET_KEY: expected the master key that the credentials in the bucket"
                f" were sealed under ({error})"
            ) from None
        else:
            break
    if closed := credentials.count_closed():
        logger.warning("credentials_closed", count=closed)


def new_writer_id() -> WriterId:
    """Name this life of this process."""
    return WriterId(f"pool-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}")
