"""What several modules of doors begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.base import ServerId, ServiceType
from services.balancer.settings import ServerSection
from tests.integration.gateway.calls import TYPES
from tests.integration.gateway.doors import Desk, desk, house, upstream, well
from tests.waiting import eventually


@pytest.fixture
async def staffed(nats_client: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway's doors with everything behind them: two sessions, one server."""
    async with upstream() as url:
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
            await eventually(lambda: well(made))
            yield made


@pytest.fixture
async def alone(nats_client: Client) -> AsyncIterator[Desk]:
    """A gateway with no other service behind it."""
    async with desk(nats_client) as made:
        yield made
