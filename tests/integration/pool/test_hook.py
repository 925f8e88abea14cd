"""The `http` provisioner against a hook on a real socket, alone and under a pool's leader."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.pool import Granted, SessionAdded
from runtime.quantities import Seconds
from runtime.secrets import session_identity
from services.pool.provisioners import Credential, ProvisionError, make_provisioner
from services.pool.provisioners.hook import ANSWER_BYTES_MAX, Hook
from services.pool.settings import ProvisionerSection, Settings
from tests.integration.gateway.upstreams import Upstream, body_of, head_of, upstream
from tests.integration.pool.room import events, image_wanted, lease, pool, settings
from tests.waiting import until

pytestmark = pytest.mark.anyio
Answer = Callable[[dict[str, Any]], Any]
SECRET = "topsecret"


def nobody(_: Credential) -> bool:
    return False


def credentials(*names: str, **fields: Any) -> dict[str, Any]:
    return {"credentials": [{"credential": name, **fields} for name in names]}


def reply(body: Any, status: int = 200) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    return head.encode() + text


class HookServer:
    """What a hook was asked, and a way to change what it answers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        self.heads.append(head.decode())
        self.asked.append(json.loads(await body_of(reader, head)))
        answer = self.answer(self.asked[-1])
        if answer is None:
            await asyncio.Event().wait()
        writer.write(answer if isinstance(answer, bytes) else reply(answer))
        await writer.drain()


@asynccontextmanager
async def hook(answer: Answer) -> AsyncIterator[HookServer]:
    server = HookServer(answer)
    made: Upstream
    async with upstream(server.behave) as made:
        server.url = made.url
        yield server


def asking(url: str, token_file: Path | None = None, timeout_s: float = 20.0) -> Hook:
    return Hook(url, token_file, timeout_s)


async def test_a_hook_is_asked_for_what_is_lacking_and_shown_its_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    full = {"region": "us", "limits": {"image": 5}, "quota_timezone": "Asia/Shanghai"}
    async with hook(lambda _: credentials("one", **full)) as server:
        section = ProvisionerSection(kind="http", url=server.url, token_file=str(token))
        made = make_provisioner(section)
        found = await made.lacking_credentials(3, nobody, 200)
        token.write_text("second")
        await made.lacking_credentials(500, nobody, 200)

    assert found == [Credential(credential="one", **full)]
    assert server.asked == [{"wanted": 3}, {"wanted": 200}]
    assert "authorization: bearer first\r\n" in server.heads[0].lower()
    assert "authorization: bearer second\r\n" in server.heads[1].lower()


async def test_a_hook_is_not_asked_when_nothing_is_lacking() -> None:
    async with hook(lambda _: credentials("one")) as server:
        made = asking(server.url)

        assert await made.lacking_credentials(0, nobody, 200) == []
        assert await made.lacking_credentials(3, nobody, 0) == []
    assert server.asked == []


async def test_doubles_known_ones_and_more_than_wanted_are_left_out() -> None:
    names = ["had", "a", "a", "b", "c", "d"]
    async with hook(lambda _: credentials(*names)) as server:
        found = await asking(server.url).lacking_credentials(
            2, lambda one: one.credential == "had", 200
        )

    assert [one.credential for one in found] == ["a", "b"]


