"""An admin's desk with analytics behind it that has read a story to its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Ping, Pong
from runtime.nats.connection import UnansweredError, ask_command
from services.analytics import app
from services.analytics.settings import AnalyticsSection, Settings
from tests.integration.analytics.parts import history, publish
from tests.integration.gateway.doors import Desk, desk, environment
from tests.unit.analytics.builders import Story
from tests.waiting import eventually

_pong = msgspec.json.Decoder(Pong)


async def has_figures(front: Desk) -> bool:
    """Whether figures are answered, and not being made anew."""
    key = {"authorization": f"Bearer {front.admin}"}
    return (await front.http.get("/api/stats/summary", headers=key)).is_success


@asynccontextmanager
async def office(
    client: Client, url: str, home: Path, story: Story | None = None, **settings: Any
) -> AsyncIterator[Desk]:
    """An admin's desk with analytics behind it that has read a story to its end."""
    story = story or history()
    await publish(client, story)
    stop = asyncio.Event()
    section = AnalyticsSection(**settings)
    running = asyncio.create_task(
        app.run(stop, environment(home, url), lambda: Settings(analytics=section))
    )

    async def caught_up() -> bool:
        try:
            found = await ask_command(client, subjects.ANALYTICS_PING, Ping(), _pong, 5.0)
        except UnansweredError:
            return False
        return bool(found.sequence >= len(story.stored))

    async with desk(client, patience_s=5) as front:
        await eventually(caught_up)
        await eventually(lambda: has_figures(front))
        yield front
        stop.set()
        await running
