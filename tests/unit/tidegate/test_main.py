"""Every verb: help with an example, exit codes, the module it is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.markup import escape
from typer.testing import CliRunner

from tests import ROOT
from tidegate import main
from tidegate.console import api
from tidegate.console.errors import GatewayRefusedError

_WITH_JSON = ("audit", "replay", "keys", "sessions", "servers", "leases", "sql", "config")


def commands(verb: str) -> Iterator[tuple[list[str], Any]]:
    """The commands of a verb, and the words that call them."""
    whole: Any = typer.main.get_command(main.verb_application(verb))
    found = whole.commands[verb]
    if not hasattr(found, "commands"):
        yield [verb], found
        return
    for name, command in found.commands.items():
        yield [verb, name], command


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_verb_has_help_with_an_example_of_itself(verb: str) -> None:
    for words, command in commands(verb):
        assert f"tidegate {' '.join(words)}" in (command.help or ""), words
        done = CliRunner().invoke(main.verb_application(verb), [*words, "--help"])
        assert (done.exit_code, "Example:" in done.stdout) == (0, True)
        texts = [command.help, *(getattr(one, "help", None) for one in command.params)]
        assert [text for text in texts if text and escape(text) != text] == [], "no tag in it"
        lines = [line for line in command.help.split("\n") if line]
        assert len(lines) == len(command.help.split("\n\n")), "a paragraph is one line: it flows"


@pytest.mark.parametrize("verb", _WITH_JSON)
def test_every_verb_that_prints_data_prints_json_when_asked(verb: str) -> None:
    for words, command in commands(verb):
        assert "--json" in {option for one in command.params for option in one.opts}, words


@pytest.mark.parametrize("verb", main.VERBS)
def test_an_option_that_is_none_is_wrong_usage(verb: str) -> None:
    for words, _ in commands(verb):
        assert (
            CliRunner().invoke(main.verb_application(verb), [*words, "--nonsense"]).exit_code == 2
        )


def test_without_a_verb_every_verb_is_named() -> None:
    done = CliRunner().invoke(main.verb_application(""), ["--help"])

    assert all(f" {verb} " in done.stdout for verb in main.VERBS)


def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    """Run the command line as a process would."""
    monkeypatch.setattr(sys, "argv", ["tidegate", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_a_wrong_setting_exits_2_and_names_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_POOL_MIN_SISE", "1")

    code, _, err = typed(monkeypatch, capsys, "config", "check")

    assert code == 2
    assert err.startswith("tidegate: TIDEGATE_POOL_MIN_SISE: there is no such setting")


def test_an_absent_gateway_exits_1_and_names_its_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_API", "http://127.0.0.1:9")
    monkeypatch.setenv("TIDEGATE_ADMIN_KEY", "sk-admin")

    code, out, err = typed(monkeypatch, capsys, "servers", "list", "--json")

    assert (code, out) == (1, "")
    assert err.startswith("tidegate: expected a gateway at http://127.0.0.1:9 (")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tail", "--last", "x"], "--last': expected a whole number, got 'x'"),
        (["tail", "--last", "-1"], "--last': expected at least 0, got "),
        (["requests", "--limit", "1001"], "--limit': expected at most 1000, got "),
        (["top", "--every", "soon"], "--every': expected a number, got 'soon'"),
        (["completion", "tcsh"], "expected one of bash, zsh, fish, got 'tcsh'"),
        (["sql", " "], "expected a statement such as `select * from sessions`, got none"),
    ],
)
def test_wrong_option_is_told_as_everything_else_is(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    done = CliRunner().invoke(main.verb_application(words[0]), words)

    assert done.exit_code == 2
    assert expected in done.stderr.replace("'\x1b", "'")


def test_what_a_gateway_finds_wrong_with_a_question_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise GatewayRefusedError("sort: expected one of added, id; got 'bogus'")

    monkeypatch.setattr(api, "get_list", refuse)

    code, out, err = typed(monkeypatch, capsys, "sessions", "list", "--order", "bogus")

    assert (code, out) == (2, "")
    assert err == "tidegate: --order: expected one of added, id; got 'bogus'\n"


def process(
    *words: str, behind: Sequence[str] = (), **more: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a process of its own, in a home where nothing is."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    given |= {"PYTHONPATH": str(ROOT), **more.pop("env", {})}
    command = [*behind, sys.executable, "-m", "tidegate.main", *words]
    return subprocess.run(command, env=given, capture_output=True, check=False, **more)


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"TIDEGATE_HOME": "x" * 300}, b"TIDEGATE_HOME, TIDEGATE_CONFIG: expected paths"),
        ({"TIDEGATE_CONFIG": "x" * 300}, b"TIDEGATE_HOME, TIDEGATE_CONFIG: expected paths"),
        ({"TIDEGATE_API": "http://[::1"}, b"TIDEGATE_API: expected an address such as"),
        ({"TIDEGATE_API": "http://h:99999"}, b"TIDEGATE_API: expected an address such as"),
        ({"TIDEGATE_API": "http://h/\x01"}, b"TIDEGATE_API: expected an address such as"),
        ({"TIDEGATE_API": "http://u:hush@h:1"}, b"got 'http://(hidden)@h:1'"),
        ({"TIDEGATE_API": "http://u:hush@h:99999"}, b"got 'http://(hidden)@h:99999'"),
        ({"TIDEGATE_API": "u:hush@h:1"}, b"got '(hidden)@h:1'"),
        ({}, b"`tidegate up` makes one, in the home that TIDEGATE_HOME names"),
    ],
)
def test_what_a_newcomer_sets_wrong_is_named(
    tmp_path: Path, env: dict[str, str], named: bytes
) -> None:
    done = process("keys", "list", env=env, cwd=tmp_path)

    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert named in done.stderr
    assert b"hush" not in done.stderr


def test_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    done = process("keys", "list", cwd=gone, preexec_fn=gone.rmdir)

    assert done.returncode == 2
    assert b"the folder one is in cannot (No such file or directory)" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "revoke", ""],
        ["keys", "revoke", "../sessions"],
        ["sessions", "remove", ".."],
        ["explain", b"\xff".decode(errors="surrogateescape")],
        ["sql", b"\xff".decode(errors="surrogateescape")],
        ["demo", "traffic", "--rate", "nan"],
        ["demo", "server", "--timezone", "../x"],
    ],
)
def test_what_is_no_argument_is_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    env = {"TIDEGATE_API": "http://127.0.0.1:9", "TIDEGATE_ADMIN_KEY": "sk-x"}
    done = process(*words, env={**env, "TIDEGATE_CLIENT_KEY": "sk-y"}, cwd=tmp_path)

    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)
    assert b"expected" in done.stderr


@pytest.mark.parametrize("subject", ["evt. x", "evt", "evt.", "evt.>.x", "evt.a*", "evt.\x7f"])
def test_subject_that_is_none_is_not_waited_for(tmp_path: Path, subject: str) -> None:
    done = process("tail", subject, cwd=tmp_path)

    assert (done.returncode, b"expected a subject of the log" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ["restore", "x" * 300],
        ["init", "--server", "http://127.0.0.1:9", "--file", "x" * 300],
        ["demo", "server", "--ledger", "notes"],
    ],
)
def test_file_that_is_none_is_named_and_left_as_it_is(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "notes").write_text("not of a ledger")

    done = process(*words, cwd=tmp_path, timeout=60)

    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert words[-1].encode() in done.stderr
    assert (tmp_path / "notes").read_text() == "not of a ledger"


_MAY_NOT = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")


@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid() != 0, reason="root may write all")
@pytest.mark.parametrize("words", [["up"], ["migrate", "--secrets"]])
def test_home_that_cannot_be_written_is_named(tmp_path: Path, words: list[str]) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)

    done = process(*words, env={"TIDEGATE_HOME": str(home)}, cwd=tmp_path, behind=_MAY_NOT)

    expected = "tidegate: TIDEGATE_HOME: expected a folder that can be written,"
    assert done.stderr.decode() == f"{expected} {home} cannot (Permission denied)\n"
    assert done.returncode == 2


def test_whatever_can_be_printed_is_where_it_can(tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "TIDEGATE_HOME": str(tmp_path / "即")}
    shown = process("doctor", env=env, cwd=tmp_path)
    assert (shown.returncode, b"\\u5373" in shown.stdout) == (1, True)
    nowhere = process("config", "show", cwd=tmp_path, preexec_fn=partial(os.close, 1))
    assert (nowhere.returncode, nowhere.stderr) == (0, b"")
    with Path("/dev/full").open("wb") as full:
        given = {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "tidegate.main", "config", "show"]
        done = subprocess.run(command, env=given, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert b"No space left on device" in done.stderr


def test_every_verb_of_the_table_is_a_module() -> None:
    for name, verb in main.VERBS.items():
        module = import_module(f"tidegate.{verb.module}")
        assert hasattr(module, "app") or hasattr(module, name)
