"""Lines of the log, which end on terminals."""

import json
from typing import Any

import structlog

from runtime.process.logs import _make_readable, _render_line

EVIL = "/v1/\x9b2J\x1b[2J\u202e\x7f\ud7ff即梦"


def test_line_of_the_log_commands_no_terminal_and_means_the_same() -> None:
    line = _render_line(None, "info", {"event": "request", "path": EVIL}).decode()

    assert line.isprintable()
    assert "即梦" in line
    assert json.loads(line)["path"] == EVIL


def test_line_for_people_commands_no_terminal() -> None:
    event: dict[str, Any] = {
        "event": "request",
        "path": EVIL,
        "exception": f"one\ntwo {EVIL}",
        "n": 1,
    }

    told = structlog.dev.ConsoleRenderer(colors=False)(
        None, "info", _make_readable(None, "", event)
    )

    assert all(line.isprintable() for line in told.split("\n"))
    assert "one\ntwo /v1/" in told
