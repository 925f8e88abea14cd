"""The stack of `up` from its first process to its last: what starts, in which order it ends."""

import asyncio
import os
import secrets
import signal
import sys
from contextlib import suppress

import msgspec

from runtime.environment import Environment
from runtime.nats import natsserver
from runtime.settings import SettingsError
from runtime.startsettings import StartSettings
from tidegate.configuration import Configuration, load_configuration, names_servers
from tidegate.console import api
from tidegate.console.errors import CommandError
from tidegate.stack import demo_servers, ownservers
from tidegate.stack.home import migration
from tidegate.stack.ownservers import InForce
from tidegate.stack.screen.models import listed_model
from tidegate.stack.screen.readers import has_lost_reader
from tidegate.stack.screen.remarks import servers_remark, start_notes
from tidegate.stack.screen.screen import screen_for
from tidegate.stack.screen.welcome import StartWords
from tidegate.stack.stuck import restart_stuck
from tidegate.stack.supervisor import ChildProcess, Supervisor, service_child

_READY_S = 90.0
_GATEWAYS_END_S = 45.0
_SERVICES_END_S = 20.0
_LOOK_EVERY_S = 2.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last one is sent when a terminal is closed."""
_STATISTICS_S = 10.0
"""How much longer than for all else `up` waits for analytics."""
_NATS = "nats"
_ANALYTICS = "analytics"
_AS_FOUND = InForce(None, [])


class RunningStack:
    """Everything that `up` starts, and the order in which it ends."""

    def __init__(self, environment: Environment, configuration: Configuration) -> None:
        self.home = environment.home
        self.environment = msgspec.structs.replace(
            environment, port=environment.port or natsserver.free_port()
        )
        self.configuration = configuration
        self.screen = screen_for(environment.home)
        self.log = self.screen.log
        host = "127.0.0.1" if environment.host in {"0.0.0.0", "::"} else environment.host  # noqa: S104
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.environment.port}"
        self.supervisor = Supervisor(environment.home.run, self.url, self.log, self.screen.output)
        self.shared = {
            "TIDEGATE_HOME": str(environment.home.path),
            "TIDEGATE_PORT": str(self.environment.port),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **self.screen.shared,
        }
        # Without one they find none either, whatever is written here while they run.
        config = environment.config.absolute() if environment.config else os.devnull
        self.shared["TIDEGATE_CONFIG"] = str(config)
        self.watching: asyncio.Task[None] | None = None
        """Of NATS, if it is ours."""
        self.noting: asyncio.Task[None] | None = None
        """Of the file that is used, while it is held."""
        self.unread = False
        """Whether it ends because nobody reads what it prints."""
        self.demos: list[str] = []
        self.gateways: list[str] = []

    async def run(self, left: list[str]) -> None:
        """Start, say where it is, wait for the end, drain.

        Raises `CommandError`, and `BrokenPipeError` once nobody reads what it prints.
        """
        self.screen.begin()
        if left:
            self.log.warning("leftovers_ended", children=left)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
                loop.add_signal_handler(number, self._on_stop_signal, stop)
        starting = asyncio.create_task(self._start_all())
        stopping = asyncio.create_task(stop.wait())
        following = asyncio.create_task(self._follow_settings())
        reading = asyncio.create_task(self._stop_when_unread(stop))
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        except TimeoutError as error:
            raise CommandError(f"NATS: {error}; see {self.home.path / 'nats.log'}") from None
        finally:
            for task in (starting, stopping, following, reading, self.watching, self.noting):
                if task is not None:
                    task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await starting
            await self._drain_all()
            self.screen.end()
        if self.unread:
            raise BrokenPipeError

    async def _stop_when_unread(self, stop: asyncio.Event) -> None:
        """End as by Ctrl-C once whoever read this through a pipe has left."""
        while not has_lost_reader():  # noqa: ASYNC110 (the kernel sends no event of it)
            await asyncio.sleep(_LOOK_EVERY_S)
        self.unread = True
        self.log.warning("reader_gone")
        stop.set()

    async def _follow_settings(self) -> None:
        """Say so when the file changes what only a new start of `up` takes up."""
        begun = StartSettings(self.log, _fixed_settings(self.configuration))
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            with suppress(SettingsError):  # what is wrong with it, the services say
                begun.warn_of_changes(_fixed_settings(load_configuration(self.environment)))

    def _on_stop_signal(self, stop: asyncio.Event) -> None:
        """Drain the first time, kill the second."""
        if stop.is_set():
            self.supervisor.kill_all()
            return
        stop.set()
        self.screen.show_stop()

    async def _start_all(self) -> None:
        """Start everything in order.

        Raises `CommandError` when it does not get ready, `TimeoutError` when NATS does not,
        `SettingsError` for what only shows now.
        """
        if self.environment.nats_url is None:
            self.screen.show_progress("NATS")
            await self._start_nats()
        migrated = await migration.migrate_log(self.environment, self.configuration)
        if migrated.names:
            self.log.info("made", what=migrated.names)
        if not names_servers(self.environment):
            await ownservers.refuse_to_forget(self.environment)
            self.screen.show_progress("the demo's servers")
            for server in demo_servers.place_servers(self.home):
                await self._start_named(
                    demo_servers.demo_child(server, self.home, self.shared), self.demos
                )
        in_force = await ownservers.in_force(self.environment)
        if in_force.held is None:
            ownservers.note_used(self.environment)
        else:
            self.noting = asyncio.create_task(self._note_used())
        services = ("pool", "balancer", _ANALYTICS)
        self.screen.show_progress("pool, balancer, analytics and gateway")
        for name in services:
            await self.supervisor.start_child(service_child(name, name, environment=self.shared))
        for number in range(1, self.configuration.gateway.workers + 1):
            name = "gateway" if number == 1 else f"gateway-{number}"
            await self._start_named(
                service_child(name, "gateway", environment=self.shared), self.gateways
            )
        # Servers of one's own may be down: that is `no_backend` to clients, not the end of `up`.
        waited = ["pool", "balancer"] if self.demos else ["pool"]
        reason = await self.supervisor.wait_until_ready(
            [*self.demos, *waited, *self.gateways], _READY_S
        )
        if reason:
            raise CommandError(reason)
        # Analytics knows the past alone: calls do not wait for it.
        behind = await self.supervisor.wait_until_ready([_ANALYTICS], _STATISTICS_S)
        if behind:
            self.log.warning("without_statistics", reason=behind)
        dashboard = await self._dashboard_url()
        words = self._start_words(migrated.dead_keys, behind, in_force, dashboard)
        self.screen.show_start(await self._with_model(words))

    async def _with_model(self, words: StartWords) -> StartWords:
        """Have the line to paste ask for a model that there is."""
        if words.demo or not words.with_curl:
            return words
        services = self.configuration.services
        model = await asyncio.to_thread(listed_model, self.url, self.home.client_key, services)
        return msgspec.structs.replace(words, model=model)

    async def _dashboard_url(self) -> str:
        """Say where the dashboard is; whoever sits at a terminal is signed in by it."""
        if sys.stdout.isatty():
            with suppress(SettingsError, CommandError):
                answer = await asyncio.to_thread(api.post, "/api/sign-in/links")
                return str(answer["url"])
        return f"{self.url}/"

    async def _note_used(self) -> None:
        """Note the file once what it says is in force, be it accepted or put right."""
        waits = True
        while waits:
            await asyncio.sleep(_LOOK_EVERY_S)
            with suppress(SettingsError, CommandError):
                waits = (await ownservers.in_force(self.environment)).held is not None
        ownservers.note_used(self.environment)

    async def _start_named(self, child: ChildProcess, names: list[str]) -> None:
        names.append(child.name)
        await self.supervisor.start_child(child)

    async def _start_nats(self) -> None:
        """Start a NATS of our own, wait for its port, and watch it from here on."""
        port, monitor = natsserver.free_port(), natsserver.free_port()
        base = f"/{secrets.token_urlsafe(16)}"
        config = self.home.nats_conf.with_name("server.conf")
        config.write_text(
            natsserver.configuration_text(
                self.home.nats_store, port, self.home.nats_conf, (monitor, base)
            )
        )
        url = f"nats://127.0.0.1:{port}"
        command = natsserver.server_command(config, self.home.path / "nats.log")
        child = ChildProcess(
            name=_NATS, command=command, health_port=monitor, ready_path=f"{base}/healthz"
        )
        await self.supervisor.start_child(child)
        await asyncio.to_thread(natsserver.wait_for_port, url, 20)
        self.home.nats_url.write_text(url + "\n")
        watching = restart_stuck(self.supervisor, child, self.home.nats_store, self.log)
        self.watching = asyncio.create_task(watching)

    async def _drain_all(self) -> None:
        """End the doors first and the log last."""
        self.log.info("draining")
        await self.supervisor.end_children(self.gateways, _GATEWAYS_END_S)
        await self.supervisor.end_children(["balancer", "pool", _ANALYTICS], _SERVICES_END_S)
        await self.supervisor.end_children(self.demos, 5)
        await self.supervisor.end_children([_NATS], _SERVICES_END_S)
        self.home.run.unlink(missing_ok=True)
        if self.environment.nats_url is None:
            self.home.nats_url.unlink(missing_ok=True)
        self.log.info("stopped")

    def _start_words(
        self,
        dead_keys: dict[str, str],
        behind: str | None,
        in_force: InForce = _AS_FOUND,
        dashboard: str = "",
    ) -> StartWords:
        """Say where everything is, with a line that works when pasted, unless the key is dead."""
        return StartWords(
            home=self.home,
            url=self.url,
            dashboard=dashboard,
            notes=[*start_notes(self.environment, self.configuration, dead_keys, behind)],
            with_curl="client" not in dead_keys,
            servers=servers_remark(
                in_force.held,
                in_force.own,
                demo=bool(self.demos),
                written=self.configuration.pool.provisioner.kind is not None,
            ),
            demo=bool(self.demos) and not in_force.own and in_force.held is None,
        )


def _fixed_settings(configuration: Configuration) -> dict[str, object]:
    return {"gateway.workers": configuration.gateway.workers}
