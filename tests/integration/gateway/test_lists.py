"""Figures beside lists, over HTTP."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from tests.integration.analytics.test_queries_true import story
from tests.integration.gateway.doors import Desk
from tests.integration.gateway.office import office

pytestmark = pytest.mark.anyio


async def test_lists_have_their_figures(nats_client: Client, nats_url: str, tmp_path: Path) -> None:
    """The story is long ago: nothing of it is of the last minutes, or of today."""
    async with office(nats_client, nats_url, tmp_path / "home", story()) as front:
        history = await front.ask("GET", "/api/servers/history?minutes=5")
        limits = await front.ask("GET", "/api/stats/limits?from=2026-01-01&to=2026-01-01")
        keys = await front.ask("GET", "/api/keys")
        query = "measures=calls&from=2026-01-01&to=2026-01-01&compare=before"
        compared = await front.ask("GET", f"/api/stats/query?{query}")

    assert (history["data"], history["minutes"]) == ([], 5)
    assert [day["service_type"] for day in limits["data"]] == ["avatar", "image", "video"]
    assert limits["data"][1]["limit"] == 30
    assert [(key["name"], key["calls"], key["issued_by"]) for key in keys["data"]] == [
        ("root", 0, "test"),
        ("app", 0, "test"),
    ]
    assert min(keys["sequence"], keys["figures_sequence"]) > 0
    assert compared["columns"] == ["calls", "calls_before"]
    assert compared["rows"][0][1] == 0


async def test_keys_are_listed_without_their_figures_while_analytics_is_silent(alone: Desk) -> None:
    listed = await alone.ask("GET", "/api/keys")

    assert [(key["name"], key["calls"], key["last_seen_at"]) for key in listed["data"]] == [
        ("root", None, None),
        ("app", None, None),
    ]
    assert (listed["figures_sequence"], listed["lag"]) == (None, None)
    assert listed["sequence"] > 0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/servers/history?minutes=0", "minutes"),
        ("/api/stats/limits?from=2026-13-01&to=2026-01-01", "from: expected a date"),
        ("/api/stats/limits?to=soon", "to: expected a date"),
        ("/api/stats/limits?from=2026-01-02&to=2026-01-01", "from: expected a day at most 400"),
        ("/api/stats/limits?from=2026-01-02", "to: expected the last day beside from"),
        ("/api/stats/query?measures=calls&compare=after", "compare: expected before, got 'after'"),
    ],
)
async def test_what_is_no_question_is_named(alone: Desk, path: str, expected: str) -> None:
    error = await alone.refused("GET", path, 400)

    assert expected in error["message"]
