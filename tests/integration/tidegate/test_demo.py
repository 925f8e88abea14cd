"""`tidegate demo`: a server that serves until it is told to stop, and traffic for it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from runtime.nats import natsserver
from runtime.settings import SettingsError
from tests import ROOT
from tidegate.main import verb_application
from tidegate.stack.supervisor import verb_command

pytestmark = pytest.mark.anyio


def variables(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_HOME": str(home), **more}


async def run_demo(home: Path, *words: str, **more: str) -> tuple[int, str, str]:
    """Run a verb as a process, because it takes over the signals of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tidegate.main",
        "demo",
        *words,
        env=variables(home, **more),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    port = natsserver.free_port()
    words = ["--port", str(port), "--ledger", str(tmp_path / "ledger"), "--limit", "image=2"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tidegate.main",
        "demo",
        "server",
        *words,
        env=variables(tmp_path),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    await asyncio.to_thread(natsserver.wait_for_port, url, 30)
    yield url
    process.terminate()
    assert await process.wait() == 0


async def ledger_at(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        found: dict[str, Any] = (await client.get(f"{url}/demo/ledger")).json()
        return found


async def test_a_server_counts_what_traffic_it_serves_up_to_its_limit(
    server: str, tmp_path: Path
) -> None:
    words = ["traffic", "--count", "3", "--rate", "100", "--mix", "image=1", "--json"]

    code, out, err = await run_demo(
        tmp_path, *words, TIDEGATE_API=server, TIDEGATE_CLIENT_KEY="one"
    )
    (day,) = (await ledger_at(server))["days"].values()

    assert code == 0, err
    assert json.loads(out)["calls"] == 3
    assert list(day.values()) == [{"image": 2}]


async def test_traffic_of_which_nothing_succeeds_exits_1(tmp_path: Path) -> None:
    words = ["traffic", "--count", "1", "--rate", "100"]
    (tmp_path / "client.key").write_text("sk-x\n")

    code, out, _ = await run_demo(tmp_path, *words, TIDEGATE_API="http://127.0.0.1:9")

    assert code == 1
    assert "calls" in out


async def test_a_port_that_is_taken_is_told_and_exits_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = await run_demo(tmp_path, "server", "--port", port)

    assert code == 1
    assert f"tidegate: cannot serve on 127.0.0.1:{port}: " in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["server", "--timezone", "Mars/Base"], "Asia/Shanghai"),
        (["server", "--limit", "image"], "image=10,video=2"),
        (["server", "--units", "picture"], "units"),
        (["traffic", "--rate", "0"], "rate"),
        (["traffic", "--mix", "pictures=1"], "mix"),
    ],
)
def test_wrong_options_are_wrong_usage(words: list[str], expected: str, tmp_path: Path) -> None:
    given = {"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_CLIENT_KEY": "one"}

    done = CliRunner().invoke(verb_application("demo"), ["demo", *words], env=given)

    assert (done.exit_code, expected in done.stderr) == (2, True)


def test_traffic_without_a_key_is_refused_by_name(tmp_path: Path) -> None:
    given = {"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_CLIENT_KEY": ""}

    done = CliRunner().invoke(verb_application("demo"), ["demo", "traffic"], env=given)

    assert isinstance(done.exception, SettingsError)
    assert "TIDEGATE_CLIENT_KEY: expected a client key" in str(done.exception)


def test_files_of_our_names_in_the_folder_one_stands_in_are_left_alone(tmp_path: Path) -> None:
    for name in ("demo", "runtime", "services", "contracts", "tidegate"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of somebody else')")

    done = subprocess.run(
        verb_command("demo", "server", "--help"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "--ledger" in done.stdout


@pytest.mark.parametrize("file", ["Makefile", "docker/tidegate"])
def test_whatever_starts_the_command_leaves_that_folder_out(file: str) -> None:
    assert " -P -m tidegate.main" in (ROOT / file).read_text()
