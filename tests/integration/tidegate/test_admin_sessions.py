"""Sessions looked for, by the verbs that a person types."""

import pytest

from tests.integration.tidegate.test_admin import Terminal, terminal
from tidegate.admin import sessionlists

pytestmark = pytest.mark.anyio
__all__ = ["terminal"]


async def test_sessions_are_listed_by_filter_in_an_order_and_page_by_page(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two sessions; the verb puts them together, or stops where it is told to."""
    monkeypatch.setattr(sessionlists, "PAGE", 2)
    lines = "".join(f"us-credential-{number}\n" for number in range(5))
    added = (await terminal.read("sessions", "add", "-", stdin=lines))["added"]
    await terminal.shown("sessions", "drain", added[2], "--reason", "Account is closed")

    listed = await terminal.read("sessions", "list", "--find", "us", "--sort", "-id")
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
    assert with_tea.startswith("service_type: expected one of ")


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
    refused = await terminal.refused("sessions", "join", alone, "jimeng-7")
    assert "quota_reset_hour: expected 8, as account 'jimeng-7' has it, got 0" in refused
    joined = await terminal.read("sessions", "join", alone, "mine")
    assert joined["account"] == "mine"
    assert (await terminal.read("sessions", "join", late, "mine"))["account"] == "mine"
    again = await terminal.refused("sessions", "join", late, "other")
    assert "account: the session uses 'mine', and never leaves it" in again
    assert "tier" not in await terminal.read("sessions", "tier", late, "none")
    assert "tier: expected one of [tiers] (there are none), got 'vip'" in await terminal.refused(
        "sessions", "tier", late, "vip"
    )
    found = await terminal.read("sessions", "list", "--find", "mine")
    assert [one["session_id"] for one in found["data"]] == [alone, late]
    assert "jimeng-7" in await terminal.shown("sessions", "list")
