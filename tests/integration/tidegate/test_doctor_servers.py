"""What the doctor finds of a server, by what the balancer says of it and what it answers here."""

import asyncio

import pytest

from contracts.balancer import Health, ServerView, TypeView
from contracts.base import ServiceType
from tests.tinyserver import listening
from tests.unit.balancer.builders import server
from tidegate.doctor.services import _server_findings

pytestmark = pytest.mark.anyio
WORDS = "image: ejected 3 s ago: 5 failures in a row, back in 27 s"


@pytest.mark.parametrize(
    ("state", "words", "found"),
    [("ejected", WORDS, "server_ejected"), ("up", "", ""), ("slow_start", "", "")],
)
async def test_one_that_is_out_for_a_service_type_is_not_fine(
    state: str, words: str, found: str
) -> None:
    async with listening() as port:
        view = ServerView(
            server=server("a", url=f"http://127.0.0.1:{port}"),
            health=Health.UP,
            healthy=True,
            state="up",
            words=words,
            service_types=[TypeView(service_type=ServiceType("image"), state=state, words=words)],
        )

        (finding,) = await asyncio.to_thread(lambda: [*_server_findings(view)])

    assert finding.code == found
    assert words in finding.message
