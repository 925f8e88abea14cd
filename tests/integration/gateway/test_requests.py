"""Clients' calls as rows, over HTTP, with analytics behind the doors that has read of them."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from tests.integration.analytics.test_queries_true import story
from tests.integration.gateway.doors import Desk
from tests.integration.gateway.office import office

pytestmark = pytest.mark.anyio


async def test_requests_are_listed_page_by_page(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path / "home", story()) as front:
        whole = await front.ask("GET", "/api/requests")
        first = await front.ask("GET", "/api/requests?limit=4")
        second = await front.ask("GET", f"/api/requests?limit=4&cursor={first['next']}")
        third = await front.ask("GET", f"/api/requests?limit=4&cursor={second['next']}")
        failed = await front.ask("GET", "/api/requests?code=no_backend")
        none = await front.ask(
            "GET", "/api/requests", params={"since": "2027-01-01T00:00:00+08:00"}
        )
        explained = await front.ask("GET", "/api/requests/moved/explain")

    pages = [row["request_id"] for page in (first, second, third) for row in page["data"]]
    assert pages == [row["request_id"] for row in whole["data"]]
    assert (whole["next"], third["next"]) == (None, None)
    (row,) = failed["data"]
    assert (row["request_id"], row["status"], row["message"]) == (
        "outage",
        503,
        "no server can do image: all are down",
    )
    assert row["at"].endswith("Z")
    assert none["data"] == []
    lane = explained["data"][0]["lane"]
    assert lane["ended"] is True
    assert [span["kind"] for span in lane["spans"]].count("lease") == 2


async def test_requests_are_listed_from_any_place_on(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_client, nats_url, tmp_path / "home", story()) as front:
        whole = await front.ask("GET", "/api/requests")
        first = await front.ask("GET", "/api/requests?limit=4")
        within = await front.ask("GET", "/api/requests?limit=2&offset=3")
        behind = await front.ask("GET", f"/api/requests?limit=3&offset=1&cursor={first['next']}")
        beyond = await front.ask("GET", "/api/requests?offset=1000")

    assert within["data"] == whole["data"][3:5]
    assert behind["data"] == whole["data"][5:8]
    assert (beyond["data"], beyond["next"]) == ([], None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("outcome=won", "outcome: expected one of settled, released,"),
        ("since=yesterday", "since: expected a moment such as"),
        ("until=2026-01-31T12:00:00", "until: expected a moment such as"),
        (
            "cursor=x",
            "cursor: expected `next` of the page before, with the same filter and order, got 'x'",
        ),
        ("cursor=WyJhIiwiYiJd", "cursor: expected `next` of the page before"),
        (f"q={'x' * 201}", "q: expected at most 200 characters, got 201"),
        ("limit=0", "limit"),
        ("offset=-1", "offset"),
        ("other=1", "other: there is no such parameter"),
    ],
)
async def test_what_is_no_filter_is_named(alone: Desk, query: str, expected: str) -> None:
    error = await alone.refused("GET", f"/api/requests?{query}", 400)

    assert expected in error["message"]
