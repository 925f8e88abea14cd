"""An operator's own strategy in its process: asked, waited for so long, killed, begun anew."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from contracts.base import ServerId
from services.balancer.custom import host
from services.balancer.custom.host import CustomStrategies, CustomStrategy, Trouble
from services.balancer.custom.words import CallToPick, PickQuestion
from tests.moments import NOON
from tests.waiting import eventually, until

pytestmark = pytest.mark.anyio
SERVERS = [{"id": "a", "connections": 3}, {"id": "b", "connections": 1}]
QUESTION = PickQuestion(
    servers=SERVERS,
    calls=[
        CallToPick(criteria={"service_type": "image"}, eligible=[0, 1]),
        CallToPick(criteria={"service_type": "video"}, eligible=[0]),
    ],
)


@asynccontextmanager
async def child_running(folder: Path, code: str) -> AsyncIterator[CustomStrategy]:
    """A strategy of this code, loaded."""
    (folder / "ours.py").write_text(code)
    environment = {**os.environ, "TIDEGATE_MASTER_KEY": "secret"}
    name, file = "ours.py:choose", folder / "ours.py"
    strategies = CustomStrategy(name, file, environment, structlog.get_logger())
    try:
        yield strategies
    finally:
        await strategies.close()


async def until_loaded(strategies: CustomStrategy) -> None:
    await until(lambda: strategies._ready or strategies.trouble)


async def test_it_picks_for_each_call_of_a_batch(tmp_path: Path) -> None:
    code = """
def choose(servers, criteria):
    print("what is printed breaks nothing")
    return min(servers, key=lambda server: server["connections"])["id"]
"""
    async with child_running(tmp_path, code) as strategies:
        await until_loaded(strategies)

        assert await strategies.ask_picks(QUESTION) == ["b", "a"]
        assert strategies.trouble is None


async def test_it_is_given_no_secret_of_ours(tmp_path: Path) -> None:
    code = """
import os
def choose(servers, criteria):
    return " ".join(sorted(name for name in os.environ if name.startswith("TIDEGATE")))
"""
    async with child_running(tmp_path, code) as strategies:
        await until_loaded(strategies)

        assert await strategies.ask_picks(QUESTION) == ["", ""]


async def test_one_that_raises_picks_nobody_and_its_process_goes_on(tmp_path: Path) -> None:
    code = """
def choose(servers, criteria):
    if criteria["service_type"] == "video":
        raise KeyError("no video")
    return "a"
"""
    async with child_running(tmp_path, code) as strategies:
        await until_loaded(strategies)
        images = PickQuestion(servers=SERVERS, calls=QUESTION.calls[:1])

        assert await strategies.ask_picks(QUESTION) == []
        assert strategies.trouble == Trouble("ours.py:choose", "KeyError: 'no video'", 1)
        assert await strategies.ask_picks(images) == ["a"]


async def test_one_that_hangs_is_killed_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "AGAIN_FIRST_S", 0.01)
    code = f"""
import os, time
def choose(servers, criteria):
    if not os.path.exists("{tmp_path}/hung"):
        open("{tmp_path}/hung", "w").close()
        time.sleep(3600)
    return "b"
"""
    async with child_running(tmp_path, code) as strategies:
        await until_loaded(strategies)
        child = strategies._child

        assert child is not None

        assert await strategies.ask_picks(QUESTION) == []
        assert strategies.trouble == Trouble("ours.py:choose", "no answer within 50 ms", 1)
        assert await child.wait() != 0
        strategies.forget_failures(1)
        await until_loaded(strategies)
        assert await strategies.ask_picks(QUESTION) == ["b", "b"]


@pytest.mark.parametrize("leaves", ["", "os.setsid()"])
async def test_what_it_started_ends_with_it_and_what_left_it_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves: str
) -> None:
    monkeypatch.setattr(host, "_END_S", 0.2)
    started = tmp_path / "started"
    code = f"""
import os, time
def choose(servers, criteria):
    if os.fork() == 0:
        {leaves or "pass"}
        open({str(started)!r}, "w").write(str(os.getpid()) + "\\n")
        time.sleep(60)
        os._exit(0)
    return "a"
"""
    async with child_running(tmp_path, code) as strategies:
        await until_loaded(strategies)
        await strategies.ask_picks(PickQuestion(servers=SERVERS, calls=QUESTION.calls[:1]))
        await until(lambda: started.exists() and started.read_text().endswith("\n"))
    left = int(started.read_text())

    if leaves:
        os.kill(left, signal.SIGKILL)  # closed all the same
    await until(lambda: not is_running(left))


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def other(): pass", "ValueError: "),
        ("raise SystemExit('no')", "SystemExit: no"),
        ("def choose(servers, criteria", "SyntaxError: "),
        ("import os; os._exit(3)", "it was not loaded within 10 s, or its process ended"),
        ("def choose(*_): return 7", "it returned int, not the id of a server"),
        ("def choose(*_): __import__('os')._exit(3)", "its process ended, or answered nonsense"),
        ("def choose(*_): return bytearray(1 << 31)", "MemoryError: "),
    ],
)
async def test_what_is_wrong_is_said(tmp_path: Path, code: str, reason: str) -> None:
    async with child_running(tmp_path, code) as strategies:
        await until_loaded(strategies)

        assert await strategies.ask_picks(QUESTION) == []
        assert strategies.trouble is not None
        assert strategies.trouble.reason.startswith(reason)


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "nowhere.py"
    strategies = CustomStrategy("nowhere.py:choose", file, os.environ, structlog.get_logger())
    await until_loaded(strategies)

    assert strategies.trouble is not None
    assert "nowhere.py" in strategies.trouble.reason
    await strategies.close()


async def test_trouble_that_came_since_it_was_told_is_kept(tmp_path: Path) -> None:
    async with child_running(tmp_path, "def choose(*_): return 'a'") as strategies:
        await until_loaded(strategies)
        for _ in range(2):
            strategies.note_failure("it named nobody")
        strategies.note_failure("it named a stranger")

        strategies.forget_failures(2)

        assert strategies.trouble == Trouble("ours.py:choose", "it named a stranger", 1)


async def test_those_in_force_run_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text("def a(*_): return 'a'\ndef b(*_): return 'stranger'")
    every = CustomStrategies(lambda file: tmp_path / file, os.environ, structlog.get_logger())
    every.use_strategies({"ours.py:a", "ours.py:b"})

    async def picks(name: str) -> list[ServerId]:
        return await every.ask_picks(name, QUESTION)

    await eventually(lambda: picks("ours.py:a"))
    await eventually(lambda: picks("ours.py:b"))

    assert await picks("ours.py:a") == ["a", "a"]
    (failed,) = every.failures_due({}, NOON)
    assert failed.reason == "it named 'stranger', which may not be chosen"
    assert every.failures_due({"ours.py:b": (failed, NOON)}, NOON) == []
    assert every.failures_due({"ours.py:a": (failed, NOON)}, NOON) == [failed]
    every.use_strategies({"ours.py:a"})
    assert (await picks("ours.py:b"), every.failures_due({}, NOON)) == ([], [])
    await every.close()
