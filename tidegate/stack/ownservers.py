"""Servers of one's own that the log has, whatever the configuration that was found says of them."""

from typing import NamedTuple

from contracts.balancer import HeldConfiguration
from contracts.subjects import EVT_BALANCER
from runtime.environment import Environment
from runtime.eventlog import EventLog, LogError
from runtime.nats.connection import connect_as
from runtime.settings import SettingsError
from services.balancer.domain import Fleet, digest, evolve, held, owned
from services.balancer.settings import Settings
from tidegate.configuration import loader
from tidegate.console import logreading
from tidegate.console.errors import CommandError
from tidegate.stack import demo_servers
from tidegate.stack.home.files import used, write_private

_USER = "migrate"


async def refuse_to_forget(found: Environment) -> None:
    """Let the demo begin only where it takes nothing away.

    Raises `SettingsError` for a log whose servers came from a configuration that is not found,
    naming the file last used; `CommandError` when the log cannot be read.
    """
    if found.config is not None:
        return  # the balancer holds what would take its servers away
    demo = {(server.id, server.url) for server in demo_servers.before(found.home)}
    fleet = await _fleet(found)
    own = [name for name, url in owned(fleet) if (name, url) not in demo]
    if not own:
        return
    file = used(found.home)
    last = f"the last `up` ran with {file}" if file else "which file that was, nobody noted"
    raise SettingsError(
        f"{found.home.path}: the log has servers of a configuration ({', '.join(own)}), but no"
        f" configuration file is found; {last}: name it in TIDEGATE_CONFIG"
        " (`tidegate up --config`), or put it back"
    )


class InForce(NamedTuple):
    """What this configuration comes to, as every leader of the balancer judges it by the log."""

    held: HeldConfiguration | None
    """Why it waits; then the servers of before stay."""
    own: list[str]
    """The servers in force that are not the demo's."""


async def in_force(found: Environment) -> InForce:
    """Judge which servers there are with this configuration.

    Raises `SettingsError` for one that is wrong; `CommandError` when the log cannot be read.
    """
    settings, fleet = loader(found, Settings)(), await _fleet(found)
    servers, strategy = [one.server() for one in settings.servers], settings.balancer.strategy
    waits = held(fleet, strategy, servers, demo=settings.demo)
    if waits is None and digest(strategy, servers, demo=settings.demo) != fleet.source:
        there = servers
    else:
        there = [member.server for member in fleet.members.values()]
    demo = {(server.id, server.url) for server in demo_servers.before(found.home)}
    own = [one.server_id for one in there if (one.server_id, one.url) not in demo]
    return InForce(waits, [*map(str, own)])


def note_used(found: Environment) -> None:
    """Note in the home which file is used from now on."""
    if found.config is None:
        found.home.config_used.unlink(missing_ok=True)
    else:
        write_private(found.home.config_used, f"{found.config.absolute()}\n".encode())


async def _fleet(found: Environment) -> Fleet:
    """What the balancer's subject says of the servers; an empty fleet without a log."""
    fleet = Fleet()
    unstrayed = logreading.Unstrayed()
    client = await connect_as(found, _USER)
    log = EventLog(client)
    try:
        last = await log.last_stored(EVT_BALANCER)
        async for batch in log.read_range(EVT_BALANCER, 0, last.sequence if last else 0):
            for stored in batch:
                opened = unstrayed.opened(stored)
                for event in opened.events if opened else ():
                    fleet = evolve(fleet, event)
    except LogError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    finally:
        await client.close()
    return fleet
