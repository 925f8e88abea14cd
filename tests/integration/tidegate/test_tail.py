"""`tidegate tail` as a process beside a log that grows."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.base import LeaderElected, LeaseId, SessionId
from contracts.events import AnyEvent
from contracts.pool import LeaseRenewed
from contracts.subjects import evt_pool
from runtime.environment import read_environment
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats.connection import connect_as
from tests.e2e.stack import Stack
from tests.unit.pool.builders import (
    IMAGE,
    LEADER,
    after,
    lease_granted,
    policy_changed,
    session_added,
    session_requested,
    usage,
)

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
LINES_S = 60
FIRST = 2
"""Sequence of the pool's first envelope: the first keys stand before it."""


class Tail:
    """One `tidegate tail`, read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(LINES_S):
            return (await self.process.stdout.readline()).decode()

    async def note(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(LINES_S):
            return (await self.process.stderr.readline()).decode()

    async def events(self, count: int) -> list[Any]:
        return [json.loads(await self.line()) for _ in range(count)]

    async def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A NATS with a pool's log, which no test changes but by appending."""
    stack = Stack(tmp_path_factory.mktemp("tail") / "home")
    try:
        stack.start_nats()
        one, two = lease_granted("one", IMAGE, "r1"), lease_granted("two", IMAGE, "r2")
        asyncio.run(
            append_commits(
                stack,
                [LeaderElected(writer=LEADER, epoch=1)],
                [policy_changed(), session_added("one"), session_added("two")],
                [session_requested(request="r1", client_request_id="mine"), one, two],
                [LeaseRenewed(lease_id=LeaseId("r1.1"), expires_at=after(900))],
                [usage(one), usage(two)],
            )
        )
        yield stack
    finally:
        stack.close()


async def append_commits(stack: Stack, *commits: Sequence[AnyEvent]) -> None:
    client = await connect_as(read_environment(stack.environment), "pool")
    writer = SubjectWriter(EventLog(client), evt_pool(), LEADER)
    for stored in await writer.stored_behind():
        writer.note_stored(stored)
    writer.epoch = 1
    for events in commits:
        await writer.append_events(events, writer.next_instant(after(0)))
    await client.close()


@asynccontextmanager
async def tailed(stack: Stack, *words: str) -> AsyncIterator[Tail]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate.main", "tail", *words),
        env=stack.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Tail(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_line_is_readable_and_stands_under_the_others(shared: Stack) -> None:
    async with tailed(shared, "evt.pool.*", "--from", str(FIRST)) as tail:
        lines = [await tail.line() for _ in range(10)]
        code, _, err = await tail.end()

    assert (code, err) == (0, "")
    assert lines[0].startswith(
        "       2.0  2025-03-01T12:00:00.000Z  evt.pool.0    leader_elected "
    )
    assert len({line.index("evt.pool.0") for line in lines}) == 1
    assert [line.split()[3] for line in lines[1:4]] == [
        "policy_changed",
        "session_added",
        "session_added",
    ]
    assert "attempts=" in lines[-1]
    assert "candidates" not in lines[-1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--type", "session_added"], ["3.1", "3.2"]),
        (["--type", "lease_*", "--type", "usage_*"], ["4.1", "4.2", "5.0", "6.0", "6.1"]),
        (["--session", "one"], ["3.1", "4.1", "5.0", "6.0"]),
        (["--request", "r1"], ["4.0", "4.1", "5.0", "6.0"]),
        (["--request", "mine"], ["4.0", "4.1", "5.0", "6.0"]),
        (["--request", "r1", "--type", "lease_*"], ["4.1", "5.0"]),
    ],
)
async def test_only_what_is_asked_for_is_shown(
    shared: Stack, words: list[str], expected: list[str]
) -> None:
    async with tailed(shared, "--json", "--from", "1", *words) as tail:
        found = [event["event"] for event in await tail.events(len(expected))]
        code, _, _ = await tail.end()

    assert (found, code) == (expected, 0)


@pytest.mark.parametrize(
    ("words", "first"), [(["--after", "5"], "6.0"), (["--from", "5"], "5.0"), (["--last", "1"], "")]
)
async def test_it_begins_where_it_is_told(shared: Stack, words: list[str], first: str) -> None:
    async with tailed(shared, "--json", *words) as tail:
        (event,) = await tail.events(1)
        await tail.end()

    if first:
        assert event["event"] == first
    else:
        assert event["event"].endswith(".0")
        assert int(event["event"].partition(".")[0]) >= 6


async def test_it_begins_at_the_end_and_shows_what_comes(shared: Stack) -> None:
    async with tailed(shared, "--json", "--session", "later") as tail:
        added = 0
        while tail.process.stdout is not None:
            await append_commits(shared, [session_added("later")])
            added += 1
            try:
                async with asyncio.timeout(2):
                    line = await tail.process.stdout.readline()
            except TimeoutError:  # it was not there yet: what was added is before its beginning
                continue
            break
        code, _, _ = await tail.end(signal.SIGTERM)

    assert json.loads(line)["session_id"] == SessionId("later")
    assert (code, added >= 1) == (0, True)


async def test_it_outlives_a_restart_of_nats(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "home")
    try:
        await asyncio.to_thread(stack.start_nats)
        async with tailed(stack, "--json", "--from", "1") as tail:
            (keys, _) = await tail.events(2)
            await asyncio.to_thread(stack.kill, "nats", signal.SIGKILL)
            away = await tail.note()
            await asyncio.to_thread(stack.start_nats)
            back = await tail.note()
            await append_commits(stack, [session_added("one")])
            (added,) = await tail.events(1)
            code, _, _ = await tail.end()
    finally:
        await asyncio.to_thread(stack.close)

    assert (keys["event"], added["event"], added["session_id"]) == ("1.0", "2.0", "one")
    assert "went away: waiting for it" in away
    assert "is back" in back
    assert code == 0


async def test_a_reader_that_has_seen_enough_ends_it_quietly(shared: Stack) -> None:
    async with tailed(shared, "--from", "1") as tail:
        await tail.line()
        pipe = tail.process._transport.get_pipe_transport(1)
        assert pipe is not None
        pipe.close()
        ended = asyncio.create_task(tail.process.wait())
        while not ended.done():
            await append_commits(shared, [session_added("unseen")])
        assert tail.process.stderr is not None
        err = await tail.process.stderr.read()

    assert (ended.result(), err) == (0, b"")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rpc.>"], "expected a subject of the log"),
        (["--type", "lease_grunted"], "expected one of"),
        (["--from", "3", "--last", "3"], "expected only one of"),
    ],
)
def test_what_cannot_be_asked_is_refused(shared: Stack, words: list[str], told: str) -> None:
    done = shared.tidegate("tail", *words)

    assert done.returncode == 2
    assert told in " ".join(done.stderr.replace("│", " ").split())
