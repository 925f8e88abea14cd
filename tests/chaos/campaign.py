"""A plan and its traffic, together, against whatever can kill, pause and start processes."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from tests.chaos import traffic
from tests.chaos.plan import Action, Fault, Plan, Role
from tests.chaos.report import Failed, Happened
from tests.chaos.traffic import Load

_READY_MAX_S = 60.0


class Actor(Protocol):
    """Does to processes what a plan says."""

    @property
    def ways(self) -> "Mapping[Action, Way]":
        """How each action is done, and undone."""

    def players(self, role: Role) -> Sequence[str]:
        """Names of those that play a role at this moment."""

    def standbys(self, name: str) -> Sequence[str]:
        """Names of those that could stand in for it."""

    def ready(self, name: str) -> bool:
        """Whether it says that it is ready."""

    def fail_server(self, pick: int, *, accepted: bool) -> str:
        """Have one of the servers, modulo their number, fail every call; its id in the log."""

    def mend_server(self, pick: int) -> None:
        """Have it fail now and then, like the others."""


@dataclass(frozen=True)
class Way:
    """One action: each half is given a name, and returns when it is done (it may block)."""

    begin: Callable[[str], None]
    end: Callable[[str], None]


@dataclass
class Campaign:
    """One run: what is to happen, and what did."""

    plan: Plan
    actor: Actor
    tell: Callable[[str], None]
    happened: list[Happened] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    """When a server failed every call."""
    began: float = 0.0

    def clock(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    async def run(self, load: Load) -> None:
        """Let every fault happen amid the calls; return when all calls are answered."""
        self.began = time.monotonic()
        calling = asyncio.create_task(traffic.make_calls(load))
        failing = asyncio.create_task(self._fail_server())
        try:
            await self._befall()
            await failing
            await asyncio.sleep(max(0.0, self.plan.seconds - self.clock()))
        finally:
            failing.cancel()
            load.over.set()
        await calling

    async def _befall(self) -> None:
        watches = []
        for fault in self.plan.faults:
            await asyncio.sleep(max(0.0, fault.at_s - self.clock()))
            players = await asyncio.to_thread(self.actor.players, fault.role)
            name = players[fault.pick % len(players)]
            if not await self._can_be_spared(name):
                continue
            done = await asyncio.to_thread(self._done, fault, name)
            lasted_s = done.ended_s - done.began_s
            self.tell(f"{done.began_s:7.1f} s  {done.kind} ({name}) for {lasted_s:.1f} s")
            watches.append(asyncio.create_task(self._watched(done)))
        self.happened = list(await asyncio.gather(*watches))

    async def _fail_server(self) -> None:
        """Let one server fail for its stretches, whatever befalls the others."""
        pick = self.plan.failing
        for stretch in self.plan.stretches:
            await asyncio.sleep(max(0.0, stretch.at_s - self.clock()))
            fail = partial(self.actor.fail_server, pick, accepted=stretch.accepted)
            server_id = await asyncio.to_thread(fail)
            began_s, began_at = self.clock(), datetime.now(UTC)
            await asyncio.sleep(stretch.lasts_s)
            failed = Failed(server_id, began_s, began_at, self.clock(), datetime.now(UTC))
            await asyncio.to_thread(self.actor.mend_server, pick)
            self.failed.append(failed)
            work = "after the work" if stretch.accepted else "before any work"
            self.tell(f"{began_s:7.1f} s  {server_id} answers 500 {work}, {stretch.lasts_s:.1f} s")

    async def _can_be_spared(self, name: str) -> bool:
        """Wait until whoever could stand in is ready: one of two may fail, not both at once."""
        for standby in self.actor.standbys(name):
            while not await asyncio.to_thread(self.actor.ready, standby):
                if self.clock() > self.plan.seconds:
                    return False
                await asyncio.sleep(0.1)
        return True

    def _done(self, fault: Fault, name: str) -> Happened:
        """Do one fault and undo it."""
        way = self.actor.ways[fault.action]
        began_s = self.clock()
        way.begin(name)
        struck_s = self.clock()
        time.sleep(fault.lasts_s)
        way.end(name)
        return Happened(fault.kind, name, began_s, struck_s, ended_s=self.clock())

    async def _watched(self, done: Happened) -> Happened:
        """Wait until the process is ready again."""
        while not await asyncio.to_thread(self.actor.ready, done.name):
            if self.clock() > done.ended_s + _READY_MAX_S:
                self.tell(f"{done.name} is not ready {_READY_MAX_S:g} s after {done.kind}")
                break
            await asyncio.sleep(0.1)
        return replace(done, ready_s=self.clock())
