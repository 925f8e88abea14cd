"""`tidegate up` on a terminal of 80 columns: a block, then a line for what is worth attention."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.nats import natsserver
from tests import ROOT
from tests.integration.tidegate.ptys import PtyProcess
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(240)]
STOP, GO_ON = b"\x13", b"\x11"


class UpTerminal:
    """One `tidegate up` on a terminal, and its home."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.port = natsserver.free_port()
        kept = {name: text for name, text in os.environ.items() if "TIDEGATE" not in name}
        self.pty = PtyProcess(
            [sys.executable, "-m", "tidegate.main", "up"],
            {
                **kept,
                "TIDEGATE_HOME": str(self.home),
                "TIDEGATE_PORT": str(self.port),
                "PYTHONPATH": str(ROOT),
            },
            folder,
        )
        wait_for(lambda: "Ctrl-C stops" in self.shown() or self.pty.process.poll() is not None)
        assert self.pty.process.poll() is None, self.shown()

    def shown(self) -> str:
        return self.pty.text()

    def call(self, key: str = "") -> int:
        """Generate a picture; the status."""
        key = key or (self.home / "client.key").read_text().strip()
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/v1/images/generations",
            json={"model": "jimeng-4.0", "prompt": "x"},
            headers={"authorization": f"Bearer {key}"},
        )
        return answer.status_code

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "tidegate.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpTerminal]:
    started = UpTerminal(tmp_path_factory.mktemp("up-terminal"))
    yield started
    if started.pty.process.poll() is None:
        started.pty.end()


def test_it_begins_with_where_everything_is_and_what_to_type_next(terminal: UpTerminal) -> None:
    block = terminal.shown()

    assert f"Tidegate is up: http://127.0.0.1:{terminal.port}\n" in block
    for line in ("client key    home/client.key", "log           home/tidegate.log", "Try it:"):
        assert line in block
    assert f"export TIDEGATE_HOME={terminal.home}\n" in block
    assert '{"service"' not in block


def test_request_has_a_line_with_the_name_of_its_key(terminal: UpTerminal) -> None:
    assert (terminal.call(), terminal.call("sk-nonsense-of-somebody")) == (200, 401)

    wait_for(lambda: "invalid_api_key" in terminal.shown())

    lines = [line.split() for line in terminal.shown().splitlines()]
    fine = next(line for line in lines if line[1:3] == ["200", "image"])
    assert (fine[4], fine[-1]) == ("ms", "client")


def test_what_goes_wrong_is_told_in_plain_words(terminal: UpTerminal) -> None:
    run = json.loads((terminal.home / "run.json").read_text())
    pool = next(child["pid"] for child in run["children"] if child["name"] == "pool")

    os.kill(pool, signal.SIGKILL)

    wait_for(lambda: "pool leads (epoch 2)" in terminal.shown())
    shown = terminal.shown()

    assert "pool died (signal 9); again in 0.2 s\n" in shown
    assert "pool runs again\n" in shown
    assert "child_died" in [event["event"] for event in terminal.logged()]


def test_terminal_that_is_stopped_holds_up_no_request(terminal: UpTerminal) -> None:
    terminal.pty.press(STOP)
    statuses = {terminal.call() for _ in range(30)}
    before = terminal.shown()
    terminal.pty.press(GO_ON)

    wait_for(lambda: terminal.shown() != before)

    assert statuses == {200}


def test_ctrl_c_ends_it_and_no_line_was_wider_than_the_terminal(tmp_path: Path) -> None:
    terminal = UpTerminal(tmp_path)
    terminal.call()

    assert terminal.pty.end() == 0

    lines = terminal.shown().splitlines()
    assert "stopping: open calls end first; Ctrl-C again does not wait" in terminal.shown()
    assert lines[-1].endswith("stopped")
    whole = str(terminal.home)  # what is to be copied is never cut
    assert [line for line in lines if len(line) > 80 and whole not in line] == []
    stopped = {event["service"] for event in terminal.logged() if event["event"] == "stopped"}
    assert stopped >= {"up", "pool", "balancer", "analytics", "gateway"}
