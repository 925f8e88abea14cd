"""The balancer's side of an operator's strategy: asked once a batch, and not waited for long.

Theory of operation. Each strategy of that kind that is in force has one child.

    none     -- it is in force ---------------------------------------> starting
    starting -- it says that the function is loaded ------------------> ready
             -- it says a fault, ends, or takes `START_S` ------------> resting
    ready    -- an answer in time ------------------------------------> ready
             -- none within `ANSWER_S`, or no sense in it: killed ----> resting
    resting  -- `AGAIN_FIRST_S`, doubled with each failure in a row --> starting

Only a ready child is asked; whoever asks meanwhile is answered at once that nobody picked. Each
failure is counted, and told by `failures_due`; a function that raises is a failure of that batch
alone, and its child goes on.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from contracts.balancer import StrategyFailed
from contracts.base import Instant, ServerId
from runtime.process.logs import Log
from runtime.texts import as_quoted
from services.balancer.custom.words import PickQuestion, Picks
from services.balancer.strategies import custom_objection, is_custom

ANSWER_S = 0.05
START_S = 10.0
_END_S = 2.0
AGAIN_FIRST_S = 0.5
AGAIN_MAX_S = 60.0
_LINE_BYTES_MAX = 1 << 20
_TOLD_EVERY = timedelta(minutes=1)
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "HOME")
"""What the child may know of ours: nothing in which a secret could be."""
_decoder = msgspec.json.Decoder(Picks)


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong last, and how often since it was told last."""

    strategy: str
    reason: str
    failures: int


class CustomStrategy:
    """One strategy and its child."""

    def __init__(
        self, strategy: str, file: Path, environment: Mapping[str, str], logger: Log
    ) -> None:
        """Start the child; `strategy` is the name in the configuration, `file` where it lies."""
        self._file = file
        self._environment = {
            name: environment[name] for name in _KEPT_ENVIRONMENT if name in environment
        }
        self._logger = logger
        self._strategy = strategy
        self._child: asyncio.subprocess.Process | None = None
        self._ready = False
        self._failures_in_a_row = 0
        self._trouble: Trouble | None = None
        self._starting = asyncio.ensure_future(self._start_child(0.0))
        self._ending: set[asyncio.Task[None]] = set()
        """Children that are killed, and waited for."""

    async def ask_picks(self, question: PickQuestion) -> list[ServerId]:
        """Ask which servers to take, one a call; nothing when nobody picked."""
        child = self._child
        if child is None or not self._ready:
            return []
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                child.stdin.write(msgspec.json.encode(question) + b"\n")
                await child.stdin.drain()
                line = await child.stdout.readline()
            answer = _decoder.decode(line)
        except TimeoutError:
            self._begin_anew(f"no answer within {ANSWER_S * 1000:.0f} ms")
            return []
        except (OSError, ValueError, msgspec.DecodeError):
            self._begin_anew("its process ended, or answered nonsense")
            return []
        if answer.fault or len(answer.picks) != len(question.calls):
            self.note_failure(answer.fault or "it did not answer every call")
            return []
        self._failures_in_a_row = 0
        return answer.picks

    def note_failure(self, reason: str) -> None:
        """Count a failure of the strategy in force."""
        before = self._trouble
        failures = 1 if before is None else before.failures + 1
        self._trouble = Trouble(self._strategy, reason, failures)

    @property
    def trouble(self) -> Trouble | None:
        """What went wrong since it was told last; None when nothing did."""
        return self._trouble

    def forget_failures(self, told: int) -> None:
        """Note that so many failures were told; what came since is left."""
        now = self._trouble
        if now is None or now.failures <= told:
            self._trouble = None
        else:
            self._trouble = Trouble(now.strategy, now.reason, now.failures - told)

    async def close(self) -> None:
        """End the child."""
        self._starting.cancel()
        with suppress(asyncio.CancelledError):
            await self._starting
        self._end_child()
        await asyncio.gather(*self._ending)

    def _begin_anew(self, reason: str) -> None:
        self.note_failure(reason)
        self._end_child()
        again_s = min(AGAIN_FIRST_S * 2 ** min(self._failures_in_a_row, 16), AGAIN_MAX_S)
        self._failures_in_a_row += 1
        self._starting = asyncio.ensure_future(self._start_child(again_s))

    def _end_child(self) -> None:
        child, self._child, self._ready = self._child, None, False
        if child is not None:
            ending = asyncio.ensure_future(_end_process(child))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _start_child(self, after_s: float) -> None:
        """Start a child after a while, and wait until it has loaded the function."""
        await asyncio.sleep(after_s)
        function = self._strategy.rpartition(":")[2]
        try:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "services.balancer.custom.child"),
                *(str(self._file), function),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment,
                limit=_LINE_BYTES_MAX,
                start_new_session=True,  # so that whatever it starts ends with it
            )
        except OSError as error:
            self._begin_anew(f"its process cannot be started: {error}")
            return
        self._child = child
        assert child.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                told = _decoder.decode(await child.stdout.readline())
        except (TimeoutError, ValueError, msgspec.DecodeError):
            told = Picks(fault=f"it was not loaded within {START_S:g} s, or its process ended")
        if told.fault:
            self._begin_anew(told.fault)
            return
        self._ready = True
        self._logger.info("custom_strategy_ready", strategy=self._strategy)


