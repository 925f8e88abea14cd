"""A stack that serves many cells, and one cell on it: load, a fault, its end, and what it cost."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from contracts.balancer import ServerHalfOpened
from contracts.pool import (
    LeaseCancelled,
    LeaseExpired,
    LeaseGranted,
    SessionStatus,
    UsageRecorded,
    Verdict,
)
from tests.e2e.stack import Stack
from tests.failing.figures import Cell, Course, Figures, bound_breaks, cell_figures, outs
from tests.failing.log import GrowingLog
from tests.failing.ways import MANNERS, NORMAL_MS, begin_failing, end_failing

PROCESSES = ("one", "two", "three", "four")
VICTIM = "one"
"""The process that fails; in the log it has a name of its own in each cell."""
CONCURRENCY = 16
CONSECUTIVE_FAILURES = 5
_EXCHANGE_MAX_S = 3
_PAUSE_S = 0.1
"""At most so long between two calls of one client: else all of them would call in waves."""
_WARM_CALLS = 20
_WARM_S = 20.0
_FAILS_S = 2.0
"""How long what must not go out is watched."""
_OUT_MAX_S = 12.0
_ALIKE = {"max_sessions": 5000, "capabilities": ["image", "video", "avatar"]}
_PERIODS = 2
_PERIODS_MAX_S = 5.0
_BACK_MAX_S = 30.0


@dataclass
class Tried:
    """One cell, tried."""

    cell: Cell
    figures: Figures
    breaks: list[str]
    answers: dict[str, int] = field(default_factory=dict)
    """What clients were answered from its first failure on, by status and code."""


def make_stack(home: Path) -> Stack:
    """Make a stack with short times and big limits; nothing runs yet."""
    stack = Stack(
        home,
        TIDEGATE_BALANCER_PROBE_INTERVAL="1s",
        TIDEGATE_BALANCER_PROBE_TIMEOUT="1s",
        TIDEGATE_BALANCER_CONSECUTIVE_FAILURES=str(CONSECUTIVE_FAILURES),
        TIDEGATE_BALANCER_EJECTION_BASE="1s",
        TIDEGATE_BALANCER_EJECTION_CAP="2s",
        TIDEGATE_BALANCER_SLOW_START="1s",
        TIDEGATE_GATEWAY_EXCHANGE_MAX=f"{_EXCHANGE_MAX_S}s",
        TIDEGATE_GATEWAY_FIRST_BYTE_TIMEOUT=f"{_EXCHANGE_MAX_S - 0.5}s",
        TIDEGATE_POOL_MIN_SIZE="300",
        TIDEGATE_POOL_MAX_SIZE="300",
        TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="100000",
    )
    stack.configure(stack.servers_toml(*PROCESSES))
    return stack


def start_stack(stack: Stack) -> None:
    """Start everything, and wait until it is ready."""
    stack.start_all(*PROCESSES, being=("--latency-ms", str(NORMAL_MS)))


class Clients:
    """So many calls at once, for as long as it lasts."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack = stack
        self._chance = random.Random(seed)
        self.answers: dict[str, int] = {}
        self._over = False

    async def run(self) -> None:
        """Call until `stop`; return when the last call is answered."""
        limits = httpx.Limits(max_connections=CONCURRENCY)
        async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
            await asyncio.gather(*(self._call_on(client) for _ in range(CONCURRENCY)))

    def stop(self) -> None:
        """Begin no further call."""
        self._over = True

    async def _call_on(self, client: httpx.AsyncClient) -> None:
        while not self._over:
            answer = await client.post(
                f"{self._stack.url()}/v1/images/generations",
                headers={"Authorization": f"Bearer {self._stack.client_key}"},
                json={"model": "jimeng-4.0", "prompt": "a gate"},
            )
            code = "ok" if answer.status_code == 200 else answer.json()["error"]["code"]
            name = f"{answer.status_code} {code}"
            self.answers[name] = self.answers.get(name, 0) + 1
            await asyncio.sleep(self._chance.uniform(0, _PAUSE_S))


async def try_cell(
    stack: Stack, log: GrowingLog, cell: Cell, number: int, amid: Callable[[], None] = lambda: None
) -> Tried:
    """Let one server fail under load and be well again; read from the log what it cost.

    `amid` is done once it is out; it may block.
    """
    server_id = f"{VICTIM}-{number}"
    began = len(log.events)
    await asyncio.to_thread(_arrange, stack, cell, server_id)
    clients = Clients(stack, number)
    calling = asyncio.create_task(clients.run())
    try:
        served = await log.until(
            lambda: _good_answers(log, began, server_id) >= _WARM_CALLS, _WARM_S
        )
        assert served, f"{cell}: {server_id} is not called"
        clients.answers.clear()
        course = await _fail(stack, log, cell, server_id, amid)
        await log.until(
            lambda: cell_figures(log.events[began:], course).back_s is not None, _BACK_MAX_S
        )
    finally:
        clients.stop()
        await calling
    await log.until(lambda: not _open_leases(log, began), 2 * _BACK_MAX_S)
    await asyncio.to_thread(_tidy, stack, server_id)
    figures = cell_figures(log.events[began:], course)
    return Tried(cell, figures, list(bound_breaks(cell, course, figures)), clients.answers)


