"""The balancer's side of an operator's strategy: asked once a batch, and not waited for long.

Theory of operation. There is one child at most, for the strategy that is in force.

    none     -- a strategy is wanted ---------------------------------> starting
    starting -- it says that the function is loaded ------------------> ready
             -- it says a fault, ends, or takes `START_S` ------------> resting
    ready    -- an answer in time ------------------------------------> ready
             -- none within `ANSWER_S`, or no sense in it: killed ----> resting
    resting  -- `AGAIN_FIRST_S`, doubled with each failure in a row --> starting

Only a ready child is asked; whoever asks meanwhile is answered at once that nobody picked. Each
failure is counted, and told by `take_trouble`; a function that raises is a failure of that batch
alone, and its child goes on.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from contracts.base import ServerId
from runtime.process.logs import Log
from services.balancer.custom.words import PickQuestion, Picks

ANSWER_S = 0.05
START_S = 10.0
AGAIN_FIRST_S = 0.5
AGAIN_MAX_S = 60.0
_LINE_BYTES_MAX = 1 << 20
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "HOME")
"""What the child may know of ours: nothing in which a secret could be."""
_decoder = msgspec.json.Decoder(Picks)


class Trouble(msgspec.Struct, frozen=True):
    """What went wrong last, and how often since it was told last."""

    strategy: str
    reason: str
    failures: int


class CustomStrategies:
    """The one child, for whichever strategy is in force."""

    def __init__(self, folder: Path, environment: Mapping[str, str], logger: Log) -> None:
        """`folder` is where files are looked for; nothing runs yet."""
        self._folder = folder
        self._environment = {
            name: environment[name] for name in _KEPT_ENVIRONMENT if name in environment
        }
        self._logger = logger
        self._strategy = ""
        self._child: asyncio.subprocess.Process | None = None
        self._ready = False
        self._failures_in_a_row = 0
        self._trouble: Trouble | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        """Children that are killed, and waited for."""

    def use_strategy(self, strategy: str) -> None:
        """Run this strategy's child from now on, or none where it is empty."""
        if strategy == self._strategy:
            return
        self._strategy = strategy
        self._failures_in_a_row = 0
        self._end_child()
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        if strategy:
            self._starting = asyncio.ensure_future(self._start_child(strategy, 0.0))

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

    def forget_trouble(self, told: Trouble) -> None:
        """Note that this was told; what came since is left."""
        now = self._trouble
        if now is None or now.failures <= told.failures:
            self._trouble = None
        else:
            self._trouble = Trouble(now.strategy, now.reason, now.failures - told.failures)

    async def close(self) -> None:
        """End the child."""
        starting = self._starting
        self.use_strategy("")
        if starting is not None:
            with suppress(asyncio.CancelledError):
                await starting
        await asyncio.gather(*self._ending)

    def _begin_anew(self, reason: str) -> None:
        self.note_failure(reason)
        self._end_child()
        again_s = min(AGAIN_FIRST_S * 2 ** min(self._failures_in_a_row, 16), AGAIN_MAX_S)
        self._failures_in_a_row += 1
        self._starting = asyncio.ensure_future(self._start_child(self._strategy, again_s))

    def _end_child(self) -> None:
        child, self._child, self._ready = self._child, None, False
        if child is not None:
            ending = asyncio.ensure_future(_end_process(child))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _start_child(self, strategy: str, after_s: float) -> None:
        """Start a child after a while, and wait until it has loaded the function."""
        await asyncio.sleep(after_s)
        file, _, function = strategy.rpartition(":")
        try:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "services.balancer.custom.child"),
                *(str(self._folder / file), function),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment,
                limit=_LINE_BYTES_MAX,
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
        self._logger.info("custom_strategy_ready", strategy=strategy)


async def _end_process(child: asyncio.subprocess.Process) -> None:
    """Kill a child and read what it leaves: until then its pipes are open."""
    with suppress(ProcessLookupError):
        child.kill()
    await child.communicate()
