"""Answers that are kept for a moment: the last to one question, or the last few by their names."""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


_NAME_BYTES = 8


class Recent(Generic[_Answer]):
    """The last answer to one question, asked for once however many ask at the same time."""

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


class RecentByName(Generic[_Answer]):
    """The last few answers, each under a name, until nobody has used it for a while."""

    def __init__(self, kept_s: float, kept_max: int) -> None:
        """Keep `kept_max` answers, each for `kept_s` seconds after it was last used."""
        self._kept_s = kept_s
        self._kept_max = kept_max
        self._kept: OrderedDict[str, tuple[_Answer, float]] = OrderedDict()

    def keep_answer(self, answer: _Answer) -> str:
        """Keep an answer; the name that it has from now on. The oldest gives way."""
        name = secrets.token_hex(_NAME_BYTES)
        self._use_answer(name, answer)
        return name

    def answer_named(self, name: str) -> _Answer | None:
        """Find an answer, which is kept anew by that; None: it is not there any more."""
        self._let_go()
        if name not in self._kept:
            return None
        answer, _ = self._kept[name]
        self._use_answer(name, answer)
        return answer

    def _use_answer(self, name: str, answer: _Answer) -> None:
        self._kept[name] = answer, time.monotonic() + self._kept_s
        self._kept.move_to_end(name)
        self._let_go()

    def _let_go(self) -> None:
        now_s = time.monotonic()
        for name in [name for name, (_, until_s) in self._kept.items() if until_s <= now_s]:
            del self._kept[name]
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
