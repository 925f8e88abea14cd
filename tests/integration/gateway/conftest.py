"""What several modules of doors, and of transports, begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.base import ServerId, ServiceType
from services.balancer.settings import ServerSection
from services.gateway.transport import Transport
from tests.integration.gateway.calls import TYPES
from tests.integration.gateway.doors import Desk, desk, good_server, house, is_well
from tests.waiting import eventually

_LOOPS = {"uvloop": True, "asyncio": False}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_loops: on uvloop, as the gateway runs, and on asyncio")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what moves bytes on both loops: their transports differ."""
    marked = metafunc.definition.get_closest_marker("both_loops")
    if marked and "anyio_backend" in metafunc.fixturenames:
        backends = [("asyncio", {"use_uvloop": uses}) for uses in _LOOPS.values()]
        metafunc.parametrize("anyio_backend", backends, ids=list(_LOOPS))


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """The gateway's way to servers."""
    made = Transport()
    yield made
    await made.aclose()


@pytest.fixture
async def staffed(nats_client: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway's doors with everything behind them: two sessions, one server."""
    async with good_server() as url:
        servers = [
            ServerSection(
                server_id=ServerId("server-1"),
                url=url,
                region="asia-east",
                max_sessions=200,
                capabilities=[ServiceType(name) for name in TYPES],
            )
        ]
        async with (
            house(nats_url, tmp_path / "home", servers),
            desk(nats_client, patience_s=10) as made,
        ):
            await eventually(lambda: is_well(made))
            yield made


@pytest.fixture
async def alone(nats_client: Client) -> AsyncIterator[Desk]:
    """A gateway with no other service behind it."""
    async with desk(nats_client) as made:
        yield made
