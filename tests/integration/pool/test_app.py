"""The pool as a process: from its environment to its orderly end."""

import asyncio
from pathlib import Path

import httpx
import nats
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.pool import Granted
from runtime.environment import Environment, read_environment
from runtime.nats import natsserver, streams
from runtime.settings import SettingsError
from services.pool import app
from services.pool.settings import Settings
from tests.integration.pool.room import image_wanted, lease, pool, settings, status
from tests.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path, nats_url: str) -> Environment:
    """The environment of a pool whose secrets exist."""
    (tmp_path / "secrets").mkdir()
    for name in ("master.key", "identity.key", "pool.nats"):
        (tmp_path / "secrets" / name).write_text(name)
    return read_environment(
        {
            "TIDEGATE_HOME": str(tmp_path),
            "TIDEGATE_NATS_URL": nats_url,
            "TIDEGATE_HEALTH_PORT": str(natsserver.free_port()),
        }
    )


async def well_answer(url: str) -> httpx.Response:
    """Ask until all is well."""
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        while True:
            try:
                response = await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if response.status_code == httpx.codes.OK:
                return response


async def test_process_becomes_ready_serves_counts_and_ends(
    home: Environment, nats_client: Client
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop, home, lambda: settings(3)))
    url = f"http://127.0.0.1:{home.health_port}"
    await well_answer(f"{url}/readyz")
    await lease(nats_client, image_wanted())

    metrics = (await well_answer(f"{url}/metrics")).text

    assert "tidegate_pool_leading 1.0" in metrics
    assert 'tidegate_pool_leases_granted_total{service_type="image"} 1.0' in metrics
    assert (await status(nats_client)).sessions_total == 3
    stop.set()
    await asyncio.wait_for(running, 10)


async def test_leader_that_cannot_read_the_credentials_ends_when_told(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as one, pool(nats_url) as two:
        await until(lambda: one.parts.leadership.leading or two.parts.leadership.leading)
        leader, standby = (one, two) if one.parts.leadership.leading else (two, one)
        await leader.leading()
        await until(lambda: standby.parts.leadership.hears_leader)
        await nats_client.jetstream().delete_stream("KV_credentials")
        await leader.killed()
        await until(lambda: standby.parts.leadership.leading)

        await asyncio.wait_for(standby.stopped(), 20)

        assert not standby.parts.leadership.leading


async def test_settings_refused_at_boot_end_the_process(
    home: Environment, nats_client: Client
) -> None:
    def load() -> Settings:
        raise SettingsError("tidegate.toml: pool.min_size: expected at least 0")

    with pytest.raises(SettingsError, match="min_size"):
        await app.run(asyncio.Event(), home, load)


async def test_missing_secret_ends_the_process(home: Environment) -> None:
    home.home.identity_key.unlink()

    with pytest.raises(SettingsError, match=r"identity\.key: expected the secret"):
        await app.run(asyncio.Event(), home, settings)


async def test_pool_needs_no_more_than_its_users_permissions(tmp_path: Path) -> None:
    port = natsserver.free_port()
    users = tmp_path / "users.conf"
    users.write_text(natsserver.accounts_text(dict.fromkeys(subjects.USERS, "secret")))
    config = tmp_path / "nats.conf"
    config.write_text(natsserver.configuration_text(tmp_path / "nats", port, users))
    process = natsserver.start_server(config, tmp_path / "nats.log", port)
    try:
        where = f"secret@127.0.0.1:{port}"
        migrate = await nats.connect(f"nats://migrate:{where}", inbox_prefix=b"_INBOX_migrate")
        await streams.migrate_streams(migrate, 200_000_000)
        await migrate.close()
        gateway = await nats.connect(f"nats://gateway:{where}", inbox_prefix=b"_INBOX_gateway")
        async with pool(f"nats://pool:{where}", lambda: settings(3)) as one:
            await one.leading()
            assert isinstance((await lease(gateway, image_wanted()))[0], Granted)
            async with pool(f"nats://pool:{where}", lambda: settings(3)) as two:
                await until(lambda: two.parts.leadership.hears_leader)
                await one.stopped()
                await two.leading()
                assert isinstance((await lease(gateway, image_wanted()))[0], Granted)
        await gateway.close()
    finally:
        process.terminate()
        process.wait(10)
