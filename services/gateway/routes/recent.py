"""An answer that is kept for a moment, and asked for once however many ask at the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Recent(Generic[_Answer]):
    """The last answer to one question."""

    def __init__(self, kept_s: float) -> None:
        """Keep an answer for `kept_s` seconds."""
        self._kept_s = kept_s
        self._asking = asyncio.Lock()
        self._answer: _Answer | None = None
        self._until = 0.0

    async def ask(self, question: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Give the answer there is, or ask for another; an error is nobody's but the asker's."""
        async with self._asking:
            if self._answer is None or time.monotonic() >= self._until:
                self._answer = await question()
                self._until = time.monotonic() + self._kept_s
            return self._answer
