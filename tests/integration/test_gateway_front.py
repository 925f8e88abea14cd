"""What a client is told when servers, or the balancer that names them, fail."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.balancer import Selected, SelectServer
from contracts.pool import Outcome, UsageRecorded
from tests.integration.gateway_bench import NOBODY, at, front, saying
from tests.integration.gateway_upstreams import upstream
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


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_what_was_generated_or_went_wrong_is_stored_nowhere(
    nats_client: Client, nats_url: str, tmp_path: Path, status: int
) -> None:
    said = saying(status, b'{"data":[{"url":"u"}]}', "Cache-Control: public, max-age=60")
    async with upstream(said) as server, front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: at(server.url)
        done = await gate.ask()
        unknown = await gate.ask(key="sk-nobody")
        token = await gate.ask(path="/token/check", key=gate.admin_key)
        models = await gate.ask("GET", "/v1/models")

    for answer in (done, unknown, token):
        assert answer.headers.get_list("cache-control") == ["no-store"]
    kept = "public, max-age=300" if status == 200 else "no-store"
    assert models.headers.get_list("cache-control") == [kept]
