"""The balancer's composition root: the only place where its adapters are made."""

import asyncio
import os
import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from contracts.base import WriterId
from runtime.clock import make_clock
from runtime.environment import Environment
from runtime.nats.broker import connect_broker, disconnect_broker, make_broker, nats_urls
from runtime.process import health, lifecycle, logs
from services.balancer.custom.host import CustomStrategies
from services.balancer.domain import Balancer
from services.balancer.handlers import BalancerDoors
from services.balancer.handover import Handover
from services.balancer.leader import BalancerLeader
from services.balancer.measuring import Measuring
from services.balancer.metrics import Metrics
from services.balancer.probes import Probes, probe_client
from services.balancer.settings import Settings
from services.balancer.store import BalancerJournal

_USER = "balancer"
_DRAIN_S = 3.0


async def run(stop: asyncio.Event, environment: Environment, load: Callable[[], Settings]) -> None:
    """Follow the log, and lead when nobody does, until `stop`.

    Raises `SettingsError` for a configuration that is wrong at boot, `BrokenLogError` when the
    log lacks what was there.
    """
    logger = logs.configure_logs("balancer")
    settings = load()
    nats_broker = make_broker(nats_urls(environment, _USER), _USER, logger)
    client = await lifecycle.unless_stopped(stop, connect_broker(nats_broker))
    if client is None:
        return
    balancer = Balancer(chance=random.random)
    metrics = Metrics(balancer)
    writer_id = WriterId(f"balancer-{uuid.uuid4().hex[:12]}")
    journal = BalancerJournal(
        client, balancer, writer_id, make_clock(environment.clock_offset_file), logger
    )
    journal.on_commit(metrics.count_events)
    try:
        async with probe_client() as http:
            probes = Probes(http, lambda: balancer.fleet, random.random)
            custom = CustomStrategies(
                partial(environment.file_path, variable="TIDEGATE_BALANCER_STRATEGY"),
                os.environ,
                logger,
            )
            measuring = Measuring(http, lambda: balancer.fleet, lambda: leader.section)
            doors = BalancerDoors(
                nats_broker, client, journal, metrics, measuring.measure_servers, custom, logger
            )
            leader = BalancerLeader(
                journal, doors, probes, Handover(client, logger), custom, metrics, settings, logger
            )
            await lifecycle.until_stopped(
                stop,
                health.serve_health(
                    environment.health_port,
                    leader.unready_reason,
                    metrics.registry,
                    network=environment.health_network,
                ),
                journal.leadership.serve_terms(leader.lead_term),
                leader.watch_settings(load),
            )
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await disconnect_broker(nats_broker)
        logger.info("stopped")
