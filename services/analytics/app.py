"""The composition root of analytics: one process, one DuckDB file."""

import asyncio
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from contracts.base import WriterId
from runtime.clock import make_clock
from runtime.environment import Environment
from runtime.eventlog import EventLog
from runtime.nats.broker import connect_broker, make_broker, nats_urls
from runtime.process import health, logs
from runtime.process.lifecycle import unless_stopped, until_stopped
from runtime.process.logs import Log
from runtime.settings import SettingsError
from runtime.startsettings import StartSettings
from services.analytics.exports import ExportBounds, ExportSpool
from services.analytics.folding import spare_the_collector
from services.analytics.handlers import AnalyticsAnswers, open_doors
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.queries import Catalogue
from services.analytics.sandbox import box
from services.analytics.sandbox.box import Sandbox
from services.analytics.settings import AnalyticsSection, Settings
from services.analytics.store import (
    DamagedError,
    Database,
    LedgerWriter,
    LostError,
    Readers,
    StoreError,
    faults,
)

_SERVICE = "analytics"
_EXPORTS = "exports"
"""The folder of the home where exports lie until they are fetched."""
_LOOK_EVERY_S = 2.0
_PAUSE_MAX_S = 60.0


async def run(stop: asyncio.Event, environment: Environment, load: Callable[[], Settings]) -> None:
    """Project the log and answer questions until `stop`.

    Raises `SettingsError` or `StoreError` when it cannot start. A file that is damaged does not
    keep it from that: it is put aside, and made anew from the log.
    """
    log = logs.configure_logs(_SERVICE)
    settings = load()
    nats_urls(environment, _SERVICE)
    environment.home.path.mkdir(parents=True, exist_ok=True)
    life = _FileLife(environment.home.duckdb, log)
    while not stop.is_set():
        database = await asyncio.to_thread(life.open_file, settings.analytics.memory)
        try:
            await _run_services(stop, environment, load, settings, database, log)
        except LostError as error:
            await asyncio.to_thread(life.record_loss, error, database.commits)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), life.pause_s)


class _FileLife:
    """The file from one opening to the next: what DuckDB gave up is opened again.

    What is damaged is put aside, and so is what was given up at the first thing that was written:
    else the same would happen for ever.
    """

    def __init__(self, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        self._lost = 0

    @property
    def pause_s(self) -> float:
        """Seconds before the file is opened again: none the first time, then ever more."""
        return 0.0 if self._lost <= 1 else min(_PAUSE_MAX_S, 2.0**self._lost)

    def open_file(self, memory_bytes: int) -> Database:
        """Open the file, or a new one in the place of a damaged one.

        Raises `StoreError`, also when a new one is no better: then the fault is not the file's, and
        it stands where it stood.
        """
        try:
            database = Database(self._path, memory_bytes)
        except DamagedError as error:
            aside = self._put_file_aside(error)
            try:
                database = Database(self._path, memory_bytes)
            except DamagedError as still:
                faults.put_file_back(self._path, aside)
                raise StoreError(f"{still}; a new file is no better") from None
        self._log.info("opened", file=str(self._path), migrated=database.migrated)
        return database

    def record_loss(self, error: LostError, commits: int) -> None:
        """Say that the open file serves no more. Raises `StoreError`."""
        self._lost += 1
        self._log.error("store_lost", file=str(self._path), reason=str(error))
        # Given up at its first write: opened again, it would be given up there again.
        if isinstance(error, DamagedError) or commits <= 1:
            self._put_file_aside(error)

    def _put_file_aside(self, error: LostError) -> Path:
        aside = faults.put_file_aside(self._path, datetime.now(UTC))
        self._log.error("damaged", file=str(self._path), put_aside=aside.name, reason=str(error))
        return aside


async def _run_services(
    stop: asyncio.Event,
    environment: Environment,
    load: Callable[[], Settings],
    settings: Settings,
    database: Database,
    log: Log,
) -> None:
    """Project and answer until `stop`. Raises `LostError` when the file serves no more."""
    urls = nats_urls(environment, _SERVICE)
    metrics = Metrics()
    server = make_broker(urls, _SERVICE, log)
    client = await unless_stopped(stop, connect_broker(server))
    if client is None:
        await asyncio.to_thread(database.close)
        return
    projector = Projector(EventLog(client), LedgerWriter(database), metrics, log)
    now = make_clock(environment.clock_offset_file)
    readers = Readers(database, now, settings.analytics.sql_timeout)
    sandbox = Sandbox(
        database, environment.home.sql, now, _sql_bounds(settings.analytics), metrics, log
    )
    writer = WriterId(f"{_SERVICE}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    catalogue = Catalogue()
    for name, why in {**catalogue.set_aside, **database.set_aside}.items():
        log.error("sql_set_aside", file=f"{name}.sql", reason=why)
    folder = environment.home.path / _EXPORTS
    spool = ExportSpool(folder, readers, catalogue, _export_bounds(settings.analytics), log)
    answers = AnalyticsAnswers(readers, sandbox, catalogue, spool, projector, metrics, writer, log)
    open_doors(server, client, answers)
    await server.start()
    spare_the_collector()
    try:
        await until_stopped(
            stop,
            projector.run(),
            health.serve_health(
                environment.health_port,
                projector.freshness.unready_reason,
                metrics.registry,
                network=environment.health_network,
            ),
            _follow_settings(
                load, readers, sandbox, spool, StartSettings(log, _start_settings(settings)), log
            ),
        )
    finally:
        log.info("stopping", checkpoint=projector.checkpoint)
        # The writer first: no batch is to end amid a file that is being closed.
        await projector.close()
        await answers.close()
        await client.drain()
        await asyncio.to_thread(database.close)
        log.info("stopped")


async def _follow_settings(
    load: Callable[[], Settings],
    readers: Readers,
    sandbox: Sandbox,
    spool: ExportSpool,
    begun: StartSettings,
    log: Log,
) -> None:
    """Take over what may change while running; a file that is refused changes nothing."""
    refused: str | None = None
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        spool.forget_idle()
        await asyncio.to_thread(sandbox.release_idle)
        try:
            settings = load()
        except SettingsError as error:
            if str(error) != refused:
                log.warning("settings_refused", error=str(error))
            refused = str(error)
            continue
        refused = None
        readers.timeout_s = settings.analytics.sql_timeout
        sandbox.bounds = _sql_bounds(settings.analytics)
        spool.bounds = _export_bounds(settings.analytics)
        begun.warn_of_changes(_start_settings(settings))


def _start_settings(settings: Settings) -> dict[str, object]:
    return {"analytics.memory": int(settings.analytics.memory)}


def _sql_bounds(section: AnalyticsSection) -> box.SqlBounds:
    return box.SqlBounds(section.sql_timeout, section.sql_memory)


def _export_bounds(section: AnalyticsSection) -> ExportBounds:
    return ExportBounds(section.export_rows_max, section.export_bytes_max, section.export_timeout)
