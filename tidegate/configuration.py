"""The whole configuration: the tables of every service, read and refused as one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from contracts.balancer import PLAIN
from runtime.environment import VARIABLES, Environment
from runtime.quantities import Size
from runtime.settings import (
    DEFAULT_SERVICES,
    Section,
    ServiceTypeSection,
    SettingsError,
    read_configuration,
    read_toml,
    variable_of,
    with_default_services,
    with_overrides,
)
from services.analytics.settings import AnalyticsSection
from services.balancer.settings import BalancerSection, ServerSection
from services.balancer.settings import Settings as BalancerSettings
from services.gateway.settings import GatewaySection
from services.gateway.settings import Settings as GatewaySettings
from services.pool.settings import PoolSection, refuse_tiers

_Settings = TypeVar("_Settings", bound=Section)
_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
CREDENTIALS, TOKEN, SPOOL = "pool.provisioner.path", "pool.provisioner.token_file", "gateway.spool"
"""The settings that name a file, or a folder."""


UNUSED_NAME = (
    "stack.name: it does nothing with the NATS that `up` brings along, which no other stack uses;"
    " it names an account of a NATS of yours (TIDEGATE_NATS_URL)"
)


def lacking_text(folder: Path) -> str:
    """Say what follows from a folder that is named and has no file."""
    return (
        f"TIDEGATE_CONFIG: the folder {folder} has no tidegate.toml, so no configuration is read:"
        " the servers are the demo's"
    )


class LogSection(Section, frozen=True, kw_only=True):
    """`[log]`: the event log."""

    max_bytes: Size | None = None
    """Bound of the event log, fixed at the first migration; default: the smaller of 20 GB and
    half the free disk."""
    replicas: int = 1
    """Servers of a NATS cluster that keep each message (1, 3 or 5), fixed at the first migration;
    3 survive the loss of one."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.replicas not in {1, 3, 5}:
            raise ValueError("replicas: expected 1, 3 or 5")


class StackSection(Section, frozen=True, kw_only=True):
    """`[stack]`: this one, among others."""

    name: str = ""
    """Where several stacks (staging, production) share one NATS of yours (TIDEGATE_NATS_URL): each
    has an account of its own there, named so, and users `<name>-gateway` and so on; subjects and
    streams keep their names. It stays as it is once the account has a log."""

    def __post_init__(self) -> None:
        """Refuse what is no name of an account."""
        if self.name and _STACK_NAME.fullmatch(self.name) is None:
            expected = 'a name such as "staging": small letters, digits and dashes, up to 32'
            raise ValueError(f"name: expected {expected}, got {self.name!r}")


class Configuration(Section, frozen=True, kw_only=True):
    """Everything that `tidegate.toml` may hold."""

    gateway: GatewaySection = GatewaySection()
    services: dict[str, ServiceTypeSection] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_SERVICES)
    )
    tiers: dict[str, dict[str, int]] = {}
    """Daily limits by service type for the accounts that name a tier: own limits go before these,
    and these before `daily_limit`. One that a session has cannot be taken out."""
    pool: PoolSection = PoolSection()
    balancer: BalancerSection = BalancerSection()
    servers: list[ServerSection] = []
    analytics: AnalyticsSection = AnalyticsSection()
    log: LogSection = LogSection()
    stack: StackSection = StackSection()

    def __post_init__(self) -> None:
        """Refuse what only several tables together show."""
        BalancerSettings(balancer=self.balancer, servers=self.servers, services=self.services)
        GatewaySettings(gateway=self.gateway, services=self.services)
        refuse_tiers(self.tiers, self.services)


def load_configuration(environment: Environment) -> Configuration:
    """Read the file and the variables over it. Raises `SettingsError` by name."""
    return _load_whole(environment).configuration


def is_demo(environment: Environment) -> bool:
    """Tell whether nobody named a server, and the demo's own are the servers there are."""
    return _load_whole(environment).is_demo


class _Loaded(msgspec.Struct, frozen=True):
    """What the file says, and whether its servers are the demo's own, because it names none."""

    configuration: Configuration
    is_demo: bool


