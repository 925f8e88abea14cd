"""The composition root of a gateway: every adapter is made here."""

import asyncio
import os
import resource
import secrets
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from nats.aio.client import Client as Nats

from contracts import subjects
from contracts.balancer import SelectAnswers
from contracts.base import Failed, GatewayId, WriterId
from contracts.pool import LeaseAnswers, LeaseSessions
from runtime.clock import make_clock
from runtime.environment import Environment
from runtime.eventlog import EventLog
from runtime.leaderpings import KeyPings
from runtime.nats.connection import Outage, connect_service
from runtime.process import health, lifecycle, logs
from runtime.process.logs import Log
from runtime.secrets import Sealer
from runtime.settings import SettingsError
from services.gateway.accounts.caller import Caller
from services.gateway.accounts.checking import PoolChecks
from services.gateway.accounts.inquiry import Inquiry
from services.gateway.accounts.passthrough import Passthrough
from services.gateway.accounts.rehearsal import Rehearsal
from services.gateway.accounts.trial import ServerTrial
from services.gateway.clients.spool import Spool
from services.gateway.door import Door
from services.gateway.fleetlog import FleetLog
from services.gateway.metrics import Metrics
from services.gateway.readiness import Readiness
from services.gateway.relay.coalescer import BalancerCoalescer, Coalescer, PoolCoalescer
from services.gateway.relay.credentials import Credentials
from services.gateway.relay.exchanges import OpenExchanges
from services.gateway.relay.grants import Grants
from services.gateway.relay.interpreter import Interpreter
from services.gateway.relay.models import ModelList
from services.gateway.relay.relay import Relay
from services.gateway.relay.upstream.parts import Upstream
from services.gateway.relay.usages import Outbox
from services.gateway.routes import Doors, operator_app
from services.gateway.routes.admin.sessions.listing import session_of
from services.gateway.routes.doors import Configured
from services.gateway.routes.logtail import LogTail
from services.gateway.settings import Settings
from services.gateway.store import KeyLog
from services.gateway.transport import Transport
from services.gateway.wire import ConnectionRegister, connection_bounds, listen_on, make_server

_RELOAD_EVERY_S = 2.0
_DRAIN_S = 10.0
_lease_decoder = msgspec.json.Decoder(LeaseAnswers | Failed)
_select_decoder = msgspec.json.Decoder(SelectAnswers | Failed)


async def run(
    stop: asyncio.Event,
    environment: Environment,
    load: Callable[[], Settings],
    describe: Callable[[], list[dict[str, Any]]] = list,
) -> None:
    """Serve until `stop` is set, then drain: open answers end, usages are journalled.

    `describe` lists the whole configuration, of which this service reads a part (`/api/config`).
    """
    log = logs.configure_logs("gateway")
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    settings = load()
    listening = listen_on(environment.host, environment.port)
    outage = Outage()
    connecting = connect_service(environment, "gateway", log, outage)
    client = await lifecycle.unless_stopped(stop, connecting)
    if client is None:
        listening.close()
        return
    gateway = Gateway(client, outage, environment, settings, log, describe)
    await gateway.hear_leaders()
    background = [
        asyncio.create_task(task)
        for task in (
            gateway.outbox.run(),
            gateway.exchanges.run(),
            gateway.key_log.run(),
            gateway.fleet_log.run(),
            gateway.readiness.run(),
            gateway.connections.run(),
            gateway.reload_settings(load),
            gateway.serve_health(environment),
        )
    ]
    serving = asyncio.create_task(gateway.server.serve_on(listening))
    log.info("listening", host=environment.host, port=listening.getsockname()[1])
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, serving, *background}, return_when=asyncio.FIRST_COMPLETED)
    gateway.readiness.draining = True
    gateway.server.should_exit = True
    gateway.grants.close()
    await serving
    if not await gateway.outbox.wait_until_empty(_DRAIN_S):
        log.error("usages_lost_to_the_deadline", waiting=len(gateway.outbox))
    failed = [task for task in background if task.done()]
    await lifecycle.end_tasks(stopping, *background)
    await gateway.transport.aclose()
    await client.close()
    log.info("stopped")
    for task in failed:
        task.result()


