"""The demo server as a backend, as a breaker of things, and as a witness."""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import ledger, options, pictures
from demo.dialects import BACKENDS
from demo.faults import Fault, FaultKind
from demo.server import DemoOptions, DemoServer, run
from runtime.clock import system_clock
from runtime.nats import natsserver
from services.gateway.dialects.recognition import recognise_dialect

pytestmark = pytest.mark.anyio

IMAGE = "/v1/images/generations"
ONE = {"model": "jimeng-4.0", "prompt": "a red sun over the sea", "size": "64x48"}
KEY = {"Authorization": "Bearer us-secret"}
HASH = hashlib.sha256(b"secret").hexdigest()[:16]
TODAY = datetime.now(UTC).date().isoformat()


class Client(httpx.AsyncClient):
    """A client of one demo server."""

    async def image(self, **fields: Any) -> httpx.Response:
        return await self.post(IMAGE, json=ONE | fields)

    async def fault(self, *wanted: dict[str, Any]) -> None:
        (await self.post("/demo/faults", json=list(wanted))).raise_for_status()

    async def served(self) -> dict[str, int]:
        days = (await self.get("/demo/ledger")).json()["days"]
        return next(iter(days.values()), {}).get(HASH, {})


@contextlib.asynccontextmanager
async def demo(**wanted: Any) -> AsyncIterator[Client]:
    server = DemoServer(DemoOptions(port=0, **wanted), system_clock)
    await server.start()
    async with Client(base_url=server.url, headers=KEY, timeout=10) as client:
        yield client
    await server.stop()
    await asyncio.sleep(0)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with demo() as made:
        yield made


