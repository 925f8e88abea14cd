"""The life of a process: its loop, its signals, and an orderly end."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

_ORPHAN_CHECK_S = 1.0
_CANCEL_AGAIN_S = 5.0
Begun = TypeVar("Begun")


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `main` on uvloop; its event is set by SIGINT, SIGTERM, or the loss of a supervisor.

    A process whose environment holds `TIDEGATE_SUPERVISOR` (a pid) ends when that one does.
    """

    async def start_main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        watch = asyncio.create_task(_watch_supervisor(stop))
        try:
            await main(stop)
        finally:
            watch.cancel()

    collect_rarely()
    try:
        uvloop.run(start_main())
    finally:
        gc.unfreeze()


def collect_rarely() -> None:
    """Leave what was imported out of every garbage collection, and collect seldom.

    Requests and folds make no cycles to speak of; walking the modules' objects again and again
    costs several percent of a busy process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


async def _watch_supervisor(stop: asyncio.Event) -> None:
    supervisor = int(os.environ.get("TIDEGATE_SUPERVISOR", "0"))
    while supervisor:
        # An orphan gets another parent at once; a signal at a parent's death is Linux's alone.
        if os.getppid() != supervisor:
            stop.set()
            return
        await asyncio.sleep(_ORPHAN_CHECK_S)


async def unless_stopped(stop: asyncio.Event, begun: Coroutine[Any, Any, Begun]) -> Begun | None:
    """Wait for what a process needs to begin, such as a connection; None when it shall end."""
    beginning = asyncio.ensure_future(begun)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({beginning, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if beginning.done():  # though it shall end, too: who has the connection closes it
        await end_tasks(stopped)
        return beginning.result()
    await end_tasks(beginning)
    return None


async def until_stopped(stop: asyncio.Event, *tasks: Awaitable[Any]) -> None:
    """Run `tasks` until `stop` is set; the first that ends by an error ends all with it."""
    running = [asyncio.ensure_future(task) for task in tasks]
    stopped = asyncio.ensure_future(stop.wait())
    waiting = {*running, stopped}
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            # Looked at before `stop`: an error that came with it is not swallowed.
            for task in done:
                task.result()
            if stopped in done:
                return
    finally:
        await end_tasks(*running, stopped)


async def end_tasks(*tasks: "asyncio.Future[Any]", again_s: float = _CANCEL_AGAIN_S) -> None:
    """Cancel tasks until they have ended, again every `again_s`; what they raise is theirs.

    Once is not enough: `asyncio.wait_for` (before Python 3.12) swallows a cancellation that
    arrives in the same turn as the result it waits for, and nats-py waits so for every reply.
    `again_s` is longer than any of the tasks needs to tidy up.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=again_s)
    assert all(task.done() for task in tasks), "nobody acts any more when this returns"
    await asyncio.gather(*tasks, return_exceptions=True)
