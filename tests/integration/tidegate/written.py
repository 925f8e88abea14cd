"""A log of a test's own, written as its leader would, and the verbs over it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from typer.testing import CliRunner

from contracts.events import AnyEvent
from contracts.subjects import evt_pool
from runtime.eventlog.writer import SubjectWriter
from tests.unit.pool.builders import after
from tidegate.main import verb_application


@dataclass
class Written:
    """A log of this test's own, and the verbs over it."""

    client: Client
    url: str
    home: Path
    pool: SubjectWriter

    async def write(self, events: Sequence[AnyEvent], seconds: float = 0) -> int:
        return await self.pool.append_events(events, after(seconds))

    async def publish(self, body: bytes, subject: str = "") -> None:
        await self.client.jetstream().publish(subject or evt_pool(), body)

    @property
    def environment(self) -> dict[str, str]:
        return {"TIDEGATE_HOME": str(self.home), "TIDEGATE_NATS_URL": self.url}

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        invoke = partial(CliRunner().invoke, env=self.environment, catch_exceptions=False)
        done = await asyncio.to_thread(invoke, verb_application(arguments[0]), arguments)
        return done.exit_code, done.stdout, done.stderr

    async def audit(self, *arguments: str) -> dict[str, Any]:
        code, out, err = await self.run("audit", "--json", *arguments)
        assert out, err
        return {"exit": code, "stderr": err, **json.loads(out)}