def size_of(png: bytes) -> tuple[int, int]:
    """Check every chunk of a PNG and the number of its pixels; return its size."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, pixels, size = 8, b"", (0, 0)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        content = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + content
        )
        if kind == b"IHDR":
            size = struct.unpack(">II", content[:8])
        elif kind == b"IDAT":
            pixels += content
        at += 12 + length
    assert len(zlib.decompress(pixels)) == (size[0] + 1) * size[1]
    return size


# ---------------------------------------------------------------- the API


async def test_an_image_is_a_picture_at_a_url(client: Client) -> None:
    answer = (await client.image(n=2)).json()
    assert answer["created"] > 0
    first, second = (item["url"] for item in answer["data"])
    assert first != second
    fetched = await client.get(first)
    assert fetched.headers["content-type"] == "image/png"
    assert size_of(fetched.content) == (64, 48)


async def test_an_image_as_base64_is_the_picture_itself(client: Client) -> None:
    answer = (await client.image(response_format="b64_json", size="x", ratio="16:9")).json()
    assert size_of(base64.b64decode(answer["data"][0]["b64_json"])) == (1024, 576)


async def test_pictures_depend_on_the_prompt(client: Client) -> None:
    drawn = {
        (await client.get((await client.image(prompt=prompt)).json()["data"][0]["url"])).content
        for prompt in (
            "a red sun",
            "a blue house at night",
            "a mountain",
            "a star",
            "a ring",
            "x",
            "a red sun",
        )
    }
    assert len(drawn) == 6


@pytest.mark.parametrize("name", ["nothing", "0" * 27 + "-9999x9999", "0" * 27 + "-1x1"])
async def test_a_name_that_is_none_is_no_picture(client: Client, name: str) -> None:
    assert pictures.draw_picture(name) is None
    for folder in ("pictures", "videos"):
        assert (await client.get(f"/{folder}/{name}.png")).status_code == 404


async def test_an_edit_is_multipart_and_any_size_is_only_hashed(client: Client) -> None:
    picture = os.urandom(3_000_000)
    made = client.build_request(
        "POST", "/v1/images/edits", data=ONE | {"n": "2"}, files={"image": ("a.png", picture)}
    )
    body = await made.aread()
    answer = await client.send(made)

    assert len(answer.json()["data"]) == 2
    seen = (await client.get("/demo/requests")).json()["requests"][0]
    assert seen["body_bytes"] == len(body)
    assert seen["body_sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("path", ["/v1/videos/generations", "/v1/avatar/x", "/digital-human"])
async def test_videos_and_avatars_are_clips(client: Client, path: str) -> None:
    answer = (await client.post(path, json={"prompt": "a gold ring"})).json()
    clip = await client.get(answer["data"][0]["url"])

    assert clip.headers["content-type"] == "image/apng"
    assert size_of(clip.content) == (320, 180)


async def test_a_chat_is_answered_whole_or_in_events(client: Client) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a blue house"}]}]
    body = {"model": "jimeng-4.0", "messages": messages}
    whole = (await client.post("/v1/chat/completions", json=body)).json()
    assert whole["choices"][0]["message"]["content"].startswith("![image_0](http")
    streamed = await client.post("/v1/chat/completions", json=body | {"stream": True})
    assert streamed.headers["content-type"] == "text/event-stream"
    events = [line[6:] for line in streamed.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    said = "".join(
        json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]
    )
    assert "![image_0](http" in said
    await client.post("/v1/chat/completions", json=body | {"model": "jimeng-video-3.0"})
    assert await client.served() == {"image": 2, "video": 1}


async def test_what_needs_no_session_counts_nothing(client: Client) -> None:
    assert (await client.get("/ping")).text == "pong"
    assert (await client.get("/v1/models")).json()["data"][0]["object"] == "model"
    assert (await client.post("/token/check", json={"token": "x"})).json() == {"live": True}
    assert (await client.post("/token/check", content=b"?")).json() == {"live": False}
    points = (await client.post("/token/points")).json()
    assert points[0]["token"] == HASH
    assert (await client.get("/elsewhere")).status_code == 404
    assert await client.served() == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"prompt": "something forbidden"}, -2006),
        ({"prompt": ""}, -2000),
        ({"prompt": 7}, -2000),
        ({"prompt": "x", "n": 0}, -2000),
        ({"prompt": "x", "n": "many"}, -2000),
        ([], -2000),
    ],
)
async def test_what_is_refused_is_refused_as_jimeng_does(
    client: Client, body: Any, code: int
) -> None:
    answer = await client.post(IMAGE, json=body)

    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, code, None)
    assert await client.served() == {}
    assert (await client.get("/demo/ledger")).json()["arrivals"] == 1


async def test_a_chat_without_messages_or_a_form_without_boundary_is_refused(
    client: Client,
) -> None:
    chat = await client.post("/v1/chat/completions", json={"messages": []})

    assert chat.json()["code"] == -2000
    form = await client.post(IMAGE, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert form.json()["code"] == -2000


async def test_no_credential_is_401(client: Client) -> None:
    answer = await client.post(IMAGE, json=ONE, headers={"Authorization": ""})
    assert answer.status_code == 401


@pytest.mark.parametrize("how", ["prompt", "header"])
async def test_answers_as_big_as_asked(client: Client, how: str) -> None:
    fields = {"prompt": "demo-bytes=5000000"} if how == "prompt" else {}
    headers = {"X-Demo-Bytes": "5000000"} if how == "header" else {}
    answer = await client.post(IMAGE, json=ONE | fields, headers=headers)

    assert len(answer.json()["data"][0]["b64_json"]) == 5_000_000
    assert len((await client.get("/pictures/big?mb=3")).content) == 3_000_000


# ---------------------------------------------------------------- the witness


async def test_the_ledger_counts_by_credential_service_and_request(client: Client) -> None:
    for _ in range(2):
        await client.post(IMAGE, json=ONE, headers={"X-Request-ID": "one"})
    plain = {"Authorization": "secret", "X-Request-ID": "two"}
    await client.post("/v1/videos/generations", json=ONE, headers=plain)
    answer = (await client.get("/demo/ledger")).json()

    assert answer == {
        "days": {TODAY: {HASH: {"image": 2, "video": 1}}},
        "requests": {"one": 2, "two": 1},
        "arrivals": 3,
    }


async def test_units_may_be_as_many_as_n() -> None:
    async with demo(units="n", limits=options.parse_limits("image=5")) as client:
        await client.image(n=4)
        over = await client.image(n=2)

        assert over.json()["code"] == -2009
        assert await client.served() == {"image": 4}


async def test_the_day_is_that_of_the_arrival_in_the_time_zone() -> None:
    moment = datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC)

    def now() -> datetime:
        return moment

    made = DemoOptions(port=0, timezone="Asia/Shanghai", latency_ms=30, jitter_ms=1)
    server = DemoServer(made, now)
    await server.start()
    async with Client(base_url=server.url, headers=KEY) as client:
        slow = asyncio.create_task(client.image())
        while not server.ledger.arrivals:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0)
        moment = datetime(2026, 3, 1, 16, 0, 1, tzinfo=UTC)
        await slow
        await client.image()
    await server.stop()

    assert {day: dict(served[HASH]) for day, served in server.ledger.days.items()} == {
        "2026-03-01": {"image": 1},
        "2026-03-02": {"image": 1},
    }


async def test_requests_are_remembered_without_their_credential(client: Client) -> None:
    await client.post(IMAGE, json=ONE, headers={"X-Request-ID": "abc", "X-Twice": "1"})
    await client.get("/ping")
    query = {"path": "images", "request_id": "abc", "credential": HASH[:4], "limit": "5"}
    answer = await client.get("/demo/requests", params=query)
    assert "secret" not in answer.text
    (seen,) = answer.json()["requests"]
    assert seen["status"] == 200
    assert seen["outcome"] == "answered"
    assert ["authorization", f"sha256:{HASH}"] in [
        [name.lower(), value] for name, value in seen["headers"]
    ]
    none = await client.get("/demo/requests", params={"limit": "0"})
    assert none.json() == {"requests": []}


def python(program: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


async def started(program: str, port: int) -> subprocess.Popen[str]:
    process = python(program)
    async with httpx.AsyncClient() as probe:
        for _ in range(400):
            with contextlib.suppress(httpx.TransportError):
                await probe.get(f"http://127.0.0.1:{port}/ping")
                return process
            await asyncio.sleep(0.05)
    raise AssertionError("the demo server did not start")


async def test_the_ledger_stands_after_kill_9_and_a_torn_line(tmp_path: Path) -> None:
    """A process is killed after forty answers, and half a line is written behind its ledger."""
    port, file = natsserver.free_port(), tmp_path / "demo.ledger"
    program = (
        "from functools import partial; from pathlib import Path\n"
        "from demo.server import DemoOptions, run\n"
        "from runtime.process import lifecycle\n"
        f"made = DemoOptions(port={port}, ledger=Path({str(file)!r}))\n"
        "lifecycle.run(lambda stop: run(stop, made))\n"
    )

    process = await started(program, port)
    async with Client(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
        answers = await asyncio.gather(*(client.image() for _ in range(40)))

        assert all(answer.json()["data"] for answer in answers)

        process.send_signal(signal.SIGKILL)
        process.communicate()
    with file.open("ab") as torn:
        torn.write(b'{"at":"2026-')
    process = await started(program, port)
    async with Client(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
        assert await client.served() == {"image": 40}
        await client.image()
        assert await client.served() == {"image": 41}
    process.terminate()
    process.communicate()
    assert process.returncode == 0
    assert len(file.read_bytes().splitlines()) == 41
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"secret" not in file.read_bytes()


async def test_it_starts_without_the_frameworks_of_the_services() -> None:
    program = "import sys, demo.server, demo.traffic; print(*sys.modules)"
    modules, _ = python(program).communicate()

    assert "demo.server" in modules.split()
    assert not {"faststream", "litestar", "duckdb", "nats"} & set(modules.split())


async def test_the_clock_is_the_shifted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test-home").touch()
    (tmp_path / "offset").write_text(str(400 * 86400))
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    monkeypatch.setenv("TIDEGATE_CLOCK_OFFSET_FILE", str(tmp_path / "offset"))
    port, stop = natsserver.free_port(), asyncio.Event()
    serving = asyncio.create_task(run(stop, DemoOptions(port=port)))
    async with Client(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
        for _ in range(100):
            await asyncio.sleep(0.01)
            with contextlib.suppress(httpx.ConnectError):
                await client.image()
                break
        days = (await client.get("/demo/ledger")).json()["days"]

        assert list(days) > [TODAY]
    stop.set()
    await serving


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "status", "served"),
    [
        ({"kind": "status", "status": 500}, 500, 0),
        ({"kind": "status", "status": 503, "accepted": True}, 503, 1),
        ({"kind": "status", "status": 299}, 299, 0),
        ({"kind": "rate_limited", "retry_after_s": 7}, 429, 0),
        ({"kind": "rate_limited"}, 429, 0),
        ({"kind": "unauthorized"}, 401, 0),
        ({"kind": "code", "code": -2001}, 200, 0),
        ({"kind": "empty"}, 200, 0),
        ({"kind": "no_result"}, 200, 0),
        ({"kind": "redirect"}, 302, 0),
        ({"kind": "gzip"}, 200, 1),
        ({"kind": "drip", "seconds": 0.05, "pieces": 5}, 200, 1),
    ],
)
async def test_answers_that_are_wrong(
    client: Client, fault: dict[str, Any], status: int, served: int
) -> None:
    await client.fault(fault | {"times": 1})
    answer = await client.image()

    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("7" if "retry_after_s" in fault else None)
    if served and status == 200:
        assert answer.json()["data"]
    elif status == 200:
        assert answer.json().get("code", 0) == fault.get("code", 0)
        assert not answer.json().get("data")
    assert (await client.served()).get("image", 0) == served
    assert (await client.image()).json()["data"]


@pytest.mark.parametrize("kind", ["cut_before", "cut_body", "garbage", "cut_stream"])
@pytest.mark.parametrize("big", [False, True])
async def test_answers_that_never_come_whole_were_served(
    client: Client, kind: str, *, big: bool
) -> None:
    await client.fault({"kind": kind, "times": 1})
    body: dict[str, Any] = {"messages": [{"content": "x"}], "stream": True}
    path = "/v1/chat/completions"
    if kind != "cut_stream":
        path, body = IMAGE, ONE | ({"prompt": "demo-bytes=3000000"} if big else {})

    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(path, json=body)
    assert await client.served() == {"image": 1}
    assert (await client.get("/demo/requests")).json()["requests"][0]["outcome"] == kind
    assert (await client.post(path, json=body)).status_code == 200


async def test_gzip_is_what_a_client_gets_who_did_not_ask(client: Client) -> None:
    await client.fault({"kind": "gzip"})
    raw = client.build_request("POST", IMAGE, json=ONE, headers={"Accept-Encoding": "identity"})
    answer = await client.send(raw, stream=True)
    body = b"".join([chunk async for chunk in answer.aiter_raw()])

    assert json.loads(gzip.decompress(body))["data"]


async def test_a_fault_falls_only_where_it_should(client: Client) -> None:
    await client.fault({"kind": "status", "credential": HASH[:6]})
    assert (await client.image()).status_code == 500
    other = {"Authorization": "Bearer other"}
    assert (await client.post(IMAGE, json=ONE, headers=other)).status_code == 200
    await client.fault({"kind": "status", "path": "/ping"})
    assert (await client.image()).status_code == 200
    assert (await client.get("/ping")).status_code == 500
    await client.fault({"kind": "cut_stream"})
    assert (await client.image()).status_code == 200
    await client.fault({"kind": "status", "times": 2})
    statuses = [(await client.image()).status_code for _ in range(3)]
    assert statuses == [500, 500, 200]


async def test_chance_is_seeded() -> None:
    async def drawn(seed: int) -> list[int]:
        half = Fault(kind=FaultKind.STATUS, probability=0.5)
        async with demo(faults=[half], seed=seed) as client:
            return [(await client.image()).status_code for _ in range(30)]

    first = await drawn(1)

    assert set(first) == {200, 500}
    assert await drawn(1) == first
    assert await drawn(2) != first


async def test_latency_comes_before_the_answer_and_leaves_the_rest_alone(client: Client) -> None:
    await client.fault({"kind": "latency", "latency_ms": 60}, {"kind": "status", "times": 1})
    started = time.monotonic()

    assert (await client.image()).status_code == 500
    assert time.monotonic() - started >= 0.06
    assert (await client.get("/demo/faults")).json()["faults"][0]["latency_ms"] == 60


async def test_refused_connections_come_back_when_told_or_in_time() -> None:
    control_port = natsserver.free_port()
    async with demo(control_port=control_port) as client, Client() as stranger:
        url = f"{client.base_url}/ping"
        control = f"http://127.0.0.1:{control_port}/demo/faults"
        await stranger.get(url)  # its kept connection is closed too
        for lift in ("told on another port", "told on a kept connection", "in time"):
            seconds = 0.2 if lift == "in time" else 0
            await client.fault({"kind": "refuse", "seconds": seconds})
            with pytest.raises(httpx.ConnectError):
                await stranger.get(url)
            if lift == "told on another port":
                await stranger.delete(control)
            elif lift == "told on a kept connection":
                await client.delete("/demo/faults")
            else:
                await asyncio.sleep(0.4)
            assert (await stranger.get(url)).text == "pong"


async def test_a_call_under_way_is_answered_before_its_door_closes() -> None:
    async with demo(latency_ms=50) as client, Client(headers=KEY) as stranger:
        slow = asyncio.create_task(stranger.post(f"{client.base_url}{IMAGE}", json=ONE))
        await asyncio.sleep(0.02)
        await client.fault({"kind": "refuse"})

        assert (await slow).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await stranger.get(f"{client.base_url}/ping")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "nonsense"},
        {"kind": "status", "unknown": 1},
        {"kind": "status", "probability": 2},
        {"kind": "status", "times": -1},
        {"kind": "status", "status": 7},
        {"kind": "drip", "pieces": 0},
    ],
)
async def test_a_wrong_fault_is_refused(client: Client, fault: dict[str, Any]) -> None:
    assert (await client.post("/demo/faults", json=fault)).status_code == 400
    assert (await client.get("/demo/faults")).json() == {"faults": []}
    assert (await client.get("/demo/nothing")).status_code == 404


async def test_limits_are_read_from_a_command_line() -> None:
    assert options.parse_limits("image=10, video=2") == {"image": 10, "video": 2}
    with pytest.raises(ValueError, match="limit"):
        options.parse_limits("image")
    for bad in ({"units": "x"}, {"latency_ms": -1.0}):
        with pytest.raises(ValueError, match="expected"):
            DemoOptions(**bad)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the door


async def spoken(client: Client, said: bytes) -> bytes:
    """Say these bytes on a connection of their own, and listen to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(said)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def test_requests_in_one_breath_are_answered_in_order(client: Client) -> None:
    ping = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    heard = await spoken(client, ping + ping + last)

    assert heard.count(b"pong") == 2
    assert heard.rfind(b"pong") < heard.find(b"jimeng-4.0")


