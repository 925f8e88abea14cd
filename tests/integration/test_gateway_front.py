"""What a client is told when servers, or the balancer that names them, fail."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.balancer import Selected, SelectServer
from contracts.pool import Outcome, UsageRecorded
from tests.integration.gateway_bench import NOBODY, at, front
from tidegate.runtime import natsserver
from tidegate.runtime.settings import Seconds

pytestmark = pytest.mark.anyio


def nowhere() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{natsserver.free_port()}"


async def test_balancer_that_falls_silent_after_a_failed_try_is_no_backend(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path, failover_wait=Seconds(1.5)) as gate:

        def once(_: SelectServer) -> Selected:
            gate.chosen = None
            return at(nowhere())

        gate.chosen = once

        answer = await gate.ask()

        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_backend")
        assert answer.headers["retry-after"] == "5"
        assert gate.asked[-1].failed is not None
        (ended,) = await gate.journalled(UsageRecorded)
        assert ended.outcome is Outcome.RELEASED


async def test_no_other_server_after_a_failed_try_is_an_upstream_error(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda wanted: NOBODY if wanted.avoid else at(nowhere())

        answer = await gate.ask()

        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
        assert answer.headers["x-should-retry"] == "true"