async def test_one_that_is_of_no_use_costs_none_of_the_others() -> None:
    async with hook(lambda _: credentials("a", f"{SECRET} b", f"{SECRET},c", "d")) as server:
        made = asking(server.url)
        found = await made.lacking_credentials(4, nobody, 200)

    assert [one.credential for one in found] == ["a", "d"]
    assert "credentials[1]: credential: " in made.complaint
    assert "credentials[2]: credential: " in made.complaint
    assert SECRET not in made.complaint


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (b"garbage\r\n\r\n", "cannot be asked (RemoteProtocolError)"),
        (b"", "cannot be asked (RemoteProtocolError)"),
        (reply(SECRET.encode(), 500), "expected status 200, got 500"),
        (reply(b"", 302), "expected status 200, got 302"),
        (reply(SECRET.encode()), 'expected {"credentials": […]}: JSON is malformed'),
        (reply(b"\xff\xfe"), 'expected {"credentials": […]}'),
        (reply(b'{"credentials":' + b"[" * 100_000), 'expected {"credentials": […]}: '),
        (reply([]), "Expected `object`, got `array`"),
        (
            reply({"credentials": [{"region": "us"}]}),
            "credentials[0]: credential: expected 1 to 4096",
        ),
        (
            reply(credentials("a", **{SECRET: 1})),
            "credentials[0]: expected only credential, region",
        ),
        (
            reply(credentials("a", limits={"image": -1})),
            "credentials[0]: limits: expected whole numbers",
        ),
        (reply(credentials(f"{SECRET} b")), "credentials[0]: credential: expected 1 to 4096"),
        (reply(credentials(f"{SECRET},b")), "credentials[0]: credential: expected one account"),
        (reply(credentials("a", region="mars")), "credentials[0]: region: expected one of us, hk"),
        (reply(credentials("a", quota_timezone="Mars")), "credentials[0]: quota_timezone"),
        (reply(b"x" * (ANSWER_BYTES_MAX + 1)), "expected at most 1000000 bytes"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_of_the_answer_repeated(
    answer: bytes, named: str
) -> None:
    async with hook(lambda _: answer) as server:
        with pytest.raises(ProvisionError) as error:
            await asking(server.url).lacking_credentials(2, nobody, 200)

    assert named in str(error.value)
    assert server.url in str(error.value)
    assert SECRET not in str(error.value)


async def test_silence_and_absence_are_told_apart() -> None:
    async with hook(lambda _: None) as server:
        with pytest.raises(ProvisionError, match=r"expected an answer within 0\.2 s"):
            await asking(server.url, timeout_s=0.2).lacking_credentials(1, nobody, 200)
        gone = server.url
    with pytest.raises(ProvisionError, match="cannot be asked"):
        await asking(gone).lacking_credentials(1, nobody, 200)


@pytest.mark.parametrize(
    ("content", "named"),
    [(None, "No such file"), (b"\xff", "it is not UTF-8"), (b"a b", "one token of visible ASCII")],
)
async def test_a_token_that_cannot_be_shown_is_named_by_its_file(
    tmp_path: Path, content: bytes | None, named: str
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    async with hook(lambda _: credentials("one")) as server:
        with pytest.raises(ProvisionError, match=named):
            await asking(server.url, token).lacking_credentials(1, nobody, 200)

    assert server.asked == []


async def test_a_failing_hook_is_left_alone_longer_each_time() -> None:
    now = [0.0]
    async with hook(lambda _: reply(b"", 500)) as server:
        made = Hook(server.url, None, 20.0, lambda: now[0])
        for _ in range(200):
            with pytest.raises(ProvisionError, match="got 500"):
                await made.lacking_credentials(1, nobody, 200)
            now[0] += 1.0

    # After 1, 2, 4, 8, 16, 32 s and then once a minute.
    assert len(server.asked) == 9


async def test_a_hook_with_nothing_new_is_left_alone_and_asked_again_later() -> None:
    now = [0.0]
    async with hook(lambda _: credentials("had")) as server:
        made = Hook(server.url, None, 20.0, lambda: now[0])
        none = [
            await made.lacking_credentials(1, lambda one: one.credential == "had", 200)
            for _ in range(5)
        ]
        asked = len(server.asked)
        server.answer = lambda _: credentials("new")
        now[0] += 1.0
        found = await made.lacking_credentials(1, nobody, 200)
        again = await made.lacking_credentials(1, nobody, 200)

    assert none == [[]] * 5
    assert asked == 1
    assert [one.credential for one in found] == ["new"]
    assert again == found


# ------------------------------------------------------------------- under a leader


def hooked(url: str, min_size: int = 3, timeout: float = 20.0) -> Settings:
    section = ProvisionerSection(kind="http", url=url, timeout=Seconds(timeout))
    return settings(min_size, provisioner=section)


async def test_a_pool_grows_by_its_hook_and_keeps_its_secrets(
    nats_url: str, nats_client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    made = iter(range(100))

    def one_by_one(_: dict[str, Any]) -> Any:
        return credentials(f"{SECRET}-{next(made)}", region="jp")

    async with hook(one_by_one) as server, pool(nats_url, lambda: hooked(server.url)) as room:
        await room.leading()
        await until(lambda: room.parts.ledger.state.size == 3)
        (granted,) = await lease(nats_client, image_wanted())
        added = await events(nats_client, SessionAdded)
        kept = await nats_client.jetstream().get_last_msg(
            "KV_credentials", f"$KV.credentials.{added[0].session_id}"
        )

    assert [asked["wanted"] for asked in server.asked[:3]] == [3, 2, 1]
    assert isinstance(granted, Granted)
    assert {(one.origin, one.region) for one in added} == {("http", "jp")}
    assert added[0].session_id == session_identity("identity", "jp", f"{SECRET}-0")
    assert kept.data is not None
    assert SECRET.encode() not in kept.data
    told = capfd.readouterr()
    assert SECRET not in told.out + told.err


async def test_readiness_says_what_the_hook_lacks_until_it_answers(
    nats_url: str, nats_client: Client
) -> None:
    del nats_client
    async with (
        hook(lambda _: reply(b"", 503)) as server,
        pool(nats_url, lambda: hooked(server.url, 2)) as room,
    ):
        await until(lambda: "expected status 200, got 503" in room.parts.unready_reason())
        server.answer = lambda _: credentials("a", "b", "c")
        await room.leading()

        assert room.parts.ledger.state.size == 2


async def test_a_standby_asks_no_hook(nats_url: str, nats_client: Client) -> None:
    del nats_client
    names = iter(range(100))
    async with (
        hook(lambda _: credentials(str(next(names)))) as server,
        pool(nats_url, lambda: hooked(server.url, 1)) as one,
    ):
        await one.leading()
        asked = len(server.asked)
        async with pool(nats_url, lambda: hooked(server.url, 1)) as two:
            await until(
                lambda: two.parts.leadership.hears_leader and two.parts.ledger.state.size == 1
            )

            assert len(server.asked) == asked == 1
            await one.stopped()
            await two.leading()
            assert len(server.asked) == 1