async def test_what_is_no_http_is_said_to_be_none(client: Client) -> None:
    assert b" 400 " in (await spoken(client, b"nonsense\r\n\r\n")).splitlines()[0]
    endless = b"GET / HTTP/1.1\r\nX: " + b"x" * 270_000
    assert b" 431 " in (await spoken(client, endless)).splitlines()[0]


async def test_a_client_that_asks_may_continue(client: Client) -> None:
    head = b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n"
    heard = await spoken(client, head + b"Content-Length: 1\r\n\r\nx")
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 ")


async def test_a_client_that_goes_away_is_seen_to_be_gone() -> None:
    async with demo(latency_ms=60_000) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(IMAGE, json=ONE, timeout=httpx.Timeout(30, read=0.3))
        (seen,) = (await client.get("/demo/requests")).json()["requests"]
        assert seen["outcome"] == "gone"
        assert await client.served() == {"image": 1}


async def test_a_fault_of_its_own_is_answered(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise LookupError

    monkeypatch.setattr("demo.api.model_list", broken)

    assert (await client.get("/v1/models")).status_code == 500


async def test_a_torn_line_is_cut_off_and_the_rest_stands(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "demo.ledger"
    kept = ledger.DemoLedger(file)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    kept.add_entry(ledger.Entry(at, "2026-03-01", HASH, "image", 2, "one"))
    kept.add_entry(ledger.Entry(at, "2026-03-01", HASH, "image", 0, "two", "unauthorized"))
    kept.close()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:20])
    again = ledger.DemoLedger(file)

    assert again.as_summary() == kept.as_summary()
    assert (again.arrivals, again.units_used("2026-03-01", HASH, "image")) == (2, 2)

    again.close()

    assert file.read_bytes() == whole


