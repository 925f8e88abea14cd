"""The verbs that say what the dashboard says, against real doors with real services behind them."""

import json

import pytest

from tests.integration.tidegate.test_admin import Terminal, terminal

__all__ = ["terminal"]
pytestmark = pytest.mark.anyio


async def test_how_things_stand_is_shown(terminal: Terminal) -> None:
    _, out, _ = await terminal.type("status", "--json")
    page = json.loads(out)
    _, shown, _ = await terminal.type("status")
    top = await terminal.shown("top")

    assert (page["silent"], page["slow"]) == ([], [])
    assert page["sessions"]["total"] == 2
    assert "sessions     2 active" in shown
    assert "left today   image" in shown
    assert "sessions: 2 active" in top


async def test_requests_are_listed(terminal: Terminal) -> None:
    page = await terminal.read("requests", "--limit", "5")
    shown = await terminal.shown("requests", "--code", "none", "--offset", "3")

    assert (page["data"], page["next"]) == ([], None)
    assert shown == "no such request\n"
    assert "outcome: expected one of" in await terminal.refused("requests", "--outcome", "won")


async def test_a_link_to_the_dashboard_is_printed(terminal: Terminal) -> None:
    address = terminal.environment["TIDEGATE_API"]

    assert (await terminal.shown("dashboard")).startswith(f"{address}/#in=")
    assert (await terminal.read("dashboard"))["url"].startswith(f"{address}/#in=")


async def test_a_viewers_key_lists_and_changes_nothing(terminal: Terminal) -> None:
    _, out, _ = await terminal.type("keys", "issue", "support", "--scope", "viewer")
    terminal.environment["TIDEGATE_ADMIN_KEY"] = out.strip()

    assert (await terminal.read("top"))["silent"] == []
    assert "a viewer key only reads" in await terminal.refused("keys", "issue", "other")
