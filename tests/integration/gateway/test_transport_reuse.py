"""A connection is used again only while its server is sure to keep it."""

import asyncio

import pytest

from services.gateway.transport import Transport
from tests.integration.gateway.closing import called, closing, storm_at

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("said_s", "gap_s", "expected"),
    [
        (0, 0.05, {"new": 1, "reused": 1}),
        (0, 0.4, {"new": 2}),
        (5, 0.4, {"new": 1, "reused": 1}),
        (1, 0.0, {"new": 2}),
    ],
)
async def test_idle_connection_carries_another_call_for_as_long_as_is_sure(
    said_s: int, gap_s: float, expected: dict[str, int]
) -> None:
    transport = Transport(reuse_idle_s=0.2)
    async with closing(30, said_s) as url:
        assert await called(transport, url, [gap_s]) == expected
    await transport.aclose()


async def test_no_call_crosses_the_end_of_its_connection() -> None:
    transport = Transport(reuse_idle_s=0.3)
    async with closing(0.6) as url:
        found = await storm_at(transport, url, 60, 4, (0.2, 0.8))
    await transport.aclose()

    assert found["unknown"] == found["unreachable"] == 0
    assert found["reused"] > 10


async def test_calls_do_cross_it_where_connections_are_kept_for_too_long() -> None:
    transport = Transport(reuse_idle_s=30)
    async with closing(0.6) as url:
        found = await storm_at(transport, url, 60, 4, (0.5, 0.7))
        await asyncio.sleep(0)
    await transport.aclose()

    assert found["unknown"] > 0
