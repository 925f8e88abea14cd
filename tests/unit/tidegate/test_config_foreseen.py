"""What `config check` knows of what `up` would meet."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.settings import SettingsError
from tidegate.main import verb_application


def foreseen_in(home: Path, **given: str) -> list[str]:
    """What is foreseen of the home's own configuration."""
    environment = {"TIDEGATE_HOME": str(home), **given}
    done = CliRunner().invoke(
        verb_application("config"), ["config", "check", "--json"], env=environment
    )
    if done.exception is not None:
        raise done.exception
    foreseen: list[str] = json.loads(done.stdout)["foreseen"]
    return foreseen


def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        (trouble,) = foreseen_in(tmp_path, TIDEGATE_PORT=str(port))
        (tmp_path / "run.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
        ours = foreseen_in(tmp_path, TIDEGATE_PORT=str(port))

    assert f"something listens on 127.0.0.1:{port} already" in trouble
    assert ours == []


def test_lines_that_are_no_credentials_are_told_by_number(tmp_path: Path) -> None:
    (tmp_path / "sessions.txt").write_text("good-account\ntwo words\n")
    (tmp_path / "tidegate.toml").write_text(
        '[pool.provisioner]\nkind = "file"\npath = "sessions.txt"\n'
    )

    (trouble,) = foreseen_in(tmp_path, TIDEGATE_PORT="0")

    assert "line 2: credential: expected" in trouble
    assert "two words" not in trouble


def test_configuration_that_was_lost_is_refused_as_up_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "config.used").write_text("/etc/tidegate/tidegate.toml\n")

    with pytest.raises(SettingsError, match=r"the last `up` ran with /etc/tidegate/tidegate\.toml"):
        foreseen_in(tmp_path)


def test_ids_of_servers_that_no_command_can_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text(
        '[pool.provisioner]\nkind = "none"\n'
        '[[servers]]\nid = "a/b"\nurl = "http://127.0.0.1:9"\n'
        '[[servers]]\nid = "well"\nurl = "http://127.0.0.1:9"\n'
    )

    (trouble,) = foreseen_in(tmp_path, TIDEGATE_PORT="0")

    assert "got 'a/b': works as it is" in trouble
