"""Sessions looked for, by the verbs that a person types."""

import json
from pathlib import Path

import pytest

from tests.integration.tidegate.test_admin import Terminal, terminal
from tidegate.admin.pool import sessionchanges
from tidegate.console import api, output

pytestmark = pytest.mark.anyio
__all__ = ["terminal"]


async def test_sessions_are_listed_by_filter_in_an_order_and_page_by_page(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two sessions; the verb puts them together, or stops where it is told to."""
    monkeypatch.setattr(api, "PAGE", 2)
    lines = "".join(f"us-credential-{number}\n" for number in range(5))
    added = (await terminal.read("sessions", "add", "-", stdin=lines))["added"]
    await terminal.shown("sessions", "drain", added[2], "--reason", "Account is closed")

    listed = await terminal.read("sessions", "list", "--find", "us", "--order", "-id")
    first = await terminal.read("sessions", "list", "--find", "us", "--limit", "3")
    rest = await terminal.read("sessions", "list", "--find", "us", "--cursor", first["next"])
    drained = await terminal.read("sessions", "list", "--status", "draining", "-q", "CLOSED")
    code, out, err = await terminal.type("sessions", "list", "--limit", "1")

    assert [one["session_id"] for one in listed["data"]] == sorted(added, reverse=True)
    assert [one["session_id"] for one in first["data"] + rest["data"]] == added
    assert (rest["next"], listed["next"]) == ("", "")
    assert [one["session_id"] for one in drained["data"]] == [added[2]]
    assert (code, "there may be more: --cursor " in err) == (0, True)
    assert "left today:" in out
    with_tea = await terminal.refused("sessions", "list", "--type", "tea")
    assert with_tea.startswith("--type: expected one of ")


async def test_sessions_are_listed_from_any_place_on(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two: what is behind the first page goes on where that ended."""
    monkeypatch.setattr(api, "PAGE", 2)
    lines = "".join(f"us-place-{number}\n" for number in range(6))
    added = (await terminal.read("sessions", "add", "-", stdin=lines))["added"]
    found = ("sessions", "list", "--find", "us")

    rest = await terminal.read(*found, "--offset", "1")
    some = await terminal.read(*found, "--offset", "2", "--limit", "3", "--order", "-added")
    beyond = await terminal.read(*found, "--offset", "1000")
    both = await terminal.refused(*found, "--offset", "1", "--cursor", some["next"])

    assert [one["session_id"] for one in rest["data"]] == added[1:]
    assert [one["session_id"] for one in some["data"]] == added[1:4][::-1]
    assert (beyond["data"], beyond["next"]) == ([], "")
    assert both.startswith("--offset: expected no cursor beside it")


async def test_all_sessions_are_tested_but_those_that_retired(terminal: Terminal) -> None:
    before = (await terminal.read("sessions", "list"))["data"]
    given = "credential-one\ncredential-gone\n"
    kept, gone = (await terminal.read("sessions", "add", "-", stdin=given))["added"]
    await terminal.shown("sessions", "remove", gone)

    _, out, err = await terminal.type("sessions", "test", "--all", "--json")
    _, _, but_one = await terminal.type("sessions", "test", "--all", "--limit", str(len(before)))

    tested = [row["session_id"] for row in json.loads(out)["data"]]
    assert tested == [*(session["session_id"] for session in before), kept]
    assert (err, but_one) == ("", "1 more session was not tested: --limit\n")


async def test_retired_sessions_are_counted_on_a_terminal_unless_they_are_asked_for(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = (await terminal.read("sessions", "add", "-", stdin="kept-one\ngone-one\n"))[
        "added"
    ]
    await terminal.shown("sessions", "remove", gone)

    piped = await terminal.shown("sessions", "list")
    monkeypatch.setattr(output, "terminal_width", lambda: 80)
    short = await terminal.shown("sessions", "list")
    asked = await terminal.shown("sessions", "list", "--status", "retired")

    remark = "1 session that retired left out: --status retired lists them"
    assert (kept in piped, gone in piped, remark in piped) == (True, True, False)
    assert (kept in short, gone in short, remark in short) == (True, False, True)
    assert (kept in asked, gone in asked, remark in asked) == (False, True, False)


async def test_keys_and_leases_are_listed_page_by_page(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys two at a time; there are no leases, so their list ends at once."""
    monkeypatch.setattr(api, "PAGE", 2)
    for name in ("a", "b", "c"):
        await terminal.shown("keys", "issue", name)

    keys = (await terminal.read("keys", "list"))["data"]
    first = await terminal.read("keys", "list", "--limit", "3")
    rest = await terminal.read("keys", "list", "--cursor", first["next"])
    code, _, err = await terminal.type("keys", "list", "--limit", "1")
    none = await terminal.read("leases", "list", "--limit", "1")

    # What they were used for comes from analytics, a moment later.
    assert [key["id"] for key in first["data"] + rest["data"]] == [key["id"] for key in keys]
    assert [key["name"] for key in keys][-3:] == ["a", "b", "c"]
    assert (code, "there may be more: --cursor " in err) == (0, True)
    assert (none["data"], none["next"]) == ([], "")


async def test_a_session_is_called_something_where_operators_look(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Said by a file, for all that are added, or by a change; lists and files show it."""
    file, table = tmp_path / "some.csv", tmp_path / "out.csv"
    file.write_text("credential,label\nhush-1,account 7\nhush-2,\n")
    added = (await terminal.read("sessions", "import", str(file)))["added"]

    again = await terminal.read("sessions", "add", "-", "--label", "spare", stdin="hush-2\n")
    joined = await terminal.type("sessions", "add", "-", "--account", "a", stdin="hush-2\n")
    changed = await terminal.read(
        "sessions", "change", added[0], "--label", "8", "--limit", "image=7"
    )
    listed = await terminal.read("sessions", "list", "--label", "spare")
    shown = await terminal.shown("sessions", "list", "--order", "-label", "--limit", "1")
    await terminal.shown("sessions", "export", str(table))

    assert (again["changed"], again["labelled"]) == ([], [added[1]])
    assert (changed["label"], changed["limits"]["image"]) == ("8", 7)
    assert joined[1].split() == [added[1]]
    assert "1 that was there entered an account, for good" in joined[2]
    assert [one["session_id"] for one in listed["data"]] == [added[1]]
    assert "spare" in shown
    assert f"{added[1]},spare," in table.read_text()
    code, _, err = await terminal.type("sessions", "change", added[0])
    assert (code, "expected --label, --limit, --account or --tier" in err) == (2, True)
    code, _, err = await terminal.type("sessions", "change", added[0], "--limit", "image")
    assert (code, "expected such as image=50" in err) == (2, True)
    too_long = await terminal.refused("sessions", "change", added[0], "--label", "x" * 65)
    assert too_long.startswith("label: expected")


async def test_all_that_fit_are_changed_and_removed(terminal: Terminal) -> None:
    """Each verb says how many fit, and how many of these were not so before."""
    lines = "".join(f"us-credential-{number}\n" for number in range(5))
    added = (await terminal.read("sessions", "add", "-", "--label", "spare", stdin=lines))["added"]
    fitting = ("--label", "spare")
    await terminal.shown("sessions", "drain", added[0])

    tried = await terminal.shown("sessions", "drain", *fitting, "--dry-run")
    drained = await terminal.shown("sessions", "drain", *fitting, "--reason", "closing")
    disabled = await terminal.shown("sessions", "disable", *fitting)
    cooled = await terminal.shown("sessions", "cool", "--find", "us", *fitting, "--for", "10m")
    cleared = await terminal.read("sessions", "clear", "--status", "disabled", *fitting)
    would = await terminal.read("sessions", "remove", *fitting, "--dry-run")
    removed = await terminal.shown("sessions", "remove", *fitting)
    again = await terminal.read("sessions", "remove", *fitting)

    assert tried == "4 of 5 sessions that fit would be drained\n"
    assert drained == "4 of 5 sessions that fit drained\n"
    assert disabled == "5 of 5 sessions that fit disabled\n"
    assert cooled == "5 of 5 sessions that fit cooled\n"
    assert cleared == {"fitting": 5, "changed": 5, "dry_run": False}
    assert would == {"fitting": 5, "changed": 5, "dry_run": True}
    assert removed == "5 of 5 sessions that fit removed\n"
    assert again == {"fitting": 0, "changed": 0, "dry_run": False}
    retired = await terminal.read("sessions", "list", "--status", "retired")
    assert [one["session_id"] for one in retired["data"]] == added


async def test_removing_many_asks_on_a_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await terminal.shown("sessions", "add", "-", "--label", "spare", stdin="one-more\n")
    monkeypatch.setattr(sessionchanges, "is_terminal", lambda: True)
    words = ("sessions", "remove", "--label", "spare")

    refused = await terminal.type(*words, stdin="n\n")
    left = await terminal.read("sessions", "list", "--label", "spare")
    granted = await terminal.type(*words, stdin="y\n")
    unasked = await terminal.shown(*words, "--yes")

    assert (refused[0], "remove 1 session? " in refused[2]) == (1, True)
    assert [one["status"] for one in left["data"]] == ["active"]
    assert (granted[0], granted[1].endswith("1 of 1 sessions that fit removed\n")) == (0, True)
    assert unasked == "0 of 0 sessions that fit removed\n"


@pytest.mark.parametrize(
    "words",
    [
        ("remove",),
        ("drain", "ses_1", "--status", "disabled"),
        ("clear", "ses_1", "--all"),
        ("cool", "ses_1", "--for", "1m", "--dry-run"),
    ],
)
async def test_one_session_or_those_that_fit_are_expected(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    code, _, err = await terminal.type("sessions", *words)

    assert (code, "expected" in err) == (2, True)


async def test_waits_are_ended_by_what_is_said_of_them(terminal: Terminal) -> None:
    assert await terminal.shown("queue", "drop", "--type", "image") == "0 waits ended\n"
    assert await terminal.read("queue", "drop", "--all") == {"dropped": 0}


async def test_sessions_share_an_account_from_the_file_or_by_joining(terminal: Terminal) -> None:
    table = (
        "credential,account,quota_reset_hour,used_image,limit_video\n"
        "a,jimeng-7,8,4,\nb,jimeng-7,,,3\nc,,,,\nd,jimeng-7,x,,\n"
    )
    imported = await terminal.refused("sessions", "import", "-", "--csv", stdin=table)
    listed = (await terminal.read("sessions", "list"))["data"]
    alone = next(one["session_id"] for one in listed if "account" not in one)
    late = (await terminal.read("sessions", "add", "-", stdin="e\n"))["added"][0]

    assert "line 3: limits: expected {}, as account 'jimeng-7' has it, got {'video': 3}" in imported
    assert "line 5: quota_reset_hour: expected a whole number" in imported
    (first,) = (one for one in listed if "account" in one)
    assert (first["account"], first["used"]["image"]) == ("jimeng-7", 4)
    refused = await terminal.refused("sessions", "change", alone, "--account", "jimeng-7")
    assert "quota_reset_hour: expected 8, as account 'jimeng-7' has it, got 0" in refused
    joined = await terminal.read("sessions", "change", alone, "--account", "mine")
    assert joined["account"] == "mine"
    assert (await terminal.read("sessions", "change", late, "--account", "mine"))[
        "account"
    ] == "mine"
    again = await terminal.refused("sessions", "change", late, "--account", "other")
    assert "account: the session uses 'mine', and never leaves it" in again
    assert "tier" not in await terminal.read("sessions", "change", late, "--tier", "")
    assert "tier: expected one of [tiers] (there are none), got 'vip'" in await terminal.refused(
        "sessions", "change", late, "--tier", "vip"
    )
    found = await terminal.read("sessions", "list", "--find", "mine")
    assert [one["session_id"] for one in found["data"]] == [alone, late]
    assert "jimeng-7" in await terminal.shown("sessions", "list")
