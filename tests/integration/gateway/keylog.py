"""Gateways that know keys: logs of keys, followed, and keys issued in them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from nats.aio.client import Client

from contracts.base import WriterId
from contracts.gateway import KeyBounds, Scope
from runtime.clock import system_clock
from runtime.eventlog import EventLog
from runtime.process import lifecycle
from services.gateway.clients.keys import Key
from services.gateway.store import KeyLog
from tests.waiting import until

FREE = KeyBounds()


def key_log(client: Client, name: str, log: EventLog | None = None) -> KeyLog:
    return KeyLog(
        log or EventLog(client),
        WriterId(name),
        system_clock,
        structlog.wrap_logger(structlog.ReturnLogger()),
    )


@asynccontextmanager
async def following(*logs: KeyLog) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(log.run()) for log in logs]
    try:
        await until(lambda: all(log.is_ready for log in logs))
        yield
    finally:
        await lifecycle.end_tasks(*tasks)


async def issue(log: KeyLog, name: str, scope: Scope = Scope.CLIENT) -> tuple[Key, str]:
    found = await log.issue_key(name, scope, FREE, "test")
    assert isinstance(found, tuple)
    return found
