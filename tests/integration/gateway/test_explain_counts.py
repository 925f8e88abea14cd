"""`explain` of an id that has no trace, figures that are not made yet, units a day."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from contracts.base import Failed, GatewayId, KeyId
from contracts.pool import CallsRefused
from services.gateway.routes.ledger.explain import minted_at
from tests.integration.gateway.doors import Desk, desk
from tests.integration.gateway.office import office
from tests.moments import NOON
from tests.unit.analytics.builders import Story, granted, policy, refused, requested, session, used
from tidegate.ledger.explain import count_lines

pytestmark = pytest.mark.anyio
TODAY = datetime.now(UTC).date().isoformat()


def minted(at: datetime) -> str:
    """A UUIDv7 of that moment."""
    number = int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62 | 12345
    return str(UUID(int=number))


def story() -> Story:
    """38 calls over their rate in a minute, then 28 that the pool only counted."""
    of_a_minute = CallsRefused(
        gateway_id=GatewayId("g"),
        key_id=KeyId("k1"),
        code="rate_limit_exceeded",
        status=429,
        count=38,
        since=NOON,
        until=NOON + timedelta(seconds=59),
    )
    told = Story().tell(policy(), session()).tell(of_a_minute, at=NOON + timedelta(seconds=60))
    later = NOON + timedelta(minutes=10)
    last = later + timedelta(seconds=6)
    only_counted = replace(refused("first", count=28), since=later, until=last)
    told.tell(only_counted, at=later + timedelta(seconds=10))
    lease = granted("big", quota_day=TODAY, units=6)
    now = datetime.now(UTC)
    return told.tell(requested("big", units=6), lease, at=now).tell(used("big", units=6), at=now)


@pytest.fixture
async def front(nats_client: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with office(nats_client, nats_url, tmp_path, story()) as made:
        yield made


async def test_an_id_without_a_trace_is_told_with_the_counts_of_its_moment(front: Desk) -> None:
    key = {"authorization": f"Bearer {front.admin}"}

    async def explain(request_id: str) -> tuple[int, dict[str, object]]:
        answer = await front.http.get(f"/api/requests/{request_id}/explain", headers=key)
        return answer.status_code, answer.json()

    status, found = await explain(minted(NOON + timedelta(seconds=30)))
    assert (status, found["data"], found["at"]) == (200, [], "2026-01-01T12:00:30.000Z")
    text = "\n".join(count_lines("x", found))
    assert "it may be\n  one of 38 answered 429 rate_limit_exceeded to key k1" in text

    status, found = await explain(minted(NOON + timedelta(minutes=10, seconds=5)))
    text = "\n".join(count_lines("x", found))
    assert "one of 28 answered 429 pool_quota_exhausted for image to key k1" in text

    # The last that was counted came before these.
    for late in (timedelta(seconds=59.5), timedelta(minutes=10, seconds=6.5)):
        assert (await explain(minted(NOON + late)))[0] == 404

    status, found = await explain(minted(NOON + timedelta(minutes=5)))
    assert status == 404
    assert "keeps nothing" in found["error"]["message"]  # type: ignore[index]
    assert "ask again" not in found["error"]["message"]  # type: ignore[index]
    status, found = await explain(minted(datetime.now(UTC)))
    assert "ask again" in found["error"]["message"]  # type: ignore[index]
    for strange in ("nothing", "ffffffff-ffff-7fff-bfff-ffffffffffff"):
        assert (await explain(strange))[0] == 404


async def test_average_daily_usage_is_of_units_where_they_differ_from_calls(front: Desk) -> None:
    key = {"authorization": f"Bearer {front.admin}"}
    found = await front.http.get("/api/session/stats?sessionId=s1&days=2", headers=key)

    assert found.json()["totalRequests"] == 1
    assert found.json()["avgDailyUsage"] == 3.0


async def test_figures_that_are_being_made_anew_are_503_and_say_how_far_they_are(
    nats_client: Client,
) -> None:
    told = "the figures are being made anew: at log sequence 40 of 100 (40%)"

    async def rebuilding(message: Msg) -> None:
        await message.respond(msgspec.json.encode(Failed(code="rebuilding", message=told)))

    for subject in (subjects.ANALYTICS_QUERY, subjects.ANALYTICS_SQL, subjects.ANALYTICS_REPORT):
        await nats_client.subscribe(subject, cb=rebuilding)
    async with desk(nats_client) as made:
        key = {"authorization": f"Bearer {made.admin}"}
        answers = [
            await made.http.get(path, headers=key)
            for path in (
                "/api/stats/summary",
                "/api/session/stats?date=2026-01-01",
                "/api/stats/query?measures=requests",
                "/api/reports/daily",
            )
        ]
        sql = await made.http.post("/api/sql", headers=key, json={"query": "select 1"})

    for answer in [*answers, sql]:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "rebuilding")
        assert answer.json()["error"]["message"] == told
        assert answer.headers["retry-after"] == "5"


def test_only_a_uuid_of_version_seven_says_when_it_was_minted() -> None:
    assert minted_at(minted(NOON)) == NOON
    for other in (
        "",
        "x",
        "0193b2c4-7f00-4abc-8def-0123456789ab",
        "0193b2c47f007abc8def0123456789ab",
    ):
        assert minted_at(other) is None
