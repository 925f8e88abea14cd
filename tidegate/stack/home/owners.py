"""A home for every owner that runs in a container: the configuration, and its secrets alone.

`migrate --secrets` keeps all secrets in one home. Where every service has a container of its own,
that home is seen by nobody else: from it each owner's home is furnished with what is its own.
"""

from collections.abc import Iterator
from pathlib import Path

from contracts.subjects import USERS
from runtime.environment import Environment, Home, secret_variable
from runtime.nats import natsserver
from runtime.nats.connection import nats_account
from runtime.secrets import merge_keys
from runtime.settings import SettingsError
from tidegate.stack import demo_servers
from tidegate.stack.home.files import write_private

OWNERS = ("gateway", "pool", "balancer", "analytics", "migrate", "archiver", "nats", "operator")
"""Who may have a home; `operator` is whoever uses the verbs: both first keys, and the auditor."""

_NO_CONFIGURATION = "# No tidegate.toml was given: the defaults are in force.\n"


def furnish_homes(environment: Environment, folder: Path, demo_url: str) -> list[str]:
    """Write the home of every owner that has a place in `folder`; their names.

    Raises `SettingsError` when there is no such place, or it cannot be written.
    """
    owners = [owner for owner in OWNERS if (folder / owner).is_dir()]
    if not owners:
        raise SettingsError(
            f"--homes: expected a folder with one of {', '.join(OWNERS)} in it, {folder} has none"
        )
    for owner in owners:
        home = Home(folder / owner)
        try:
            for path, text in _owner_files(environment, owner, home, demo_url):
                write_private(path, text.encode())
        except OSError as error:
            raise SettingsError(f"--homes: cannot write {home.path} ({error.strerror})") from None
    return owners


def _owner_files(
    environment: Environment, owner: str, home: Home, demo_url: str
) -> Iterator[tuple[Path, str]]:
    """Everything that one owner may know, and where its home keeps it."""
    whole = environment.home
    if owner == "nats":
        cluster = natsserver.hosts_in(environment.nats_url)
        route = whole.nats_password("cluster").read_text().strip() if len(cluster) > 1 else ""
        text = natsserver.container_configuration(
            nats_passwords(whole), cluster, route, nats_account(environment)
        )
        yield home.server_conf, text
        return
    yield home.config, environment.config.read_text() if environment.config else _NO_CONFIGURATION
    user = "auditor" if owner == "operator" else owner
    yield home.nats_password(user), whole.nats_password(user).read_text()
    if owner == "pool":
        yield home.nats_password("snapshotter"), whole.nats_password("snapshotter").read_text()
    if owner in {"gateway", "pool"}:
        yield home.master_key, _master_keys(whole)
        identity_key = secret_variable("TIDEGATE_IDENTITY_KEY")
        yield home.identity_key, identity_key or whole.identity_key.read_text().strip()
    if owner in {"migrate", "operator"}:
        yield home.operator_key, whole.operator_key.read_text()
        yield home.client_key, whole.client_key.read_text()
    if owner in {"balancer", "pool"} and demo_url:
        yield home.demo_servers, demo_servers.servers_text(demo_servers.servers_at(demo_url))


def _master_keys(whole: Home) -> str:
    """The master keys: the one given by variable seals, and those that were kept still open.

    A key that was rotated since it was given opens nothing by itself.
    """
    given = secret_variable("TIDEGATE_SECRET_KEY")
    if not given:
        return whole.master_key.read_text().strip()
    kept = whole.master_key.read_text() if whole.master_key.exists() else ""
    return merge_keys(given, kept)


def nats_passwords(home: Home) -> dict[str, str]:
    """The NATS password of every user."""
    return {user: home.nats_password(user).read_text().strip() for user in USERS}