class CustomStrategies:
    """All that are in force."""

    def __init__(
        self, find: Callable[[str], Path], environment: Mapping[str, str], logger: Log
    ) -> None:
        """`find` says where the file of a strategy lies; nothing runs yet."""
        self._find = find
        self._environment = environment
        self._logger = logger
        self._running: dict[str, CustomStrategy] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def use_strategies(self, names: Collection[str]) -> None:
        """Run these from now on, and no others."""
        for name in [*self._running]:
            if name not in names:
                closing = asyncio.ensure_future(self._running.pop(name).close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        for name in names:
            if name not in self._running:
                file = self._find(name.rpartition(":")[0])
                strategy = CustomStrategy(name, file, self._environment, self._logger)
                self._running[name] = strategy

    def file_objection(self, name: str) -> str | None:
        """Say that a strategy has no file here; None when it has, or needs none."""
        if not is_custom(name) or custom_objection(name):
            return None  # of the one there is nothing to say, the other is refused by its name
        file = self._find(name.rpartition(":")[0])
        return None if file.is_file() else f"strategy: there is no file {file} for the balancer"

    async def ask_picks(self, name: str, question: PickQuestion) -> list[ServerId]:
        """Ask one of them which servers to take, one a call; nothing when nobody picked."""
        strategy = self._running.get(name)
        if strategy is None or not question.calls:
            return []
        picks = await strategy.ask_picks(question)
        for call, picked in zip(question.calls, picks, strict=False):
            if all(question.servers[place]["id"] != picked for place in call.eligible):
                strategy.note_failure(f"it named {as_quoted(picked)}, which may not be chosen")
        return picks

    def failures_due(
        self, told: Mapping[str, tuple[StrategyFailed, Instant]], now: Instant
    ) -> list[StrategyFailed]:
        """Decide what is to be journalled of what went wrong, of each once a minute at most.

        `told`: what was last, by strategy, and when.
        """
        troubles = [
            one.trouble
            for name, one in self._running.items()
            if name not in told or now - told[name][1] >= _TOLD_EVERY
        ]
        return [
            StrategyFailed(
                strategy=trouble.strategy, reason=trouble.reason, failures=trouble.failures
            )
            for trouble in troubles
            if trouble is not None
        ]

    def forget_failures(self, name: str, told: int) -> None:
        """Note that so many failures of a strategy were told."""
        if name in self._running:
            self._running[name].forget_failures(told)

    async def close(self) -> None:
        """End every child."""
        self.use_strategies(())
        await asyncio.gather(*self._closing)


async def _end_process(child: asyncio.subprocess.Process) -> None:
    """Kill a child with all that it started, and read what it leaves: its pipes are open till then.

    What left its session, and holds the pipes, is not waited for.
    """
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await child.communicate()
