"""The pool asks gateways after an account: one answers, and says what a server said of it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts import subjects
from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import Failed, SessionId
from contracts.pool import CheckRecorded, CheckSession, SessionChecked
from tests.integration.gateway.bench import NOBODY, Front, at, front, saying
from tests.integration.gateway.upstreams import Behaviour, upstream
from tests.integration.pool.room import status
from tests.waiting import until

pytestmark = pytest.mark.anyio
_answers = msgspec.json.Decoder(SessionChecked | Failed)
EXPIRED = b'{"code":-2002,"message":"login error","data":null}'


async def check(client: Client, command: CheckSession | bytes) -> SessionChecked | Failed:
    body = command if isinstance(command, bytes) else msgspec.json.encode(command)
    message = await client.request(subjects.GATEWAY_CHECK, body, timeout=10)
    return _answers.decode(message.data)


async def any_session(client: Client) -> SessionId:
    return (await status(client, sessions=True)).sessions[0].session_id


def one_server_speaking(url: str, dialect: str) -> Any:
    """A balancer that has one server, of this dialect."""

    def chosen(wanted: SelectServer) -> Selected | NoServer:
        return replace(at(url), dialect=dialect) if dialect in wanted.dialects else NOBODY

    return chosen


async def checked_at(gate: Front, client: Client, behaviour: Behaviour, dialect: str) -> Any:
    """Have a session checked at one server."""
    await gate.gateway.hear_leaders()
    async with upstream(behaviour) as made:
        gate.chosen = one_server_speaking(made.url, dialect)
        return await check(client, CheckSession(session_id=await any_session(client)))


@pytest.mark.parametrize(
    ("dialect", "status_code", "body", "judged"),
    [
        ("jimeng", 200, b'{"live":true}', "alive"),
        ("jimeng", 200, b'{"live":false}', "unknown"),
        ("drraw", 200, EXPIRED, "dead"),
        ("jimeng-free-all", 500, b"no", "unknown"),
        ("plain", 401, b"no", "unknown"),
        ("plain", 404, b"no", "unknown"),
    ],
)
async def test_what_a_server_says_of_an_account_is_told_to_the_pool(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    dialect: str,
    status_code: int,
    body: bytes,
    judged: str,
) -> None:
    heads: list[bytes] = []
    async with front(nats_client, nats_url, tmp_path, sessions=1) as gate:
        behaviour = saying(status_code, body, seen=heads)
        answer = await checked_at(gate, nats_client, behaviour, dialect)

        assert isinstance(answer, SessionChecked)
        assert replace(answer.recorded, message="") == CheckRecorded(
            session_id=await any_session(nats_client),
            judged=judged,
            server_id="one",
            dialect=dialect,
            asked=["POST /token/check"],
            by="pool",
        )
        (head,) = heads
        assert head.startswith(b"POST /token/check HTTP/1.1\r\n")
        assert b"authorization" not in head.lower()


async def test_where_nothing_can_be_asked_the_pool_is_told_why(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path, sessions=1) as gate:
        await gate.gateway.hear_leaders()
        gate.chosen = lambda _: NOBODY
        no_server = await check(
            nats_client, CheckSession(session_id=await any_session(nats_client))
        )
        nobody = await check(nats_client, CheckSession(session_id=SessionId("ses_nobody")))
        garbage = await check(nats_client, b"{}")

        assert no_server == Failed(code="internal", message=NOBODY.reason)
        assert isinstance(nobody, Failed)
        assert "ses_nobody" in nobody.message
        assert isinstance(garbage, Failed)
        assert garbage.code == "bad_request"


async def test_one_of_several_answers_and_never_beside_an_inbox(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    heads: list[bytes] = []
    async with (
        front(nats_client, nats_url, tmp_path, sessions=1) as gate,
        upstream(saying(200, b'{"live":true}', seen=heads)) as made,
    ):
        for _ in range(2):
            await gate.gateway.hear_leaders()
        gate.chosen = one_server_speaking(made.url, "drraw")
        command = CheckSession(session_id=await any_session(nats_client))

        await check(nats_client, command)

        assert len(heads) == 1

        heard = await nats_client.subscribe("evt.pool.9")
        body = msgspec.json.encode(command)
        await nats_client.publish(subjects.GATEWAY_CHECK, body, reply="evt.pool.9")
        await until(lambda: len(heads) == 2)
        await check(nats_client, command)

        assert heard.pending_msgs == 0
