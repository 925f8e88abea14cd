"""`tidegate status` and `top` as processes, beside a gateway that says what it is told to say."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.integration.tidegate.ptys import PtyProcess
from tests.unit.tidegate.standing import BAD_HOUR, SERVERS, stands
from tests.waiting import wait_for

LEFT_SCREEN = "\x1b[?1049l"


class Gateway:
    """What answers an operator's questions here, and where."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"/api/overview": stands(), "/api/servers": SERVERS}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = gateway.answers[self.path]
                body = json.dumps(answer if isinstance(answer, dict) else {"data": answer}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.environment = {
            **{name: text for name, text in os.environ.items() if "TIDEGATE" not in name},
            "TIDEGATE_API": f"http://127.0.0.1:{self.server.server_address[1]}",
            "TIDEGATE_ADMIN_KEY": "sk-admin-of-a-test",
            "PYTHONPATH": str(ROOT),
        }
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tidegate.main", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def on_terminal(self, folder: Path, *words: str) -> PtyProcess:
        return PtyProcess([sys.executable, "-m", "tidegate.main", *words], self.environment, folder)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    answering = Gateway()
    yield answering
    answering.server.shutdown()
    answering.server.server_close()


def test_status_is_fine_in_a_good_hour_and_wrong_in_a_bad_one(gateway: Gateway) -> None:
    fine = gateway.run("status")
    gateway.answers["/api/overview"] = stands(**BAD_HOUR)
    bad, as_json = gateway.run("status"), gateway.run("status", "--json")

    assert (fine.returncode, fine.stderr) == (0, "")
    assert fine.stdout.splitlines()[-1] == "to do        nothing"
    assert "\x1b" not in fine.stdout
    assert (bad.returncode, as_json.returncode) == (1, 1)
    assert "to do        server two is down: connection refused" in bad.stdout
    told = json.loads(as_json.stdout)
    assert told["slow"] == ["three takes 4.2 s, the others 400 ms"]
    assert {**told, "slow": None} == {**stands(**BAD_HOUR), "slow": None}


def test_top_is_left_by_q_and_the_terminal_is_as_it_was(gateway: Gateway, tmp_path: Path) -> None:
    terminal = gateway.on_terminal(tmp_path, "top", "--every", "0.5")
    wait_for(lambda: "sessions: 50 active" in terminal.text())
    gateway.answers["/api/overview"] = stands(queue={"waiting": 77, "open_leases": 0})
    wait_for(lambda: "77 wait" in terminal.text())

    terminal.press(b"q")

    assert terminal.process.wait(20) == 0
    wait_for(lambda: LEFT_SCREEN in terminal.raw())
    assert "Traceback" not in terminal.text()
    terminal.end()


@pytest.mark.parametrize("words", [["top"], ["status", "--watch"]])
def test_ctrl_c_leaves_cleanly(gateway: Gateway, tmp_path: Path, words: list[str]) -> None:
    terminal = gateway.on_terminal(tmp_path, *words)
    wait_for(lambda: "nothing" in terminal.text())

    code = terminal.end(20)

    assert code == 0, terminal.text()
    assert "Traceback" not in terminal.text()


def test_top_into_a_pipe_is_said_once(gateway: Gateway) -> None:
    once = gateway.run("top")

    assert once.returncode == 0, once.stderr
    assert once.stdout.splitlines()[0].startswith(f"Tidegate {gateway.environment['TIDEGATE_API']}")
    assert json.loads(gateway.run("top", "--json").stdout) == stands()
