"""The process that makes snapshots, and the pool processes that start it: real ones all of them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from contracts import subjects
from runtime.environment import Environment, read_environment
from runtime.nats import natsserver, streams
from runtime.process import logs
from services.pool import app
from services.pool.commits import rounds
from services.pool.metrics import Metrics
from services.pool.snapshots import keeping
from services.pool.snapshots.bucket import SnapshotBucket
from services.pool.snapshots.keeping import SnapshotKeeper
from services.pool.snapshots.making import MEMORY_SHORT, NOTHING_NEW
from tests.integration.pool.room import Room, image_wanted, lease, pool, settings
from tests.waiting import until

pytestmark = pytest.mark.anyio
MEMORY = str(2 * 1024**3)
PASSWORD = "secret"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Environment]:
    """A nats-server with its users, and the home of a pool process, which knows two of them."""
    port = natsserver.free_port()
    users = tmp_path / "users.conf"
    users.write_text(natsserver.accounts_text(dict.fromkeys(subjects.USERS, PASSWORD)))
    config = tmp_path / "nats.conf"
    config.write_text(natsserver.configuration_text(tmp_path / "nats", port, users))
    process = natsserver.start_server(config, tmp_path / "nats.log", port)
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    for user in ("pool", "snapshotter"):
        (home / "secrets" / f"{user}.nats").write_text(PASSWORD)
    url = f"nats://127.0.0.1:{port}"
    yield read_environment({"TIDEGATE_HOME": str(home), "TIDEGATE_NATS_URL": url})
    process.terminate()
    process.wait(10)


async def connected_as(environment: Environment, user: str) -> Client:
    """A connection as one of the users."""
    assert environment.nats_url is not None
    url = environment.nats_url.replace("://", f"://{user}:{PASSWORD}@")
    return await nats.connect(url, inbox_prefix=f"_INBOX_{user}".encode())


@asynccontextmanager
async def pool_at(environment: Environment, **section: Any) -> AsyncIterator[Room]:
    """A pool process as its own user."""
    assert environment.nats_url is not None
    url = environment.nats_url.replace("://", f"://pool:{PASSWORD}@")
    async with pool(url, lambda: settings(5, 10_000, **section)) as room:
        yield room


async def term_journalled(environment: Environment, batches: int = 1) -> None:
    """The streams are made; a leader leases something, and ends with a checkpoint."""
    migrate = await connected_as(environment, "migrate")
    await streams.migrate_streams(migrate, 200_000_000)
    await migrate.close()
    gateway = await connected_as(environment, "gateway")
    async with pool_at(environment) as room:
        await room.leading()
        for _ in range(batches):
            await lease(gateway, *(image_wanted() for _ in range(200)))
        await room.stopped()
    await gateway.close()


async def maker_started(
    environment: Environment, memory: str = MEMORY
) -> asyncio.subprocess.Process:
    """The process that makes one, as a pool process starts it."""
    variables = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TIDEGATE_HOME": str(environment.home.path),
        "TIDEGATE_NATS_URL": environment.nats_url or "",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.pool.snapshots", memory, env=variables
    )


async def kept_sequences(environment: Environment) -> list[int]:
    """Of the snapshots there are, as the pool sees them."""
    client = await connected_as(environment, "pool")
    kept = await SnapshotBucket(client).newest_first()
    await client.close()
    return [one.sequence for one in kept]


async def test_the_process_makes_one_with_no_more_than_its_users_permissions(
    guarded: Environment,
) -> None:
    await term_journalled(guarded)

    process = await maker_started(guarded)

    assert await process.wait() == 0
    (sequence,) = await kept_sequences(guarded)
    again = await maker_started(guarded)
    assert await again.wait() == NOTHING_NEW
    assert await kept_sequences(guarded) == [sequence]


async def test_a_process_that_is_killed_leaves_nothing_in_the_way_of_the_next(
    guarded: Environment,
) -> None:
    """Killed at any moment of its life: at its start, while it reads, while it writes."""
    await term_journalled(guarded)
    for tenths in range(1, 9):
        process = await maker_started(guarded)
        await asyncio.sleep(tenths / 10)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()

    await term_journalled(guarded)
    last = await maker_started(guarded)

    assert await last.wait() == 0
    assert len(await kept_sequences(guarded)) in (1, 2)


async def test_without_a_password_it_says_so_and_ends(guarded: Environment) -> None:
    guarded.home.nats_password("snapshotter").unlink()

    process = await maker_started(guarded)

    assert await process.wait() == 1


async def test_what_needs_more_memory_than_it_may_take_ends_and_says_so(
    guarded: Environment,
) -> None:
    """Less than a Python process has taken before it does anything: it gets no more."""
    await term_journalled(guarded, batches=20)
    process = await maker_started(guarded, str(1024**2))

    assert await process.wait() == MEMORY_SHORT
    assert await kept_sequences(guarded) == []


async def test_it_gives_way_to_everybody_and_takes_no_more_than_it_may() -> None:
    text = (
        "import os, resource\n"
        "from services.pool.snapshots.making import bound_process\n"
        "bound_process(2 * 1024**3)\n"
        "print(os.nice(0), resource.getrlimit(resource.RLIMIT_AS)[0])\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        text,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()

    assert told.split() == [b"19", b"2147483648"]


# ---------------------------------------------------------------- who starts it, and when


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper that looks all the time, and finds any log worth a snapshot."""
    monkeypatch.setattr(keeping, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(keeping, "WORTH_MESSAGES", 1)
    monkeypatch.setattr(keeping, "_LEADER_WAITS_S", 0.5)
    monkeypatch.setattr(rounds, "CHECKPOINT_EVENTS", 5)


def keeper_of(environment: Environment, room: Room) -> tuple[SnapshotKeeper, Metrics]:
    """The keeper of a pool process."""
    metrics = room.parts.metrics
    keeper = SnapshotKeeper(
        environment,
        room.client,
        room.parts.leadership,
        room.parts.ledger,
        metrics=metrics,
        logger=logs.configure_logs("pool"),
    )
    return keeper, metrics


def results_counted(metrics: Metrics, result: str) -> float:
    """How many snapshots ended so."""
    return metrics.snapshots.labels(result)._value.get()


@pytest.mark.usefixtures("hurried")
async def test_a_standby_has_it_made_and_the_leader_does_not(
    guarded: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_LEADER_WAITS_S", 60.0)
    await term_journalled(guarded)
    async with pool_at(guarded) as one, pool_at(guarded) as two:
        await until(lambda: one.parts.leadership.leading or two.parts.leadership.leading)
        leader, standby = (one, two) if one.parts.leadership.leading else (two, one)
        await until(lambda: standby.parts.leadership.hears_leader)
        keepers = [keeper_of(guarded, room) for room in (leader, standby)]
        keeping_ = [asyncio.create_task(keeper.keep_making()) for keeper, _ in keepers]

        await until(lambda: results_counted(keepers[1][1], "made") == 1)

        assert results_counted(keepers[0][1], "made") == 0
        assert len(await kept_sequences(guarded)) == 1
        for task in keeping_:
            task.cancel()
        await asyncio.gather(*keeping_, return_exceptions=True)


@pytest.mark.usefixtures("hurried")
async def test_a_leader_without_a_standby_has_it_made(guarded: Environment) -> None:
    await term_journalled(guarded)
    async with pool_at(guarded) as leader:
        await leader.leading()
        keeper, metrics = keeper_of(guarded, leader)
        task = asyncio.create_task(keeper.keep_making())

        await until(lambda: results_counted(metrics, "made") == 1)

        assert leader.parts.ledger.snapshot_trouble == ""
        assert leader.parts.leadership.leading
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("available", "trouble", "result"),
    [(1, "memory is short: 1 bytes are to be had", "memory_short"), (None, "", "failed")],
)
async def test_what_keeps_a_snapshot_from_being_made_is_told(
    guarded: Environment,
    monkeypatch: pytest.MonkeyPatch,
    available: int | None,
    trouble: str,
    result: str,
) -> None:
    await term_journalled(guarded)
    monkeypatch.setattr(keeping, "available_bytes", lambda: available)
    guarded.home.nats_password("snapshotter").unlink()
    async with pool_at(guarded) as leader:
        await leader.leading()
        keeper, metrics = keeper_of(guarded, leader)
        task = asyncio.create_task(keeper.keep_making())

        await until(lambda: results_counted(metrics, result) == 1)

        expected = trouble or "the process that made one ended with 1: its log says why"
        assert leader.parts.ledger.snapshot_trouble.startswith(expected)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("hurried")
async def test_a_pool_process_has_snapshots_made_and_begins_with_them(
    guarded: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    await term_journalled(guarded)
    for key in ("master", "identity"):
        (guarded.home.path / "secrets" / f"{key}.key").write_text(key)
    for word in ('"snapshot_made"', '"snapshot_booted"'):
        stop = asyncio.Event()
        running = asyncio.create_task(app.run(stop, guarded, lambda: settings(5, 10_000)))

        await until(partial(process_has_logged, word, capfd, running))

        stop.set()
        await running


def process_has_logged(
    word: str, capfd: pytest.CaptureFixture[str], running: "asyncio.Task[None]"
) -> bool:
    """Whether a process, or one that it started, has logged this; both are to go on."""
    assert not running.done()
    return word in capfd.readouterr().err


@pytest.mark.usefixtures("hurried")
async def test_a_process_that_cannot_be_started_is_told_and_ends_nothing(
    guarded: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await term_journalled(guarded)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with pool_at(guarded) as leader:
        await leader.leading()
        keeper, metrics = keeper_of(guarded, leader)
        task = asyncio.create_task(keeper.keep_making())

        await until(lambda: results_counted(metrics, "failed") == 1)

        assert "cannot be started: No such file" in leader.parts.ledger.snapshot_trouble
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
