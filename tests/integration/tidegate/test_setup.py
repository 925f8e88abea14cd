"""`tidegate init`: servers that are there tried by what is free, and asked for at a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from demo.server import DemoOptions, DemoServer
from runtime.clock import system_clock
from runtime.credentials import Credential
from tests import ROOT
from tests.integration.gateway.bench import saying
from tests.integration.gateway.upstreams import Behaviour, upstream
from tests.integration.tidegate.ptys import PtyProcess
from tests.waiting import wait_for
from tidegate.probing.freecalls import FreeCall, ServerTried, try_servers

pytestmark = pytest.mark.anyio
ACCOUNT = Credential(credential="account-number-one")


@asynccontextmanager
async def demo_at(dialect: str = "") -> AsyncIterator[str]:
    server = DemoServer(DemoOptions(port=0, dialect=dialect), system_clock)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


async def tried_by(behaviour: Behaviour, credential: Credential | None = None) -> ServerTried:
    async with upstream(behaviour) as server:
        (found,) = await try_servers([server.url], credential)
    return found


async def test_server_is_asked_everything_that_is_free() -> None:
    async with demo_at("jimeng") as url:
        (found,) = await try_servers([url], ACCOUNT)

    assert (found.probed.dialect, found.probe_path, found.account) == ("jimeng", "/ping", "alive")
    assert found.calls == [
        FreeCall(asked="GET /", judged="it answers, and speaks jimeng"),
        FreeCall(asked="GET /v1/models", judged="5 models"),
        FreeCall(asked="GET /ping", judged="200, a good probe"),
        FreeCall(asked="POST /token/check", judged="200, the account lives"),
    ]


async def test_server_that_is_not_there_is_asked_no_more() -> None:
    (found,) = await try_servers(["http://127.0.0.1:1"], ACCOUNT)

    judged = "no connection: connection refused"
    assert found.calls == [FreeCall(asked="GET /", judged=judged)]
    assert found.account is None


async def test_dead_login_is_told_by_its_words_and_not_by_its_credential() -> None:
    body = b'{"code":-2002,"message":"no account-number-one","data":null}'

    found = await tried_by(saying(200, body), ACCOUNT)

    assert found.account == "dead"
    assert found.calls[-1].judged.startswith("200, the login has expired (no ")
    assert "account-number-one" not in found.calls[-1].judged


async def test_server_without_an_answer_for_a_probe_is_told() -> None:
    found = await tried_by(saying(404, b"{}"))

    assert found.probe_path == ""
    assert [call.asked for call in found.calls[2:]] == [
        "GET /ping",
        "GET /v1/models",
        "GET /health",
        "GET /",
    ]
    assert {call.judged for call in found.calls[2:]} == {"404, no good probe"}


async def test_credential_that_a_dialect_cannot_say_is_not_sent() -> None:
    regional = Credential(credential="account-number-one", region="us")
    async with demo_at("jimeng-free") as url:
        (found,) = await try_servers([url], regional)

    assert found.account is None
    assert found.calls[-1].judged.startswith("not asked")


def typed_into(folder: Path, *answers: str) -> tuple[int, str]:
    """Run `tidegate init` at a terminal in `folder`, and type these lines; what it printed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_HOME": str(folder / "home")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegate.main", "init"],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    printed = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal's other end is closed
            break
        printed += piece
    os.close(ours)
    return process.wait(), printed.decode()


def test_terminal_is_asked_and_asked_again(tmp_path: Path) -> None:
    (tmp_path / "sessions.txt").write_text("account-one\naccount-two\n")
    (tmp_path / "sessions.txt").chmod(0o600)
    servers = ["ftp://x", "http://127.0.0.1:1", "http://127.0.0.1:1", ""]
    credentials = ["vault", "file", "absent.txt", "sessions.txt"]

    code, printed = typed_into(
        tmp_path,
        "mine",
        "own",
        *servers,
        *credentials,
        "Mars",
        "Asia/Shanghai",
        "five",
        "60",
        "",
        "",
    )

    assert code == 0, printed
    assert printed.count("expected") >= 6
    written = (tmp_path / "tidegate.toml").read_text()
    assert 'quota_timezone = "Asia/Shanghai"' in written
    assert ("daily_limit = 60" in written, "min_size = 2" in written) == (True, True)


def test_terminal_is_asked_for_a_hook_or_takes_none(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    hook = ["hook", "hook.example", "http://hook.example/x", "", "many", "5"]

    code, printed = typed_into(tmp_path, "own", "http://127.0.0.1:1", "", *hook, "", "", "", "")
    without = typed_into(tmp_path / "none", "own", "http://127.0.0.1:1/v1", "", "none", *[""] * 4)
    again = typed_into(tmp_path, "demo")

    assert code == 0, printed
    assert 'url = "http://hook.example/x"' in (tmp_path / "tidegate.toml").read_text()
    assert "min_size = 5" in (tmp_path / "tidegate.toml").read_text()
    assert (without[0], "sessions add" in without[1]) == (0, True)
    assert "calls would go to http://127.0.0.1:1/v1/v1/images/generations" in " ".join(
        without[1].split()
    )
    assert 'kind = "none"' in (tmp_path / "none" / "tidegate.toml").read_text()
    assert (again[0], "is there already" in again[1]) == (2, True)


@pytest.mark.parametrize("keys", ["\x03", "\x04", "own\nhttp://127.0.0.1:1\n\x03"])
def test_whoever_has_enough_is_told_that_nothing_was_written(tmp_path: Path, keys: str) -> None:
    """By Ctrl-C or Ctrl-D at a question; the terminal makes a signal of the first."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_HOME": str(tmp_path / "home")}
    process = PtyProcess([sys.executable, "-m", "tidegate.main", "init"], environment, cwd=tmp_path)
    wait_for(lambda: "(demo, own)" in process.text())
    process.press(keys.encode())

    code = process.process.wait(60)
    wait_for(lambda: "nothing was written" in process.text().splitlines()[-1])
    process.end()

    assert code == 1
    assert "Aborted" not in process.text()
    assert list(tmp_path.iterdir()) == []
