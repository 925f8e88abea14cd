"""The overview over real services, and with some of them away."""

import asyncio

import pytest

from contracts.pool import Outcome
from runtime.process.findings import CURES
from tests.integration.gateway.calls import use_lease
from tests.integration.gateway.doors import Desk
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_overview_is_what_the_services_say(staffed: Desk) -> None:
    """Of a call nobody knows how it ended; the page has it once analytics has read of it."""
    await use_lease(staffed.doors.client, "image", Outcome.UNKNOWN)

    async def told() -> bool:
        page = await staffed.ask("GET", "/api/overview")
        return bool(page["calls"]["hour"]["calls"])

    await eventually(told)
    page = await staffed.ask("GET", "/api/overview")

    assert page["silent"] == []
    assert [units["service_type"] for units in page["units"]] == [
        "image",
        "video",
        "avatar",
        "music",
    ]
    image = page["units"][0]
    assert (image["remaining"], image["reserved"], image["used"], image["limit"]) == (19, 0, 1, 20)
    assert 0 < image["resets_in_s"] <= 86_400
    assert page["in_doubt"]["leases"] == page["in_doubt"]["units"] == 1
    assert page["in_doubt"]["since"]
    assert page["sessions"]["states"][0] == {"state": "active", "count": 2}
    assert page["servers"]["states"] == [{"state": "up", "count": 1}]
    assert page["servers"]["unwell"] == page["attention"] == []
    (server,) = page["servers"]["listed"]
    assert (server["id"], server["state"], server["max_sessions"]) == ("server-1", "up", 200)
    assert (server["connections"], len(server["trail"])) == (0, 12)
    assert page["queue"] == {"waiting": 0, "open_leases": 0}
    assert page["errors"] == []
    assert page["sequences"]["pool"] > 0
    assert page["sequences"]["analytics"] > 0


async def test_silent_services_leave_their_parts_empty_and_are_named(alone: Desk) -> None:
    page = await alone.ask("GET", "/api/overview")

    assert [silent["service"] for silent in page["silent"]] == ["pool", "balancer", "analytics"]
    parts = ("units", "calls", "queue", "sessions", "servers", "in_doubt", "errors", "lag")
    assert all(page[part] is None for part in parts)
    assert page["sequences"] == {"pool": None, "balancer": None, "analytics": None}
    found = {finding["code"]: finding["cure"] for finding in page["attention"]}
    codes = ("pool_no_leader", "balancer_no_leader", "analytics_absent")
    assert found == {code: CURES[code] for code in codes}


async def test_many_who_ask_at_once_cost_one_question(staffed: Desk) -> None:
    pages = await asyncio.gather(*(staffed.ask("GET", "/api/overview") for _ in range(20)))

    assert len({page["at"] for page in pages}) <= 2