async def _fail(
    stack: Stack, log: GrowingLog, cell: Cell, server_id: str, amid: Callable[[], None]
) -> Course:
    """Let it fail until it is out and was tried again, or for as long as it is watched."""
    failing_at = datetime.now(UTC)
    await asyncio.to_thread(begin_failing, stack, cell.way, VICTIM)
    course = Course(
        server_id=server_id,
        failing_at=failing_at,
        well_at=failing_at,
        concurrency=CONCURRENCY,
        consecutive_failures=CONSECUTIVE_FAILURES,
    )
    began = len(log.events)
    manner = MANNERS[cell.way]
    if manner.goes_out if cell.servers > 1 else manner.goes_out_alone:
        await log.until(lambda: any(True for _ in outs(log.events[began:], course)), _OUT_MAX_S)
        await asyncio.to_thread(amid)
        # Whom probes call down is not tried again: this only watches it.
        watched_s = _FAILS_S if manner.fault is None else _PERIODS_MAX_S
        await log.until(lambda: _half_opened(log, began, server_id) >= _PERIODS, watched_s)
    else:
        await asyncio.sleep(_FAILS_S)
    # Whatever is sent to it from here on may be answered well.
    well_at = datetime.now(UTC)
    await asyncio.to_thread(end_failing, stack, cell.way, VICTIM)
    return Course(
        server_id=server_id,
        failing_at=failing_at,
        well_at=well_at,
        concurrency=CONCURRENCY,
        consecutive_failures=CONSECUTIVE_FAILURES,
    )


def _arrange(stack: Stack, cell: Cell, server_id: str) -> None:
    """Have just the servers of this cell, by its strategy, all of them up."""
    stack.api("/api/balancer/strategy", "PUT", json={"strategy": cell.strategy})
    names = {server_id: VICTIM} | {name: name for name in PROCESSES[1 : cell.servers]}
    there = {one["server"]["server_id"] for one in stack.api("/api/servers")["data"]}
    for name in names.keys() - there:
        # All alike: else the one that names what it can do is preferred to the other.
        body = {"id": name, "url": stack.demo_url(names[name]), **_ALIKE}
        stack.api("/api/servers", "POST", json=body)
    for name in there - names.keys():
        stack.api(f"/api/servers/{name}", "DELETE")

    def healthy() -> set[str]:
        servers = stack.api("/api/servers")["data"]
        return {one["server"]["server_id"] for one in servers if one["healthy"]}

    stack.eventually(healthy, set(names), 30)


def _tidy(stack: Stack, server_id: str) -> None:
    """Take the server out, and let sessions that were called expired work again."""
    stack.api(f"/api/servers/{server_id}", "DELETE")
    for session in stack.api("/api/sessions?limit=10000")["data"]:
        if session["status"] in {SessionStatus.SUSPECT, SessionStatus.DISABLED}:
            path = f"/api/sessions/{session['session_id']}"
            stack.api(path, "PATCH", json={"status": str(SessionStatus.ACTIVE)})


def _good_answers(log: GrowingLog, began: int, server_id: str) -> int:
    """Count the calls that a server answered well."""
    return sum(
        isinstance(logged.event, UsageRecorded)
        and logged.event.verdict is Verdict.SUCCESS
        and logged.event.attempts[-1].server_id == server_id
        for logged in log.events[began:]
    )


def _half_opened(log: GrowingLog, began: int, server_id: str) -> int:
    return sum(
        isinstance(logged.event, ServerHalfOpened) and logged.event.server_id == server_id
        for logged in log.events[began:]
    )


def _open_leases(log: GrowingLog, began: int) -> set[str]:
    """Leases that have no end yet."""
    held: set[str] = set()
    for logged in log.events[began:]:
        event = logged.event
        if isinstance(event, LeaseGranted):
            held.add(event.lease_id)
        elif isinstance(event, UsageRecorded | LeaseExpired | LeaseCancelled):
            held.discard(event.lease_id)
    return held


def audit_complaint(stack: Stack) -> str:
    """Audit the whole log when every lease has its end; empty when it is clean."""
    stack.wait_for_ends(60)
    deadline = time.monotonic() + 60
    while True:
        report = stack.audit()
        clean = not report["exit"] and not report["violations"]
        if clean or time.monotonic() > deadline:
            return "" if clean else f"audit: exit {report['exit']}, {report['violations'][:5]}"
        time.sleep(1)
