"""Waiting for what becomes true: nobody asserts when; a bound stands for never."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something holds here."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 (what is only a state has no event)
            await asyncio.sleep(0.01)


async def settle() -> None:
    """Let every task here come to what it waits for, where nothing outside is waited for."""
    for _ in range(5):
        await asyncio.sleep(0)


async def eventually(question: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """Ask until the answer is true; that answer."""
    async with asyncio.timeout(seconds):
        while True:
            found = await question()
            if found:
                return found
            await asyncio.sleep(0.02)


def wait_for(true: Callable[[], object], seconds: float = 90) -> None:
    """Wait, in a test that has no loop, for what other processes do."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
