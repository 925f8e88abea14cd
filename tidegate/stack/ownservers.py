"""Servers of one's own that the log has, whatever the configuration that was found says of them."""

from typing import NamedTuple

from contracts.balancer import HeldConfiguration
from contracts.subjects import EVT_BALANCER
from runtime.environment import Environment
from runtime.eventlog import EventLog, LogError
from runtime.nats.connection import connect_as
from runtime.settings import SettingsError
from services.balancer.domain import (
    Fleet,
    configuration_events,
    configuration_hold,
    evolve,
    own_servers,
)
from services.balancer.settings import Settings
from tidegate.configuration import settings_loader
from tidegate.console import logreading
from tidegate.console.errors import CommandError
from tidegate.stack import demo_servers
from tidegate.stack.home.files import used_configuration, write_private

_USER = "migrate"


async def refuse_to_forget(environment: Environment) -> None:
    """Let the demo begin only where it takes nothing away.

    Raises `SettingsError` for a log whose servers came from a configuration that is not found,
    naming the file last used; `CommandError` when the log cannot be read.
    """
    if environment.config is not None:
        return  # the balancer holds what would take its servers away
    demo = {(server.id, server.url) for server in demo_servers.previous_servers(environment.home)}
    fleet = await _read_fleet(environment)
    own = [name for name, url in own_servers(fleet) if (name, url) not in demo]
    if not own:
        return
    file = used_configuration(environment.home)
    last = f"the last `up` ran with {file}" if file else "which file that was, nobody noted"
    raise SettingsError(
        f"{environment.home.path}: the log has servers of a configuration ({', '.join(own)}), but"
        f" no configuration file is found; {last}: name it in TIDEGATE_CONFIG"
        " (`tidegate up --config`), or put it back"
    )


class InForce(NamedTuple):
    """What this configuration comes to, as every leader of the balancer judges it by the log."""

    held: HeldConfiguration | None
    """Why it waits; then the servers of before stay."""
    own: list[str]
    """The servers in force that are not the demo's."""


async def in_force(environment: Environment) -> InForce:
    """Judge which servers there are with this configuration.

    Raises `SettingsError` for one that is wrong; `CommandError` when the log cannot be read.
    """
    settings, fleet = settings_loader(environment, Settings)(), await _read_fleet(environment)
    configured = settings.as_configured()
    waits = configuration_hold(fleet, configured)
    for event in configuration_events(fleet, configured) if waits is None else ():
        fleet = evolve(fleet, event)
    there = [member.server for member in fleet.members.values()]
    demo = {(server.id, server.url) for server in demo_servers.previous_servers(environment.home)}
    own = [server.server_id for server in there if (server.server_id, server.url) not in demo]
    return InForce(waits, [*map(str, own)])


def note_used(environment: Environment) -> None:
    """Note in the home which file is used from now on."""
    if environment.config is None:
        environment.home.config_used.unlink(missing_ok=True)
    else:
        write_private(environment.home.config_used, f"{environment.config.absolute()}\n".encode())


async def _read_fleet(environment: Environment) -> Fleet:
    """What the balancer's subject says of the servers; an empty fleet without a log."""
    fleet = Fleet()
    reader = logreading.EnvelopeReader()
    client = await connect_as(environment, _USER)
    log = EventLog(client)
    try:
        last = await log.last_stored(EVT_BALANCER)
        async for batch in log.read_range(EVT_BALANCER, 0, last.sequence if last else 0):
            for stored in batch:
                opened = reader.decode_next(stored)
                for event in opened.events if opened else ():
                    fleet = evolve(fleet, event)
    except LogError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    finally:
        await client.close()
    return fleet
