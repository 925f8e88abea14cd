"""`X-Remaining-Quota` says what the pool says once the request is over, whatever became of it."""

import json
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import ServiceType, SessionId
from runtime.nats import natsserver
from tests.integration.gateway.bench import NOBODY, Front, at, front, saying
from tests.integration.gateway.upstreams import Behaviour, upstream
from tests.integration.pool.room import IMAGE, status

pytestmark = pytest.mark.anyio


async def units_left(gate: Front, session_id: str) -> dict[ServiceType, int]:
    """What the pool says that a session has left, after all it has to hear."""
    assert await gate.gateway.outbox.wait_until_empty(20)
    (view,) = (await status(gate.client, session_id=SessionId(session_id))).sessions
    return view.remaining


def code(number: int) -> Behaviour:
    body = json.dumps({"code": number, "message": "no", "data": None}).encode()
    return saying(200, body, "Content-Type: application/json")


@pytest.mark.parametrize(
    ("behaviour", "expected", "units"),
    [
        (saying(200, b'{"data":[{"url":"u"}]}'), 200, 9),
        (saying(403, b"{}"), 403, 10),
        (saying(500, b"{}"), 502, 9),
        (saying(429, b"{}", "Retry-After: 60"), 503, 10),
        (saying(401, b"{}"), 502, 10),
        (code(-2006), 400, 10),
        (code(-2009), 429, 0),
    ],
    ids=["done", "rejected", "unknown", "limited", "login", "content", "used-up"],
)
async def test_header_agrees_with_the_pool(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    behaviour: Behaviour,
    expected: int,
    units: int,
) -> None:
    async with (
        upstream(behaviour) as server,
        front(nats_client, nats_url, tmp_path, sessions=1) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()
        told = json.loads(answer.headers["x-remaining-quota"])
        known = await units_left(gate, answer.headers["x-session-id"])

    assert answer.status_code == expected
    assert told == known == {IMAGE: units}


@pytest.mark.parametrize("tried", [False, True])
async def test_unit_that_was_never_sent_is_back(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    tried: bool,  # noqa: FBT001
) -> None:
    def chosen(wanted: SelectServer) -> Selected | NoServer:
        nowhere = f"http://127.0.0.1:{natsserver.free_port()}"
        return NOBODY if wanted.avoid or not tried else at(nowhere)

    async with front(nats_client, nats_url, tmp_path, sessions=1) as gate:
        gate.chosen = chosen
        answer = await gate.ask()
        known = await units_left(gate, answer.headers["x-session-id"])

    assert json.loads(answer.headers["x-remaining-quota"]) == known == {IMAGE: 10}


async def test_header_is_left_out_where_a_second_session_may_have_been_closed_or_not(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(code(-2009)) as server,
        front(nats_client, nats_url, tmp_path, sessions=2) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        answer = await gate.ask()

    assert len(gate.asked) == 2
    assert "x-session-id" in answer.headers
    assert "x-remaining-quota" not in answer.headers
