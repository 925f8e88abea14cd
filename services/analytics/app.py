"""The composition root of analytics: one process, one DuckDB file."""

import asyncio
import os
import uuid
from collections.abc import Callable

from contracts.base import WriterId
from runtime.atstart import AtStart
from runtime.clock import clock
from runtime.environment import Environment
from runtime.eventlog import EventLog
from runtime.nats.broker import broker, connected, nats_urls
from runtime.process import health, logs
from runtime.process.lifecycle import unless, until
from runtime.process.logs import Log
from runtime.settings import SettingsError
from services.analytics.exports import Bounds, Spool
from services.analytics.folding import spare_the_collector
from services.analytics.handlers import Answers, open_doors
from services.analytics.metrics import Metrics
from services.analytics.projector import Projector
from services.analytics.queries import Catalogue
from services.analytics.sandbox import box
from services.analytics.sandbox.box import Sandbox
from services.analytics.settings import AnalyticsSection, Settings
from services.analytics.store import Database, Ledger, Readers

_SERVICE = "analytics"
_EXPORTS = "exports"
"""The folder of the home where exports lie until they are fetched."""
_LOOK_EVERY_S = 2.0


async def run(stop: asyncio.Event, environment: Environment, load: Callable[[], Settings]) -> None:
    """Project the log and answer questions until `stop`.

    Raises `SettingsError` or `StoreError` when it cannot start.
    """
    log = logs.configure(_SERVICE)
    settings = load()
    urls = nats_urls(environment, _SERVICE)
    environment.home.path.mkdir(parents=True, exist_ok=True)
    database = await asyncio.to_thread(Database, environment.home.duckdb, settings.analytics.memory)
    log.info("opened", file=str(environment.home.duckdb), migrated=database.migrated)
    metrics = Metrics()
    made = broker(urls, _SERVICE, log)
    client = await unless(stop, connected(made))
    if client is None:
        await asyncio.to_thread(database.close)
        return
    projector = Projector(EventLog(client), Ledger(database), metrics, log)
    now = clock(environment.clock_offset_file)
    readers = Readers(database, now, settings.analytics.sql_timeout)
    sandbox = Sandbox(
        database, environment.home.sql, now, _sql_bounds(settings.analytics), metrics, log
    )
    writer = WriterId(f"{_SERVICE}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    catalogue = Catalogue()
    for name, why in {**catalogue.set_aside, **database.set_aside}.items():
        log.error("sql_set_aside", file=f"{name}.sql", reason=why)
    folder = environment.home.path / _EXPORTS
    spool = Spool(folder, readers, catalogue, _bounds(settings.analytics), log)
    answers = Answers(readers, sandbox, catalogue, spool, projector, metrics, writer, log)
    open_doors(made, client, answers)
    await made.start()
    spare_the_collector()
    try:
        await until(
            stop,
            projector.run(),
            health.serve(
                environment.health_port,
                projector.readiness,
                metrics.registry,
                network=environment.health_network,
            ),
            _follow_settings(load, readers, sandbox, spool, AtStart(log, _fixed(settings)), log),
        )
    finally:
        log.info("stopping", checkpoint=projector.checkpoint)
        await projector.close()
        await answers.close()
        await client.drain()
        await asyncio.to_thread(database.close)
        log.info("stopped")


async def _follow_settings(
    load: Callable[[], Settings],
    readers: Readers,
    sandbox: Sandbox,
    spool: Spool,
    begun: AtStart,
    log: Log,
) -> None:
    """Take over what may change while running; a file that is refused changes nothing."""
    refused = ""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        spool.forget()
        await asyncio.to_thread(sandbox.forget)
        try:
            settings = load()
        except SettingsError as error:
            if str(error) != refused:
                log.warning("settings_refused", error=str(error))
            refused = str(error)
            continue
        refused = ""
        readers.timeout_s = settings.analytics.sql_timeout
        sandbox.bounds = _sql_bounds(settings.analytics)
        spool.bounds = _bounds(settings.analytics)
        begun.compare(_fixed(settings))


def _fixed(settings: Settings) -> dict[str, object]:
    return {"analytics.memory": int(settings.analytics.memory)}


def _sql_bounds(section: AnalyticsSection) -> box.Bounds:
    return box.Bounds(section.sql_timeout, section.sql_memory)


def _bounds(section: AnalyticsSection) -> Bounds:
    return Bounds(section.export_rows_max, section.export_bytes_max, section.export_timeout)