class Gateway:
    """The parts of one gateway process."""

    def __init__(
        self,
        client: Nats,
        outage: Outage,
        environment: Environment,
        settings: Settings,
        log: Log,
        describe: Callable[[], list[dict[str, Any]]],
    ) -> None:
        """Make every part over one NATS connection, whose `outage` is known."""
        self._configured = Configured(describe, str(environment.config or ""))
        self.gateway_id = gateway_id = GatewayId(f"gw-{os.getpid()}-{secrets.token_hex(4)}")
        home = environment.home
        kept = ("TIDEGATE_SECRET_KEY", home.master_key)
        sealer = Sealer(environment.read_secret(*kept), lambda: environment.reread_secret(*kept))
        identity_key = environment.read_secret("TIDEGATE_IDENTITY_KEY", home.identity_key)
        now = make_clock(environment.clock_offset_file)
        event_log = EventLog(client)
        self.settings = settings
        self.log = log
        self._client = client
        self.metrics = Metrics()
        self.transport = Transport()
        self.outbox = Outbox(client, gateway_id, log)
        self.grants = Grants(client)
        self.key_log = KeyLog(event_log, WriterId(gateway_id), now, log)
        report = KeyPings(f"{gateway_id}@{socket.gethostname()}", sealer, log)
        self.readiness = Readiness(client, self.key_log, self.outbox, report.next_ping)
        self.exchanges = OpenExchanges(
            client, gateway_id, lambda: self.settings.gateway.exchange_max, log
        )
        self.pool, self.balancer = self._make_coalescers(client, outage)
        self.fleet_log = FleetLog(event_log, log)
        interpreter = Interpreter(self.fleet_log.fleet.dialects_for)
        self.upstream = Upstream(self.transport, settings, self.metrics)
        self.spool = Spool(home.spool, settings.gateway.spool, settings.gateway.spool_max)
        servers = self.fleet_log.fleet.all_servers
        credentials = Credentials(client, sealer, self._longest_patience_s, outage)
        self.caller = Caller(self.balancer, self.transport, credentials, servers, settings.gateway)
        self.models = ModelList(servers, self.transport, settings.gateway, self.metrics)
        relay = Relay(
            gateway_id,
            self.pool,
            self.balancer,
            credentials,
            self.upstream,
            exchanges=self.exchanges,
            outbox=self.outbox,
            clock=now,
            grants=self.grants,
            identity_key=identity_key,
        )
        self.trial = ServerTrial(relay, interpreter, servers, lambda: self.settings, self.spool)
        doors = self._make_doors(event_log, sealer, identity_key, relay)
        self.door = Door(
            relay,
            Passthrough(self.caller, partial(session_of, doors), self.spool),
            self.models,
            interpreter,
            self.outbox,
            operator_app(doors),
            self.key_log.find_key,
            settings=settings,
            spool=self.spool,
            metrics=self.metrics,
            log=log,
        )
        self.connections = ConnectionRegister(connection_bounds(settings.gateway))
        self.server = make_server(self.door, self.connections)
        self._register_gauges()

    def _make_doors(
        self, event_log: EventLog, sealer: Sealer, identity_key: str, relay: Relay
    ) -> Doors:
        """Make what the operator's endpoints stand on."""
        return Doors(
            client=self._client,
            log=event_log,
            key_log=self.key_log,
            clock=relay.clock,
            sealer=sealer,
            identity_key=identity_key,
            settings=lambda: self.settings,
            readiness=self.readiness.unready_reason,
            registry=self.metrics.registry,
            gateway_id=relay.gateway_id,
            logger=self.log,
            inquiry=Inquiry(self.caller),
            trial=self.trial,
            rehearsal=Rehearsal(relay, self.balancer),
            tail=LogTail(event_log),
            configured=self._configured,
        )

    async def hear_leaders(self) -> None:
        """Ask again what a leader may have died with; hear of grants and of what is asked."""
        await PoolChecks(self._client, Inquiry(self.caller), self.log).hear_questions()
        await self._client.subscribe(subjects.pool_leads(), cb=self.pool.leader_heard)
        await self._client.subscribe(subjects.BALANCER_LEADS, cb=self.balancer.leader_heard)
        granted = subjects.gateway_granted(self.gateway_id)
        await self._client.subscribe(granted, cb=self.grants.take_delivery)

    async def serve_health(self, environment: Environment) -> None:
        """Answer on the health port, if there is one, for ever."""
        await health.serve_health(
            environment.health_port,
            self.readiness.unready_reason,
            self.metrics.registry,
            network=environment.health_network,
        )
        await asyncio.Event().wait()

    async def reload_settings(self, load: Callable[[], Settings]) -> None:
        """Take up a changed configuration; a wrong one is told, once, and changes nothing."""
        complaint: str | None = None
        while True:
            await asyncio.sleep(_RELOAD_EVERY_S)
            try:
                settings = load()
            except SettingsError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    self.log.warning("configuration_refused", reason=complaint)
                continue
            complaint = None
            if settings != self.settings:
                self.apply_settings(settings)
                self.log.info("configuration_applied")

    def apply_settings(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        self.spool.apply_bounds(settings.gateway.spool, settings.gateway.spool_max)
        self.connections.bounds = connection_bounds(settings.gateway)
        self.door.apply_settings(settings)
        self.upstream.apply(settings)
        self.caller.apply_settings(settings.gateway)
        self.models.apply(settings.gateway)

    def _longest_patience_s(self) -> float:
        return float(self.settings.gateway.failover_wait)

    def _make_coalescers(
        self, client: Nats, outage: Outage
    ) -> tuple[PoolCoalescer, BalancerCoalescer]:
        """Make what batches the questions to the pool and to the balancer."""
        return Coalescer(
            client,
            subjects.pool_lease(),
            lambda items: LeaseSessions(items=items),
            _lease_decoder,
            self._longest_patience_s,
            outage,
        ), Coalescer(
            client,
            subjects.BALANCER_SELECT,
            self.exchanges.selection_command,
            _select_decoder,
            self._longest_patience_s,
            outage,
        )

    def _register_gauges(self) -> None:
        """Let the gauges be read where the figures are."""
        metrics = self.metrics
        metrics.open.set_function(lambda: len(self.exchanges))
        metrics.unacknowledged.set_function(lambda: len(self.outbox))
        metrics.connections.set_function(lambda: len(self.connections))
        metrics.turned_away.set_function(lambda: self.connections.turned_away)
        metrics.too_slow.set_function(lambda: self.connections.ended)
        metrics.unknown.set_function(lambda: self.key_log.ring.unknown_events)
        for question, batches, items in (
            ("lease", lambda: self.pool.batches, lambda: self.pool.items),
            ("select", lambda: self.balancer.batches, lambda: self.balancer.items),
        ):
            metrics.batches.labels(question).set_function(batches)
            metrics.items.labels(question).set_function(items)
