"""What `up` would meet with a configuration that is one: refusals, and what it goes on without."""

import asyncio
import difflib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from runtime.credentials import credentials_fault, credentials_in
from runtime.environment import Environment
from runtime.settings import DEFAULT_SERVICES, SettingsError
from services.analytics.settings import Settings as AnalyticsSettings
from services.balancer.settings import Settings as BalancerSettings
from services.balancer.settings import unnameable_servers
from services.gateway.settings import Settings as GatewaySettings
from services.pool.settings import Settings as PoolSettings
from tidegate.configuration import (
    CREDENTIALS,
    UNUSED_NAME,
    Configuration,
    lacking_text,
    named_files,
    names_servers,
    settings_loader,
)
from tidegate.console.errors import CommandError
from tidegate.probing.asking import doubled_path
from tidegate.stack import ownservers, ports
from tidegate.stack.home.files import used_configuration

_OF_SERVICES = (GatewaySettings, PoolSettings, BalancerSettings, AnalyticsSettings)


def refuse_what_up_refuses(environment: Environment) -> None:
    """Read it as each service does. Raises `SettingsError` for what none would start with."""
    for settings in _OF_SERVICES:
        settings_loader(environment, settings)()
    used = used_configuration(environment.home)
    if environment.config is None and used is not None and not names_servers(environment):
        raise SettingsError(
            f"{environment.home.path}: the last `up` ran with {used}, and no configuration file is"
            " found: name it in TIDEGATE_CONFIG (`tidegate up --config`), or put it back"
        )


class Foreseen(NamedTuple):
    """What `up` would meet."""

    text: str
    stops: bool = False
    """Whether it would not start for it."""


def foreseen_troubles(environment: Environment, whole: Configuration) -> Iterator[Foreseen]:
    """Say what would be told, or missing, once it runs; what lets it not start stands first."""
    runs_here = _address_of_up(environment)
    if not runs_here and (wrong := ports.port_trouble(environment.host, environment.port)):
        text = f"`tidegate up` would not start: TIDEGATE_HOST, TIDEGATE_PORT: {wrong}"
        yield Foreseen(text, stops=True)
    yield from _seeming_settings(environment, whole)
    path = named_files(environment, whole).get(CREDENTIALS)
    if path is not None:
        with suppress(OSError):  # that it is not there is told beside its name
            if fault := credentials_fault(credentials_in(path.read_bytes(), whole.services)):
                yield Foreseen(f"{path}: of no use: {fault}")
    if names_servers(environment) and whole.pool.provisioner.kind is None:
        yield Foreseen(
            "nothing says where sessions come from: they come by `tidegate sessions add` alone;"
            ' [pool.provisioner] kind = "file", "http" or "none" says it'
        )
    if runs_here:
        yield from _held_trouble(environment)


def _seeming_settings(environment: Environment, whole: Configuration) -> Iterator[Foreseen]:
    """Name what does nothing, or not what it seems to."""
    if environment.config_lacking is not None:
        yield Foreseen(lacking_text(environment.config_lacking))
    if whole.stack.name and environment.nats_url is None:
        yield Foreseen(UNUSED_NAME)
    for name, section in whole.services.items():
        if not section.paths:
            near = difflib.get_close_matches(name, DEFAULT_SERVICES, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield Foreseen(f"[services.{name}]: it has no paths, so that no call is of it{meant}")
    first_at: dict[str, str] = {}
    for server in whole.servers:
        if doubled := doubled_path(server.url):
            yield Foreseen(f"[[servers]] {server.server_id}: {doubled}")
        first = first_at.setdefault(server.url.rstrip("/"), server.server_id)
        if first != server.server_id:
            yield Foreseen(
                f"[[servers]] {server.server_id}: {server.url} is the address of {first}, too: they"
                " count as two servers"
            )
    if odd := unnameable_servers(whole.servers):
        yield Foreseen(odd)


def _held_trouble(environment: Environment) -> Iterator[Foreseen]:
    """Ask the log whether this configuration would be held; silent where it cannot be asked."""
    with suppress(CommandError, SettingsError):
        held = asyncio.run(ownservers.in_force(environment)).held
        if held is not None:
            yield Foreseen(
                f"it would be held: {held.reason}; `tidegate config accept` lets it through"
            )


def _address_of_up(environment: Environment) -> str:
    """Where the gateway of the `up` that runs in this home listens; empty: none runs."""
    try:
        return str(json.loads(environment.home.run.read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""
