"""The pool as a process: from its environment to its orderly end."""

import asyncio
from pathlib import Path

import httpx
import pytest
from nats.aio.client import Client

from services.pool import app
from services.pool.settings import Settings
from tests.integration.pool_room import lease, settings, status, wanted
from tidegate.runtime import natsserver
from tidegate.runtime.environment import Environment, environment
from tidegate.runtime.settings import SettingsError

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path, nats_url: str) -> Environment:
    """The environment of a pool whose secrets exist."""
    (tmp_path / "secrets").mkdir()
    for name in ("master.key", "identity.key", "pool.nats"):
        (tmp_path / "secrets" / name).write_text(name)
    return environment(
        {
            "TIDEGATE_HOME": str(tmp_path),
            "TIDEGATE_NATS_URL": nats_url,
            "TIDEGATE_HEALTH_PORT": str(natsserver.free_port()),
        }
    )


async def answered(url: str, status: int = 200) -> httpx.Response:
    """Ask until that status is the answer."""
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        while True:
            try:
                response = await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if response.status_code == status:
                return response


async def test_process_says_why_it_is_not_ready_serves_counts_and_ends(
    home: Environment, nats_client: Client
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(stop, home, lambda: settings(3)))
    url = f"http://127.0.0.1:{home.health_port}"
    assert (await answered(f"{url}/readyz", 503)).json()["reason"]
    await answered(f"{url}/readyz")
    await lease(nats_client, wanted())

    metrics = (await answered(f"{url}/metrics")).text

    assert "tidegate_pool_leading 1.0" in metrics
    assert 'tidegate_pool_leases_granted_total{service_type="image"} 1.0' in metrics
    assert (await status(nats_client)).sessions_total == 3
    stop.set()
    await asyncio.wait_for(running, 10)


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
