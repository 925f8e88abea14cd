"""What an operator may call things, and how a stranger's texts are shown."""

import csv
import io
import json

import pytest

from runtime.settings import DEFAULT_SERVICES, ServiceTypeSection
from runtime.texts import (
    address_shown,
    as_quoted,
    as_shown,
    as_shown_json,
    as_shown_lines,
    count_phrase,
    csv_writer,
    is_writable,
    spreadsheet_cell,
)
from services.gateway.settings import Settings as GatewaySettings
from services.pool.settings import Settings as PoolSettings

MUSIC = ServiceTypeSection(daily_limit=1)


def test_how_many_there_are_is_said_as_people_say_it() -> None:
    said = [count_phrase(count, "call") for count in (0, 1, 2, 1200)]

    assert said == ["0 calls", "1 call", "2 calls", "1,200 calls"]
    assert count_phrase(1, "request waits", "requests wait") == "1 request waits"
    assert count_phrase(2, "request waits", "requests wait") == "2 requests wait"


@pytest.mark.parametrize("name", ["image", "音乐", "one two", "a" * 64, "a.b-c_d"])
def test_name_that_can_be_read_is_one(name: str) -> None:
    assert is_writable(name)


@pytest.mark.parametrize("name", ["", "a" * 65, "a\nb", "a\x1b[2Jb", "a\u202eb", "a\x85", "\ud800"])
def test_service_type_that_cannot_be_written_is_refused(name: str) -> None:
    services = {**DEFAULT_SERVICES, name: MUSIC}

    assert not is_writable(name)
    with pytest.raises(ValueError, match="services: expected names of 1 to 64 printable"):
        GatewaySettings(services=services)
    with pytest.raises(ValueError, match="services: expected names of 1 to 64 printable"):
        PoolSettings(services=services)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("即梦 4.0, ok", "即梦 4.0, ok"),
        ("a\u3000b\xa0c", "a\u3000b\xa0c"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b2J\x7f\x85", r"\x9b2J\x7f\x85"),
        ("safe\u202egnp.exe\u2066", r"safe\u202egnp.exe\u2066"),
        ("a\nb\r\tc\u2028", r"a\nb\r\tc\u2028"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_text_commands_no_terminal_and_stays_on_its_line(text: str, written: str) -> None:
    assert as_shown(text) == written
    assert (
        as_shown_lines(f"{text.replace(chr(10), '')}\n") == as_shown(text.replace("\n", "")) + "\n"
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://h:1/a@b", "http://h:1/a@b"),
        ("http://u:hush@h:1/a", "http://(hidden)@h:1/a"),
        ("http://u:hu@sh@h", "http://(hidden)@h"),
        ("http://u:hu/sh@h", "http://(hidden)@h"),
        ("http://u:hu?sh@h", "http://(hidden)@h"),
        ("http://u:hu#sh@h", "http://(hidden)@h"),
        ("u:hush@h:1", "(hidden)@h:1"),
        ("http://u:hush@h:99999", "http://(hidden)@h:99999"),
        ("http://[u:hush@h", "http://(hidden)@h"),
        ("https://h/a?token=hush&b=hush&hush", "https://h/a?token=(hidden)&b=(hidden)&(hidden)"),
        ("https://h/a#hush", "https://h/a#(hidden)"),
        ("nats://u:hush@a:1,nats://u:hush@b:2", "nats://(hidden)@a:1,nats://(hidden)@b:2"),
        ("nats://a:1,b:2", "nats://a:1,b:2"),
    ],
)
def test_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert address_shown(address) == shown


@pytest.mark.parametrize("text", ["a\x9b\u202e\x7f", "\U000e0001\ud83d", "即梦", "plain"])
def test_json_means_the_same_and_commands_no_terminal(text: str) -> None:
    written = as_shown_json(json.dumps({text: [text]}, ensure_ascii=False, indent=1))

    assert json.loads(written) == {text: [text]}
    assert all(one.isprintable() for one in written.split("\n"))
    assert ("即梦" in written) == ("即梦" in text)


@pytest.mark.parametrize("begins", [*"=+-@\t\r\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_cell_is_a_formula(begins: str) -> None:
    assert spreadsheet_cell(f"{begins}1+1") == f"'{begins}1+1"
    assert spreadsheet_cell(f"1{begins}1") == f"1{begins}1"


@pytest.mark.parametrize(
    "blank",
    [
        " ",
        "  ",
        "\xa0",
        "\u200b",
        "\u3000",
        "\ufeff",
        "\x00",
        "\x0b",
        "\u2028",
        "\u202e",
        " \u2060",
    ],
)
@pytest.mark.parametrize("mark", [*"=+-@", *"＝＋－＠", *"﹦﹢﹣﹫⁼₌−"])  # noqa: RUF001
def test_no_cell_is_a_formula_once_blanks_are_cut_off(blank: str, mark: str) -> None:
    assert spreadsheet_cell(f"{blank}{mark}1+1") == f"'{blank}{mark}1+1"
    assert spreadsheet_cell(f"{mark}{blank}cmd") == f"'{mark}{blank}cmd"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ａ;=1", "ａ;'=1"),  # noqa: RUF001
        ("a; \u200b=1;b;@c", "a;' \u200b=1;b;'@c"),
        ("a\n=1", "a\n'=1"),
        ("a\r\n-1+2", "a\r\n'-1+2"),
        ("a\t＝1", "a\t'＝1"),  # noqa: RUF001
        ("a|+1", "a|'+1"),
        ("=1;=2", "'=1;'=2"),
        ("curl/8.1 (x; en)", "curl/8.1 (x; en)"),
        ("a, -b; c", "a, -b; c"),
    ],
)
def test_no_part_of_a_cell_is_a_formula_where_another_mark_ends_cells(
    text: str, written: str
) -> None:
    assert spreadsheet_cell(text) == written


@pytest.mark.parametrize("number", ["-5", "+5", "-0.25", "1e-7", "-1.5E+30", "-" + "9" * 39, "0"])
def test_number_is_left_as_it_is(number: str) -> None:
    assert spreadsheet_cell(number) == number
    assert spreadsheet_cell(f"{number}+1").startswith("'") == (number[0] in "+-")


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", " a ", "", "a\r"])
def test_line_break_in_a_cell_is_no_new_row(text: str) -> None:
    out = io.StringIO(newline="")
    csv_writer(out).writerows([[text, "x"], ["y", 1]])

    written = out.getvalue()

    assert list(csv.reader(io.StringIO(written, newline=""))) == [[text, "x"], ["y", "1"]]
    assert written.endswith("y,1\n")
    assert ('"' in written) == (text not in {" a ", ""})


def test_what_a_stranger_sent_is_quoted_no_longer_than_it_helps() -> None:
    assert as_quoted("a\x1bb") == "'a\\x1bb'"
    assert as_quoted("x" * 100) == f"'{'x' * 100}'"
    assert as_quoted("\x7f" * 31_000_000) == repr("\x7f" * 100) + "…"
    assert as_quoted("abc", 2) == "'ab'…"
    assert as_quoted(-1) == "-1"
    assert as_quoted([1] * 1000, 4) == "[1, …"
