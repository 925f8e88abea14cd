"""The verbs that say what the dashboard says, against real doors with real services behind them."""

import pytest

from tests.integration.tidegate.test_admin import Terminal, terminal

__all__ = ["terminal"]
pytestmark = pytest.mark.anyio


async def test_overview_is_shown(terminal: Terminal) -> None:
    page = await terminal.read("overview")
    shown = await terminal.shown("overview")

    assert page["silent"] == []
    assert page["sessions"]["total"] == 2
    assert "sessions: 2 active" in shown
    assert "image" in shown
