"""What `config check` knows of what `up` would meet."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runtime.settings import SettingsError
from tidegate.main import verb_application

TWICE = """
servers = [{id = "one", url = "http://h:1"}, {id = "two", url = "http://h:1/"}]
pool = {provisioner = {kind = "none"}}
"""


def checked_in(home: Path, **given: str) -> dict[str, Any]:
    """What `config check` says of the home's own configuration, and its exit code."""
    environment = {"TIDEGATE_HOME": str(home), **given}
    done = CliRunner().invoke(
        verb_application("config"), ["config", "check", "--json"], env=environment
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return {**json.loads(done.stdout), "code": done.exit_code}


def foreseen_in(home: Path, **given: str) -> list[str]:
    """What is foreseen of it."""
    foreseen: list[str] = checked_in(home, **given)["foreseen"]
    return foreseen


def test_file_is_checked_before_it_is_put_in_the_place_of_the_one_in_force(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[pool]\nmin_sise = 1\n")
    words = ["config", "check", "--config", str(other)]

    done = CliRunner().invoke(
        verb_application("config"), words, env={"TIDEGATE_HOME": str(tmp_path)}
    )

    assert isinstance(done.exception, SettingsError)
    assert str(done.exception).startswith(f"{other}: pool.min_sise: there is no such setting")
    assert checked_in(tmp_path, TIDEGATE_PORT="0")["ok"] is True


def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        checked = checked_in(tmp_path, TIDEGATE_PORT=str(port))
        (tmp_path / "run.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
        ours = checked_in(tmp_path, TIDEGATE_PORT=str(port))

    (trouble,) = checked["foreseen"]
    assert f"something listens on 127.0.0.1:{port} already" in trouble
    assert (checked["code"], checked["ok"], checked["starts"]) == (1, True, False)
    assert (ours["code"], ours["starts"], ours["foreseen"]) == (0, True, [])


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ('[stack]\nname = "staging"\n', {}, "stack.name: it does nothing with the NATS that `up`"),
        (
            '[[servers]]\nid = "one"\nurl = "http://h:1/v1/"\n[pool.provisioner]\nkind = "none"\n',
            {},
            "[[servers]] one: http://h:1/v1/: calls would go to http://h:1/v1/v1/images/generations;",
        ),
        (
            TWICE,
            {},
            "[[servers]] two: http://h:1/ is the address of one, too: they count as two servers",
        ),
        ("", {"TIDEGATE_CONFIG": "."}, "TIDEGATE_CONFIG: the folder . has no tidegate.toml"),
        (
            "[services.vidoe]\ndaily_limit = 2\n",
            {},
            "[services.vidoe]: it has no paths, so that no call is of it; did you mean video?",
        ),
        (
            "[services.tea]\ndaily_limit = 2\n",
            {},
            "[services.tea]: it has no paths, so that no call is of it",
        ),
    ],
    ids=["name", "path", "twice", "folder", "misspelt", "pathless"],
)
def test_what_does_nothing_or_not_what_it_seems_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    given: dict[str, str],
    expected: str,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "tidegate.toml").write_text(text)
    monkeypatch.chdir(tmp_path)

    (trouble,) = foreseen_in(home, TIDEGATE_PORT="0", **given)

    assert trouble.startswith(expected)
    assert checked_in(home, TIDEGATE_PORT="0", **given)["code"] == 0


def test_configuration_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_bytes(b"# \xff\xfe\n")

    with pytest.raises(
        SettingsError, match=r"not valid TOML: expected text in UTF-8, byte 3 is none"
    ):
        foreseen_in(tmp_path)


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
        '[[servers]]\nid = "well"\nurl = "http://127.0.0.1:10"\n'
    )

    (trouble,) = foreseen_in(tmp_path, TIDEGATE_PORT="0")

    assert "got 'a/b': works as it is" in trouble
