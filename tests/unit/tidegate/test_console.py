"""What every verb has in common: where it asks and as whom, and how it prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.environment import read_environment
from runtime.settings import SettingsError
from tidegate.console import api, output

# ------------------------------------------------------------------ where, and as whom


def environment_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, operator: str = "", **given: str
) -> Any:
    """The environment of a verb, in a home with or without an operator key."""
    if operator:
        (tmp_path / "operator.key").write_text(operator + "\n")
    for name in ("API", "ADMIN_KEY", "PORT"):
        monkeypatch.delenv(f"TIDEGATE_{name}", raising=False)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    for name, value in given.items():
        monkeypatch.setenv(f"TIDEGATE_{name}", value)
    return read_environment()


def test_the_gateway_is_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = environment_at(
        tmp_path, monkeypatch, operator="op", API="https://gate.example/", PORT="1"
    )

    assert api.gateway_address(found) == "https://gate.example"


def test_without_a_name_it_is_the_one_of_this_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        api.gateway_address(environment_at(tmp_path, monkeypatch, PORT="1"))
        == "http://127.0.0.1:8080"
    )
    found = environment_at(tmp_path, monkeypatch, operator="op", PORT="8090")

    assert api.gateway_address(found) == "http://127.0.0.1:8090"
    found.home.run.write_text('{"url": "http://127.0.0.1:8091"}')
    assert api.gateway_address(found) == "http://127.0.0.1:8091"
    for unreadable in ("[]", "{", "{}"):
        found.home.run.write_text(unreadable)
        assert api.gateway_address(found) == "http://127.0.0.1:8090"


@pytest.mark.parametrize("address", ["gate:80", "ftp://gate", "http://", "8080"])
def test_an_address_that_is_none_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="TIDEGATE_API: expected an address such as"):
        api.gateway_address(environment_at(tmp_path, monkeypatch, API=address))


def test_the_key_that_is_given_is_shown_to_anyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = environment_at(tmp_path, monkeypatch, operator="op", ADMIN_KEY="given")

    assert api.admin_key(found, "https://gate.example") == "given"
    monkeypatch.setenv("TIDEGATE_ADMIN_KEY", "sk-one\r\nX-Evil: 1")
    with pytest.raises(SettingsError, match="TIDEGATE_ADMIN_KEY: expected one key"):
        api.admin_key(found, "https://gate.example")


def test_the_operator_key_of_the_home_never_leaves_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = environment_at(tmp_path, monkeypatch, operator="op")

    assert api.admin_key(found, "http://127.0.0.1:8080") == "op"
    assert api.admin_key(found, "http://[::1]:8080") == "op"
    with pytest.raises(SettingsError, match="TIDEGATE_ADMIN_KEY: expected an admin key for https"):
        api.admin_key(found, "https://gate.example")


def test_no_key_at_all_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"TIDEGATE_ADMIN_KEY: .*operator\.key"):
        api.admin_key(environment_at(tmp_path, monkeypatch), "http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"error": {"message": "why"}}, "why"),
        ({"error": {"message": ""}}, "the gateway answered 500"),
        ({"error": "x"}, "the gateway answered 500"),
        ([], "the gateway answered 500"),
    ],
)
def test_an_error_is_its_message_or_its_status(told: Any, expected: str) -> None:
    assert api._error_message(told, 500) == expected


def test_an_id_is_one_segment_of_a_path() -> None:
    assert api.path_segment("a b?x#y%") == "a%20b%3Fx%23y%25"
    for none in ("", ".", "..", "../keys", "a\\b", "a;b", "a\nb", "\udcff"):
        with pytest.raises(SettingsError, match="expected an id, got"):
            api.path_segment(none)


# --------------------------------------------------------------------------- printing


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("", ""),
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (0.5, "0.5"),
        (1 / 3, "0.333"),
        (100.0, "100"),
        ({"image": 9, "video": None}, "image=9 video="),
        (["a", 1], "a, 1"),
        ([], ""),
    ],
)
def test_a_value_is_written_for_people(value: Any, expected: str) -> None:
    assert output.table_cell(value) == expected


def test_a_pipe_gets_every_value_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500

    output.print_table(("name", "value"), [("[bold]a[/bold]", long)])

    assert f"[bold]a[/bold]  {long}" in capsys.readouterr().out


@pytest.mark.parametrize("columns", ["40", "0"])
def test_a_terminal_gets_what_fits_it_and_is_told_what_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)

    output.print_table(("id", "value", "well"), [("x" * 30, "y" * 100, True)])

    told = capsys.readouterr().out.splitlines()
    assert "id" in told[0]
    assert told[1] == f"{'x' * 30}  yes"
    assert " ".join(told[-2:]).strip() == "1 column left out (value): --json shows it"


def test_what_has_no_room_beside_its_head_stands_below_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    words = ("session=ses_0", "lease=one", "units=1")

    output.print_headed("       1.0  added", "session=ses_0", 4)
    output.print_headed("       1.1  lease_granted", " ".join(words), 4)

    assert capsys.readouterr().out.splitlines() == [
        "       1.0  added  session=ses_0",
        "       1.1  lease_granted",
        "    session=ses_0 lease=one units=1",
    ]


def test_a_pipe_gets_an_event_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    long = " ".join(["units=1"] * 30)

    output.print_headed("       1.1  lease_granted", long, 4)

    assert capsys.readouterr().out == f"       1.1  lease_granted  {long}\n"


EVIL = "m\x1b]0;owned\x07\u202e\x9b2J\nforged"
"""A model that a client asked for."""


def test_nothing_that_a_stranger_wrote_commands_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_table((EVIL,), [(EVIL,), ({EVIL: [EVIL]},)], "none")
    output.print_line(EVIL)
    output.print_text(EVIL)
    output.print_note(EVIL)
    output.print_json({EVIL: EVIL})
    output.print_record({EVIL: EVIL})
    output.print_table(("a",), [], EVIL)

    out, err = capsys.readouterr()

    for text in (out, err):
        assert all(one.isprintable() for one in text.split("\n"))
    assert out.count(r"m\x1b]0;owned\x07\u202e\x9b2J\nforged") == 5


def test_document_is_whole_in_a_file_and_harmless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.print_document(f"{EVIL}\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.print_document(f"{EVIL}\n")

    told = capsys.readouterr().out
    assert told.startswith(f"{EVIL}\n")
    assert told.endswith("m\\x1b]0;owned\\x07\\u202e\\x9b2J\nforged\n")


def test_no_rows_are_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("a",), [], "no sessions")

    assert capsys.readouterr().out == "no sessions\n"


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"name": "即梦"})

    out = capsys.readouterr().out
    assert "即梦" in out
    assert json.loads(out) == {"name": "即梦"}


# ---------------------------------------------------------------------------- progress


@pytest.mark.parametrize(("took_s", "shown"), [(0.4, False), (1.5, True)])
def test_a_bar_shows_when_it_takes_longer_than_a_second(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    took_s: float,
    shown: object,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    now_s = [100.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now_s[0])

    with output.progress_bar("adding sessions", 10) as moved:
        moved(3)
        now_s[0] += took_s
        moved(3)

    assert ("adding sessions" in capsys.readouterr().err) is shown


def test_a_bar_is_in_no_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    now_s = [100.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now_s[0])

    with output.progress_bar("adding sessions", 10) as moved:
        now_s[0] += 60
        moved(3)

    assert capsys.readouterr().err == ""
