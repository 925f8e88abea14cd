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