async def test_ledgers_without_a_file_are_closed_like_others() -> None:
    kept = ledger.DemoLedger()
    kept.close()
    assert kept.as_summary() == {"days": {}, "requests": {}, "arrivals": 0}


# ------------------------------------------------- the four: GET / and /token/*


@pytest.mark.parametrize("dialect", sorted(BACKENDS))
async def test_root_tells_which_of_the_four_it_is(dialect: str) -> None:
    async with demo(dialect=dialect) as client:
        answer = await client.get("/")

        assert recognise_dialect(answer.content, answer.headers["content-type"], []) == dialect
        assert (await client.get("/v1/models")).json()["data"][0]["owned_by"]


@pytest.mark.parametrize(
    ("dialect", "expired"),
    [
        ("jimeng", {"live": False}),
        ("drraw", -2002),
        ("jimeng-free-all", -2001),
        ("jimeng-free", -2001),
    ],
)
async def test_check_answers_as_its_source_does(dialect: str, expired: Any) -> None:
    async with demo(dialect=dialect) as client:
        live = (await client.post("/token/check", json={"token": "x"})).json()

        assert live == {"live": dialect == "jimeng"}
        refused = await client.post("/token/check", json={})
        assert refused.json()["message"] == "Params body.token invalid"
        unread = await client.post("/token/check", content=b"?")
        assert unread.json()["code"] == -2000
        await client.post("/demo/accounts", json={"expired": True})

        answer = await client.post("/token/check", json={"token": "x"})

        told = answer.json()
        assert told == expired or told["code"] == expired
        assert answer.status_code == (401 if dialect == "drraw" else 200)


