"""A loop of our own: virtual time, several processes in it, and a seed that says who is next.

Each process of the simulation is a `Life`. Whatever a coroutine of it starts belongs to it, by the
context that asyncio hands on. Within a life callbacks run in the order in which they were asked
for, as asyncio promises; among lives the seed chooses. Time stands still while anything can run,
and then jumps to the next timer.

A life may be paused (nothing of it runs; its timers come due all the same, and run afterwards) or
crashed (nothing of it ever runs again: no `finally`, no last word).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

LIFE: ContextVar["Life"] = ContextVar("life")
"""Whose the running code is."""
_CLOSINGS_MAX = 50


class Life:
    """One process, from its start to its end."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.ready: deque[SimulatedHandle] = deque()
        self.runnable = False
        self.paused = False
        self.dead = False
        self.clock_offset = 0.0
        """Seconds by which its wall clock differs from the true time."""
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = copy_context()
        self.context.run(LIFE.set, self)

    def __repr__(self) -> str:
        return self.name


class SimulatedHandle:
    """A callback that is to run; what asyncio's `Handle` and `TimerHandle` offer."""

    __slots__ = ("_when", "args", "callback", "context", "gone", "life")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, life: Life
    ) -> None:
        self.callback: Callable[..., object] = callback
        self.args = args
        self.context = context
        self._when = 0.0
        self.life = life
        self.gone = False

    def cancel(self) -> None:
        self.gone = True
        self.callback, self.args = bool, ()

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self._when


class SimulatedFuture(asyncio.Future):  # type: ignore[type-arg]
    """A future with a hash that is the same in every run: sets of it have one order."""

    def __init__(self, *, loop: "SimulatedLoop") -> None:
        super().__init__(loop=loop)
        self.number = next(loop.numbers)

    def __hash__(self) -> int:
        return self.number


class SimulatedTask(asyncio.Task):  # type: ignore[type-arg]
    """A task with such a hash."""

    def __init__(self, coroutine: Any, *, loop: "SimulatedLoop", context: Context) -> None:
        self.number = next(loop.numbers)
        super().__init__(coroutine, loop=loop, context=context, name="simulated")

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.AbstractEventLoop):
    """The loop of one run."""

    def __init__(self, chance: Random) -> None:
        self.numbers = count(1)
        self.world = Life("world", 0)
        """The network, the disks and whoever watches."""
        self.faults: list[str] = []
        """Errors that nobody caught."""
        self.turns = 0
        self._chance = chance
        self._now = 0.0
        self._lives = [self.world]
        self._runnable: list[Life] = []
        self._timers: list[tuple[float, int, SimulatedHandle]] = []

    # ------------------------------------------------------------------ lives

    def begin_life(self, name: str) -> Life:
        """Start a process; `start_task` and `call_soon` with its context put something into it."""
        life = Life(name, len(self._lives))
        self._lives.append(life)
        return life

    def start_task(self, life: Life, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have a process do something."""
        return self.create_task(coroutine, context=life.context.copy())

    def pause(self, life: Life) -> None:
        """Let nothing of it run for now."""
        life.paused = True
        self._set_aside(life)

    def resume(self, life: Life) -> None:
        """Let it go on."""
        if life.paused and not life.dead:
            life.paused = False
            if life.ready:
                self._set_runnable(life)

    def crash(self, life: Life) -> None:
        """Let nothing of it ever run again."""
        life.dead = True
        life.ready.clear()
        self._set_aside(life)

    # ----------------------------------------------------------------- asyncio

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> SimulatedHandle:
        if context is None:
            context = copy_context()
        life = context.get(LIFE, self.world)
        handle = SimulatedHandle(callback, args, context, life)
        if life.runnable:
            life.ready.append(handle)
        elif not life.dead:
            self._make_ready(life, handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> SimulatedHandle:
        if context is None:
            context = copy_context()
        handle = SimulatedHandle(callback, args, context, context.get(LIFE, self.world))
        handle._when = when
        heappush(self._timers, (when, next(self.numbers), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> SimulatedHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> SimulatedFuture:
        return SimulatedFuture(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> SimulatedTask:
        if context is None:
            context = copy_context()
        task = SimulatedTask(coro, loop=self, context=context)
        life = context.get(LIFE, self.world)
        life.tasks.append(task)
        if len(life.tasks) % 1000 == 0:
            life.tasks = [kept for kept in life.tasks if not kept.done()]
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")

    # --------------------------------------------------------------------- run

    def run_until(self, task: asyncio.Task[Any], turns_max: int) -> Any:
        """Run until a task is done, and return what it returns.

        Raises what it raises, and `RuntimeError` where nothing is left to run, or too much ran.
        """
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            while not task.done():
                self._run_turn()
                if self.turns > turns_max:
                    raise RuntimeError(f"{turns_max} turns were not enough: something spins")
        finally:
            asyncio._set_running_loop(before)
        return task.result()

    def _run_turn(self) -> None:
        """Run what one process has ready, as one turn of its loop."""
        if not self._runnable:
            self._advance_time()
            return
        self.turns += 1
        runnable = self._runnable
        place = int(self._chance.random() * len(runnable)) if len(runnable) > 1 else 0
        life = runnable[place]
        ready = life.ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle.gone:
                continue
            try:
                handle.context.run(handle.callback, *handle.args)
            except Exception as error:  # noqa: BLE001 (a callback that fails is a finding)
                self.faults.append(f"{life}: {error!r}")
            if not life.runnable:
                return
        if not ready:
            self._set_aside(life)

    def _advance_time(self) -> None:
        """Go to the next moment at which something is due."""
        timers = self._timers
        while timers and (timers[0][2].gone or timers[0][2].life.dead):
            heappop(timers)
        if not timers:
            raise RuntimeError("nothing is left to run")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heappop(timers)[2]
            if not handle.gone and not handle.life.dead:
                self._make_ready(handle.life, handle)

    def _make_ready(self, life: Life, handle: SimulatedHandle) -> None:
        life.ready.append(handle)
        if not life.runnable and not life.paused:
            self._set_runnable(life)

    def _set_runnable(self, life: Life) -> None:
        life.runnable = True
        self._runnable.append(life)

    def _set_aside(self, life: Life) -> None:
        if life.runnable:
            life.runnable = False
            self._runnable.remove(life)

    def dispose(self) -> None:
        """End what is left of every task, without a word of it."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            for life in self._lives:
                self.crash(life)
            for task in [task for life in self._lives for task in life.tasks if not task.done()]:
                task._log_destroy_pending = False
                for _ in range(_CLOSINGS_MAX):
                    try:
                        task.get_coro().close()
                        break
                    except RuntimeError:
                        continue  # it awaited something more on its way out
        finally:
            asyncio._set_running_loop(before)
        for life in self._lives:
            life.tasks.clear()
