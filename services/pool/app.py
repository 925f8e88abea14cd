"""Composition root of the pool: the only place where its adapters are made."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from typing import NamedTuple

from faststream.nats import NatsBroker
from nats.aio.client import Client

from contracts.base import WriterId
from contracts.subjects import SHARD, evt_pool, pool_ping
from runtime.clock import Clock, make_clock
from runtime.environment import Environment
from runtime.eventlog import UNWRITABLE, EventLog, LogUnavailableError
from runtime.eventlog.writer import SubjectWriter
from runtime.leadership import Leadership
from runtime.nats import broker
from runtime.process import health, lifecycle, logs
from runtime.process.logs import Log
from runtime.secrets import Sealer, SealError
from runtime.settings import SettingsError
from services.pool.committer import Committer
from services.pool.handlers import PoolDoors
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
from services.pool.store import CredentialStore, CredentialsUnavailableError, PoolLedger

_PAUSE_S = 0.5
_BUCKET_TRIES = 3


class PoolParts(NamedTuple):
    """What one pool process is made of."""

    log: EventLog
    snapshots: SnapshotBucket
    ledger: PoolLedger
    credentials: CredentialStore
    leadership: Leadership
    leader: PoolLeader
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
        parts = assemble_parts(
            nats_broker,
            client,
            load,
            keys=(master_key, identity_key),
            now=make_clock(environment.clock_offset_file),
            logger=logger,
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
    nats_broker: NatsBroker,
    client: Client,
    load: Callable[[], Settings],
    *,
    keys: tuple[str, str],
    now: Clock,
    logger: Log,
) -> PoolParts:
    """Put a pool process together; `keys` are the master key and the identity key.

    Raises `SettingsError`.
    """
    log, ledger, metrics = EventLog(client), PoolLedger(), Metrics()
    credentials = CredentialStore(client, Sealer(keys[0]))
    writer = SubjectWriter(log, evt_pool(SHARD), _writer_id())
    leadership = Leadership(
        client,
        log,
        writer,
        ledger,
        ping=pool_ping(SHARD),
        clock=now,
        logger=logger,
        skipped=lambda: ledger.state.unknown,
    )
    committer = Committer(
        leadership, ledger, credentials, client=client, clock=now, metrics=metrics, logger=logger
    )
    doors = PoolDoors(nats_broker, client, committer, leadership, credentials, SHARD)
    leader = PoolLeader(
        load, keys[1], log, writer, ledger, credentials, committer, doors, logger=logger
    )
    metrics.queued.set_function(lambda: committer.unanswered_count)
    metrics.full.set_function(lambda: committer.full)
    metrics.leading.set_function(lambda: leadership.leading)
    metrics.unwritable.set_function(lambda: writer.unwritable_s)
    metrics.sequence.set_function(lambda: writer.link.sequence)
    metrics.unknown.set_function(lambda: sum(ledger.state.unknown.values()))
    metrics.violations.set_function(lambda: len(ledger.state.violations))
    snapshots = SnapshotBucket(client)
    return PoolParts(log, snapshots, ledger, credentials, leadership, leader, metrics, logger)


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
    while True:
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
            return await credentials.catch_up()
        except CredentialsUnavailableError as error:
            logger.warning("credentials_unavailable", reason=str(error))
            await asyncio.sleep(_PAUSE_S)
        except SealError as error:
            raise SettingsError(
                "TIDEGATE_SECRET_KEY: expected the master key that the credentials in the bucket"
                f" were sealed under ({error})"
            ) from None


def _writer_id() -> WriterId:
    """Name this life of this process."""
    return WriterId(f"pool-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}")
