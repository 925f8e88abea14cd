"""The log of the embedded nats-server is moved away when it is full, and the oldest goes."""

import re
import signal
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.waiting import wait_for

_KEPT = 5


def test_log_of_50_mb_is_moved_away_and_five_are_kept(tmp_path: Path) -> None:
    text = natsserver.configuration_text(tmp_path / "store", 4222, None)
    settings = dict(re.findall(r"^(logfile_\w+): (\w+)$", text, re.MULTILINE))

    assert settings == {"logfile_size_limit": "50MB", "logfile_max_num": "5"}


def test_server_moves_its_log_away_and_keeps_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the settings that `up` writes, with other figures: each reload is a line or two."""
    lines = [line.replace("50MB", "2KB") for line in natsserver._LOG_LINES]
    monkeypatch.setattr(natsserver, "_LOG_LINES", lines)
    port, log = natsserver.free_port(), tmp_path / "log" / "nats.log"
    log.parent.mkdir()
    config = tmp_path / "server.conf"
    config.write_text(natsserver.configuration_text(tmp_path / "store", port, None))
    process = natsserver.start_server(config, log, port)
    try:

        def moved() -> set[str]:
            process.send_signal(signal.SIGHUP)
            return {file.name for file in log.parent.iterdir()} - {log.name}

        seen: set[str] = set()

        def has_moved_often() -> bool:
            seen.update(moved())
            return len(seen) > _KEPT + 2

        wait_for(has_moved_often)
        kept = list(log.parent.iterdir())
    finally:
        process.terminate()
        process.wait()

    assert log in kept
    assert len(kept) <= _KEPT + 1
    assert max(file.stat().st_size for file in kept) < 3 * 2048