async def test_points_echo_the_credential_and_are_collected_where_there_are_none() -> None:
    none = {"gift": 0, "daily": 66}
    async with demo(dialect="jimeng") as client:
        nobody = await client.post("/token/points", headers={"Authorization": ""})

        assert nobody.json()["message"] == "Params headers.authorization invalid"
        assert (await client.post("/token/receive")).json()[0]["received"] is False
        assert (await client.post("/demo/accounts", json=[none])).json()["accounts"][0]["gift"] == 0
        points = (await client.post("/token/points")).json()
        assert points[0]["points"]["totalCredit"] == 0
        assert points[0]["token"] == KEY["Authorization"].removeprefix("Bearer ")

        (received,) = (await client.post("/token/receive")).json()

        assert (received["received"], received["credits"]["totalCredit"]) == (True, 66)
        await client.post("/demo/accounts", json=[{"gift": 0}])
        (refused,) = (await client.post("/token/receive")).json()
        assert (refused["received"], "34010100" in refused["error"]) == (False, True)
        assert (await client.delete("/demo/accounts")).json() == {"accounts": []}
        assert (await client.post("/demo/accounts", content=b"?")).status_code == 400


@pytest.mark.parametrize("dialect", ["drraw", "jimeng-free"])
async def test_path_that_a_backend_lacks_is_refused_in_its_words(dialect: str) -> None:
    async with demo(dialect=dialect) as client:
        answer = await client.post("/token/receive")

        assert answer.json()["code"] == -1000
        assert "/token/receive" in answer.json()["message"]
        assert answer.status_code == (500 if dialect == "drraw" else 200)