def _load_whole(environment: Environment) -> _Loaded:
    """Read file, variables and the demo's servers. Raises `SettingsError`."""
    tables = _file_tables(environment)
    demo_servers = environment.home.demo_servers
    demo = "servers" not in tables and demo_servers.exists()
    if demo:
        tables["servers"] = json.loads(demo_servers.read_text())
    variables = environment.overrides
    tables = with_overrides(with_default_services(tables), Configuration, variables, VARIABLES)
    source = str(environment.config) if environment.config else "the environment"
    whole = read_configuration(tables, Configuration, source, variables)
    if "session_concurrency" not in tables.get("pool", {}) and _speaks_a_dialect(whole):
        pool = msgspec.structs.replace(whole.pool, session_concurrency=1)
        whole = msgspec.structs.replace(whole, pool=pool)
    return _Loaded(whole, demo)


def _file_tables(environment: Environment) -> dict[str, Any]:
    if environment.config_unclear:
        raise SettingsError(environment.config_unclear)
    return read_toml(environment.config)


def _content_of(path: Path | None) -> bytes | None:
    """Read a file, to compare it; None: it cannot be read, which is told where it is needed."""
    try:
        return path.read_bytes() if path is not None else None
    except OSError:
        return None


def _speaks_a_dialect(whole: Configuration) -> bool:
    """Tell whether a server is of those that judge a session by how much it does at once."""
    return any(server.dialect != PLAIN for server in whole.servers)


def names_servers(environment: Environment) -> bool:
    """Tell whether the file says which servers there are; an empty list says it too."""
    return "servers" in _file_tables(environment)


def names_setting(environment: Environment, *path: str) -> bool:
    """Tell whether the file, or a variable, says what a setting is. Raises `SettingsError`."""
    if variable_of(path) in environment.overrides:
        return True
    table: Any = _file_tables(environment)
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    return table is not None


def named_files(environment: Environment, whole: Configuration) -> dict[str, Path]:
    """Find every file and folder that the configuration names, by the setting that names it."""
    provisioner = whole.pool.provisioner
    named = {
        CREDENTIALS: provisioner.path,
        TOKEN: provisioner.token_file,
        SPOOL: whole.gateway.spool,
    }
    return {
        setting: environment.file_path(name, variable_of(tuple(setting.split("."))))
        for setting, name in named.items()
        if name
    }


def with_absolute_paths(environment: Environment, whole: Configuration) -> Configuration:
    """Write a configuration so that it means the same wherever it lies."""
    paths = named_files(environment, whole)
    provisioner = msgspec.structs.replace(
        whole.pool.provisioner,
        path=str(paths.get(CREDENTIALS, "")),
        token_file=str(paths.get(TOKEN, "")),
    )
    return msgspec.structs.replace(
        whole,
        gateway=msgspec.structs.replace(whole.gateway, spool=str(paths.get(SPOOL, ""))),
        pool=msgspec.structs.replace(whole.pool, provisioner=provisioner),
    )


class _LastRead(NamedTuple, Generic[_Settings]):
    """What was read last, of what, and where the files lay that it names."""

    content: tuple[bytes | None, ...]
    whole: Configuration
    named: dict[str, Path]
    settings: _Settings

    def is_moved(self, environment: Environment) -> bool:
        """Tell whether a file that is named lies elsewhere now: one has come beside the file."""
        return named_files(environment, self.whole) != self.named


def settings_loader(environment: Environment, settings: type[_Settings]) -> Callable[[], _Settings]:
    """Make the function by which a service reads its tables, again and again.

    Files that are as they were when they were read last are not read into settings anew, as long as
    what they name lies where it lay.
    """
    last: _LastRead[_Settings] | None = None

    def load_part() -> _Settings:
        nonlocal last
        files = environment.config, environment.home.demo_servers
        content = tuple(_content_of(path) for path in files)
        if last is None or last.content != content or last.is_moved(environment):
            loaded = _load_whole(environment)
            whole = loaded.configuration
            last = _LastRead(content, whole, named_files(environment, whole), part_of(loaded))
        return last.settings

    def part_of(loaded: _Loaded) -> _Settings:
        whole, demo = loaded.configuration, loaded.is_demo
        located = with_absolute_paths(environment, whole)
        provisioner = located.pool.provisioner
        values = {
            **msgspec.structs.asdict(whole),
            "gateway": located.gateway,
            "file": provisioner.path or provisioner.token_file,
            "demo": demo,
            "serverless": not whole.servers,
            "made_up": demo and whole.pool.provisioner.kind is None,
            "proxy": whole.gateway.proxy,
        }
        return settings(**{name: values[name] for name in settings.__struct_fields__})

    return load_part
