"""Every verb: help with an example, exit codes, the module it is."""

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tidegate import main

_WITH_JSON = ("audit", "replay", "keys", "sessions", "servers", "leases", "sql", "config")


def commands(verb: str) -> Iterator[tuple[list[str], Any]]:
    """The commands of a verb, and the words that call them."""
    whole: Any = typer.main.get_command(main.application(verb))
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
        done = CliRunner().invoke(main.application(verb), [*words, "--help"])
        assert (done.exit_code, "Example:" in done.stdout) == (0, True)


@pytest.mark.parametrize("verb", _WITH_JSON)
def test_every_verb_that_prints_data_prints_json_when_asked(verb: str) -> None:
    for words, command in commands(verb):
        assert "--json" in {option for one in command.params for option in one.opts}, words


@pytest.mark.parametrize("verb", main.VERBS)
def test_an_option_that_is_none_is_wrong_usage(verb: str) -> None:
    for words, _ in commands(verb):
        assert CliRunner().invoke(main.application(verb), [*words, "--nonsense"]).exit_code == 2


def test_without_a_verb_every_verb_is_named() -> None:
    done = CliRunner().invoke(main.application(""), ["--help"])

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


def test_every_verb_of_the_table_is_a_module() -> None:
    for name, verb in main.VERBS.items():
        module = import_module(f"tidegate.{verb.module}")
        assert hasattr(module, "app") or hasattr(module, name)
