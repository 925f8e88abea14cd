"""A balancer that has nothing to journal proves all the same that the log takes writes (ADR 26)."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.balancer import Selected
from contracts.base import Ping, Pong
from runtime.eventlog import UNWRITABLE
from runtime.eventlog import writer as writing
from runtime.nats import natsserver
from tests.bounded import bound
from tests.integration.balancer.bench import Bench, fetched
from tests.tinyserver import listening
from tests.unit.balancer.builders import wanted
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_an_idle_balancer_says_that_the_log_takes_no_writes_and_selects_all_the_same(
    nats_url: str, nats_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is bound to one byte, and opened again; nothing happens meanwhile but probes."""
    monkeypatch.setattr(writing, "_WRITE_EVERY_S", 0.1)
    monkeypatch.setattr(writing, "_UNWRITABLE_S", 0.5)
    bench, health = Bench(nats_client, nats_url, tmp_path), natsserver.free_port()
    async with listening() as port, bench.balancer(health):
        bench.named(port)
        await bench.well(1)
        await bound(nats_client, 1)

        async def unwritable() -> bool:
            return UNWRITABLE in await fetched(health, "/readyz")

        await eventually(unwritable)
        pong = await bench.ask(subjects.BALANCER_PING, Ping())

        assert isinstance(pong, Pong)
        assert pong.unwritable_s >= 0.5
        assert isinstance((await bench.select(wanted("r.1")))[0], Selected)

        await bound(nats_client, 100_000_000)

        async def ready() -> bool:
            return " 200 " in await fetched(health, "/readyz")

        await eventually(ready)
        before = len(await bench.journal())
        last = await bench.log.last_stored(subjects.EVT_BALANCER)
        assert last is not None

        async def more() -> bool:
            now = await bench.log.last_stored(subjects.EVT_BALANCER)
            return now is not None and now.sequence > last.sequence

        await eventually(more)
        assert len(await bench.journal()) == before
