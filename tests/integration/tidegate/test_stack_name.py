"""Staging and production on one NATS: an account each, where the same subjects are another log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.subjects import USERS
from runtime.environment import Environment, read_environment
from runtime.eventlog import EventLog, LogUnavailableError
from runtime.nats import natsserver
from runtime.nats.connection import connect_as
from runtime.settings import SettingsError
from tidegate.configuration import load_configuration
from tidegate.stack.home import migration

pytestmark = pytest.mark.anyio
NAMES = ("staging", "production")


@pytest.fixture
def stacks(tmp_path: Path) -> Iterator[dict[str, Environment]]:
    """Two homes with their secrets, and one nats-server that has the users of both."""
    port = natsserver.free_port()
    stacks = {}
    for name in NAMES:
        home = tmp_path / name
        home.mkdir()
        (home / "tidegate.toml").write_text(
            f'[stack]\nname = "{name}"\n[log]\nmax_bytes = "200MB"\n'
        )
        variables = {"TIDEGATE_HOME": str(home), "TIDEGATE_NATS_URL": f"nats://127.0.0.1:{port}"}
        stacks[name] = read_environment(variables)
        migration.write_secrets(stacks[name])
    included = "\n".join(f'include "{name}/secrets/nats.conf"' for name in NAMES)
    config = tmp_path / "server.conf"
    text = natsserver.configuration_text(tmp_path / "store", port, None)
    config.write_text(f"{text}accounts {{\n{included}\n}}\n")
    process = natsserver.start_server(config, tmp_path / "nats.log", port)
    yield stacks
    process.terminate()
    process.wait(10)


async def last_sequence(environment: Environment) -> int:
    client = await connect_as(environment, "auditor")
    try:
        return (await EventLog(client).stream_state()).last_sequence
    finally:
        await client.close()


async def test_each_has_streams_and_keys_of_its_own_under_the_same_names(
    stacks: dict[str, Environment],
) -> None:
    staging, production = stacks.values()

    made = await migration.migrate_log(staging, load_configuration(staging))
    before = await last_sequence(staging)

    with pytest.raises(LogUnavailableError, match="stream not found"):
        await last_sequence(production)
    later = await migration.migrate_log(production, load_configuration(production))

    assert made.names == later.names
    assert before == await last_sequence(staging) == await last_sequence(production)


async def test_user_of_one_opens_nothing_of_the_other(stacks: dict[str, Environment]) -> None:
    staging, production = stacks.values()
    password = production.home.nats_password("auditor")
    password.write_text(staging.home.nats_password("auditor").read_text())

    with pytest.raises(SettingsError, match="cannot connect as auditor"):
        await connect_as(production, "auditor")


async def test_name_stays_while_there_is_a_log(stacks: dict[str, Environment]) -> None:
    staging = stacks["staging"]
    home = staging.home.path
    (home / "tidegate.toml").write_text('[stack]\nname = "test"\n')

    with pytest.raises(SettingsError, match=r"users of staging, .* and not of test"):
        migration.write_secrets(staging)
    staging.home.nats_conf.unlink()
    migration.write_secrets(staging)

    assert staging.home.nats_conf.read_text().startswith("test: {")


def test_server_of_its_own_needs_no_account(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text('[stack]\nname = "test"\n')
    alone = read_environment({"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_STACK_NAME": "other"})

    migration.write_secrets(alone)

    assert alone.home.nats_conf.read_text().startswith("authorization: {")


def test_container_has_the_account_in_its_whole_configuration() -> None:
    passwords = dict.fromkeys(USERS, "x")

    named = natsserver.container_configuration(passwords, account="staging")

    assert "accounts {\nstaging: {" in named
    assert '"user": "staging-gateway"' in named
    assert "authorization:" in natsserver.container_configuration(passwords)
