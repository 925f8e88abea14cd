"""The variables of the process (environment.md), and the home directory with its files."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from contracts.subjects import USERS
from runtime.settings import EXPECTED_SECRET, SettingsError, hides_secret

_PORT = re.compile(r"[0-9]{1,5}")
_PORT_MAX = 65535
VARIABLES = {
    "TIDEGATE_HOME": "state directory: NATS store, DuckDB, generated secrets",
    "TIDEGATE_CONFIG": "configuration file or its folder (default: here, else the home's)",
    "TIDEGATE_HOST": "address the gateway listens on",
    "TIDEGATE_PORT": "port the gateway listens on",
    "TIDEGATE_NATS_URL": "use this NATS, or cluster (addresses with commas), not an embedded one",
    "TIDEGATE_ADMIN_KEY": "admin key to install at first boot instead of a generated one",
    "TIDEGATE_ADMIN_KEY_FILE": "a file with the admin key",
    "TIDEGATE_CLIENT_KEY": "client key to install at first boot instead of a generated one",
    "TIDEGATE_CLIENT_KEY_FILE": "a file with the client key",
    "TIDEGATE_HEALTH_PORT": "where a service answers /livez, /readyz, /metrics (0: nowhere)",
    "TIDEGATE_HEALTH_NETWORK": "a host in whose network the health port answers, too",
    "TIDEGATE_CLOCK_OFFSET_FILE": "for tests only: a file with seconds to add to the clock",
    "TIDEGATE_SECRET_KEY": "master key for credentials at rest",
    "TIDEGATE_SECRET_KEY_FILE": "a file with the master key for credentials at rest",
    "TIDEGATE_SUPERVISOR": "set by `up`: the process whose end ends this one",
    "TIDEGATE_IDENTITY_KEY": "key of session identities, made once and never rotated",
    "TIDEGATE_IDENTITY_KEY_FILE": "a file with the key of session identities",
    **dict.fromkeys(("TIDEGATE_BACKUPS", "TIDEGATE_IMAGE"), "Compose's own; passed over here"),
    "TIDEGATE_API": "gateway the verbs talk to (default: the one `up` runs in this home)",
    "TIDEGATE_LOG_FORMAT": "pretty or json (default: pretty on a terminal)",
    "TIDEGATE_LOG_FILE": "a file to append the log to; moved away, it is made anew",
    **{
        f"TIDEGATE_{user.upper()}_NATS_PASSWORD{kind}": f"{what} NATS password of `{user}`"
        for user in USERS
        for kind, what in (("", "the"), ("_FILE", "a file with the"))
    },
}


class Home(msgspec.Struct, frozen=True):
    """The state directory; every file Tidegate keeps has its name here."""

    path: Path

    @property
    def nats_store(self) -> Path:
        """Where the embedded server keeps its streams."""
        return self.path / "nats"

    @property
    def nats_conf(self) -> Path:
        """Users and permissions, included by whoever runs the server."""
        return self.path / "secrets" / "nats.conf"

    @property
    def server_conf(self) -> Path:
        """The whole configuration of a server that has a container to itself."""
        return self.path / "nats-server.conf"

    @property
    def config(self) -> Path:
        """The configuration file of the home: restored into it, or its owner's own."""
        return self.path / "tidegate.toml"

    @property
    def config_used(self) -> Path:
        """Which configuration file the last `up` ran with; absent when it ran without."""
        return self.path / "config.used"

    @property
    def nats_url(self) -> Path:
        """The URL of the embedded server while `up` runs."""
        return self.path / "nats.url"

    @property
    def run(self) -> Path:
        """The children of `up`: pids and health ports."""
        return self.path / "run.json"

    @property
    def demo_servers(self) -> Path:
        """The demo servers of `up`: the servers there are when the configuration names none."""
        return self.path / "demo-servers.json"

    @property
    def lock(self) -> Path:
        """Held by the `up` that runs in this home."""
        return self.path / "lock"

    @property
    def restored(self) -> Path:
        """From which backup this home goes on; absent when from none."""
        return self.path / "restored.json"

    @property
    def duckdb(self) -> Path:
        """The projections."""
        return self.path / "analytics.duckdb"

    @property
    def sql(self) -> Path:
        """The copy of the projections that strangers' SQL is asked of."""
        return self.path / "sql"

    @property
    def operator_key(self) -> Path:
        """The first admin key."""
        return self.path / "operator.key"

    @property
    def client_key(self) -> Path:
        """The first client key."""
        return self.path / "client.key"

    @property
    def spool(self) -> Path:
        """Where a gateway keeps long bodies while it reads them."""
        return self.path / "spool"

    @property
    def master_key(self) -> Path:
        """The master key for credentials at rest."""
        return self.path / "secrets" / "master.key"

    @property
    def identity_key(self) -> Path:
        """The key of session identities; made once, never rotated."""
        return self.path / "secrets" / "identity.key"

    def nats_password(self, user: str) -> Path:
        """The NATS password of one user."""
        return self.path / "secrets" / f"{user}.nats"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The process's variables, checked."""

    home: Home
    config: Path | None
    config_unclear: str | None = None
    """Which two configurations there are that differ, so that neither may be read; else None."""
    config_lacking: Path | None = None
    """The folder that is named and has no `tidegate.toml`, as containers have it; else None."""
    host: str
    port: int
    nats_url: str | None
    health_port: int
    clock_offset_file: Path | None
    api: str
    overrides: dict[str, str]
    """`TIDEGATE_<SECTION>_<NAME>` variables, still to be matched with settings."""
    health_network: str = ""

    def file_path(self, named: str, variable: str) -> Path:
        """Find the file or folder that a setting names.

        A relative one lies beside the configuration file, or where this process runs if it is
        there and not beside the file; one that `variable` gave is looked for here alone.
        """
        here = Path(named).absolute()
        # The null device stands for no configuration at all: nothing lies beside it.
        if self.config in {None, Path(os.devnull)} or variable in self.overrides:
            return here
        assert self.config is not None
        beside = self.config.absolute().parent / named
        return here if here.exists() and not beside.exists() else beside

    def read_secret(self, variable: str, file: Path) -> str:
        """Read a secret from its variable, the file its `…_FILE` names, or the home.

        Raises `SettingsError` when there is none.
        """
        if given := os.environ.get(variable, "").strip():
            return given
        path = Path(os.environ.get(f"{variable}_FILE") or file)
        expected = f"{path}: expected the secret that `tidegate migrate --secrets` writes there"
        try:
            secret = path.read_text().strip()
        except (OSError, UnicodeError) as error:
            raise SettingsError(f"{expected} ({getattr(error, 'strerror', error)})") from None
        if not secret:
            raise SettingsError(f"{expected} (it is empty)")
        return secret

    def reread_secret(self, variable: str, file: Path) -> str:
        """Read the same while a process runs; empty when it cannot be read."""
        try:
            return self.read_secret(variable, file)
        except SettingsError:
            return ""


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Check the variables. Raises `SettingsError` naming the one that is wrong."""
    given = {
        name: value
        for name, value in (os.environ if variables is None else variables).items()
        if name.startswith("TIDEGATE_") and value != ""
    }
    if hidden := next((name for name, value in given.items() if hides_secret(value)), ""):
        raise SettingsError(f"{hidden}: {EXPECTED_SECRET}")
    try:
        home = Home(Path(given.get("TIDEGATE_HOME", ".tidegate")).absolute())
        chosen = _choose_config(given, home)
    except OSError as error:
        raise SettingsError(
            "TIDEGATE_HOME, TIDEGATE_CONFIG: expected paths that can be looked at,"
            f" {error.filename or 'the folder one is in'} cannot ({error.strerror})"
        ) from None
    clock = given.get("TIDEGATE_CLOCK_OFFSET_FILE")
    if clock and not (home.path / "test-home").exists():
        raise SettingsError(
            "TIDEGATE_CLOCK_OFFSET_FILE: for tests only, expected a home with the file"
            f" `test-home`; {home.path} has none"
        )
    return Environment(
        home=home,
        config=chosen.file,
        config_unclear=chosen.unclear,
        config_lacking=chosen.lacking,
        host=given.get("TIDEGATE_HOST", "127.0.0.1"),
        port=_port_variable(given, "TIDEGATE_PORT", 8080),
        nats_url=given.get("TIDEGATE_NATS_URL"),
        health_port=_port_variable(given, "TIDEGATE_HEALTH_PORT", 0),
        health_network=given.get("TIDEGATE_HEALTH_NETWORK", ""),
        clock_offset_file=Path(clock) if clock else None,
        api=given.get("TIDEGATE_API", "http://127.0.0.1:8080"),
        overrides={name: value for name, value in given.items() if name not in VARIABLES},
    )


def secret_variable(variable: str) -> str:
    """Read what the operator gave in a variable, or in the file its `…_FILE` names; else "".

    An empty file gives nothing, so that one may always be mounted. Raises `SettingsError` when
    the named file cannot be read.
    """
    text = os.environ.get(variable, "").strip()
    named = os.environ.get(f"{variable}_FILE")
    if text or not named:
        return text
    try:
        return Path(named).read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"{variable}_FILE: expected a file to read, {named} is none ({error.strerror})"
        ) from None


class _ChosenConfig(msgspec.Struct, frozen=True):
    """The file, if any; why it may not be read, if so; the folder that is named and has none."""

    file: Path | None
    unclear: str | None = None
    lacking: Path | None = None


def _choose_config(given: Mapping[str, str], home: Home) -> _ChosenConfig:
    """Find the file: the named one, or that of the named folder, or of this one, or the home's."""
    named = Path(given["TIDEGATE_CONFIG"]) if "TIDEGATE_CONFIG" in given else None
    if named is not None and not named.is_dir():
        return _ChosenConfig(named)
    here = (named or Path()) / "tidegate.toml"
    if named is not None or not home.config.exists():
        there = here.exists()
        return _ChosenConfig(here if there else None, lacking=None if there else named)
    if not here.exists() or here.samefile(home.config):
        return _ChosenConfig(home.config)
    # Compared as they are read: a comment more is no other configuration.
    first, second = _read_pointer(here), _read_pointer(home.config)
    unclear = (
        f"{here.absolute()} and {home.config} are two configurations that differ: expected one;"
        " name it in TIDEGATE_CONFIG (`tidegate up --config`), or take the other away"
    )
    # A home that was furnished without a configuration has a file that says nothing.
    return _ChosenConfig(here, None if second in (first, {}) else unclear)


def _read_pointer(file: Path) -> object:
    """What a file says, whatever its comments; its bytes where it is no TOML."""
    try:
        content = file.read_bytes()
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        return str(error)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return content


def _port_variable(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not _PORT.fullmatch(text) or int(text) > _PORT_MAX:
        raise SettingsError(f"{name}: expected a port from 0 to 65535, got {text!r}")
    return int(text)
