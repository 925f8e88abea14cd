"""The demo as each of four backends: what it takes, refuses and drops (docs: The backends)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from demo.server import DemoOptions, DemoServer
from runtime.clock import system_clock

pytestmark = pytest.mark.anyio

IMAGES, COMPOSITIONS = "/v1/images/generations", "/v1/images/compositions"
VIDEOS, CHAT = "/v1/videos/generations", "/v1/chat/completions"
JIMENG, DRRAW, ALL, FREE = "jimeng", "drraw", "jimeng-free-all", "jimeng-free"
FAMILY = (JIMENG, DRRAW, ALL, FREE)
FORM = "form"
PICTURE = {"images": ("a.png", b"png", "image/png")}
CAT: dict[str, Any] = {"model": "jimeng-4.5", "prompt": "a cat"}
FILM: dict[str, Any] = {"model": "jimeng-video-3.0", "prompt": "a cat runs"}
SPOKEN = {"model": "jimeng-4.5", "messages": [{"role": "user", "content": "a cat"}]}
NO_SIZE = "不支持的参数: size。请使用 ratio 和 resolution 参数控制图像尺寸。"
NO_RESOLUTION = '不支持的分辨率 "8k"。支持的分辨率: 1k, 2k, 4k'
USED_UP = "[请求失败]: 积分不足 (错误码: 1006)"


class Backend(httpx.AsyncClient):
    """A client of one demo server, and how much was submitted to it."""

    async def submitted(self) -> int:
        days = (await self.get("/demo/ledger")).json()["days"]
        services = [units for day in days.values() for units in day.values()]
        return sum(sum(service.values()) for service in services)


@contextlib.asynccontextmanager
async def backend(dialect: str, **more: Any) -> AsyncIterator[Backend]:
    server = DemoServer(DemoOptions(port=0, dialect=dialect, **more), system_clock)
    await server.start()
    headers = {"Authorization": "Bearer secret"}
    try:
        async with Backend(base_url=server.url, headers=headers, timeout=10) as client:
            yield client
    finally:
        await server.stop()
        await asyncio.sleep(0)


@pytest.mark.parametrize("dialect", FAMILY)
@pytest.mark.parametrize(
    ("path", "body", "made"),
    [
        (IMAGES, CAT | {"n": 1}, {JIMENG: 4, DRRAW: 4, ALL: 4, FREE: 4}),
        (IMAGES, CAT | {"size": "1024x1024"}, {JIMENG: NO_SIZE, DRRAW: NO_SIZE, ALL: 4, FREE: 4}),
        (IMAGES, CAT | {"model": "of-nobody"}, {JIMENG: 4, DRRAW: 4, ALL: 4, FREE: 4}),
        (IMAGES, CAT | {"prompt": 7}, dict.fromkeys(FAMILY, "Params body.prompt invalid")),
        (
            IMAGES,
            CAT | {"resolution": "8k"},
            {JIMENG: NO_RESOLUTION, DRRAW: NO_RESOLUTION, ALL: 4, FREE: 4},
        ),
        (
            IMAGES,
            CAT | {"model": "jimeng-3.0", "resolution": "2k"},
            {JIMENG: USED_UP, DRRAW: USED_UP, ALL: 4, FREE: 4},
        ),
        (
            IMAGES,
            CAT | {"sample_strength": "0.5"},
            dict.fromkeys(FAMILY, "Params body.sample_strength invalid"),
        ),
        (
            COMPOSITIONS,
            CAT | {"images": ["https://x/a"]},
            {JIMENG: 1, DRRAW: 1, ALL: None, FREE: None},
        ),
        (
            COMPOSITIONS,
            CAT | {"images": ["https://x/a"] * 11},
            {JIMENG: "最多支持10张输入图片", DRRAW: "最多支持10张输入图片", ALL: None, FREE: None},
        ),
        (COMPOSITIONS, FORM, {JIMENG: 1, DRRAW: 1, ALL: None, FREE: None}),
        ("/v1/images/edits", FORM, dict.fromkeys(FAMILY)),
        ("/v1/images/variations", FORM, dict.fromkeys(FAMILY)),
        ("/v1/videos", FILM, dict.fromkeys(FAMILY)),
        (VIDEOS, FILM | {"duration": 5}, {JIMENG: 1, DRRAW: 1, ALL: 1, FREE: None}),
        (
            VIDEOS,
            FILM | {"duration": 8},
            {
                JIMENG: "该模型仅支持 5、10 秒时长，当前值: 8",  # noqa: RUF001
                DRRAW: "Params body.duration invalid",
                ALL: 1,
                FREE: None,
            },
        ),
        (CHAT, SPOKEN, {JIMENG: None, DRRAW: 1, ALL: 1, FREE: 1}),
    ],
)
async def test_backend_takes_and_refuses_as_its_source_does(
    dialect: str, path: str, body: Any, made: dict[str, Any]
) -> None:
    """`made`: how many results there are, what the refusal says, or None where no such path is."""
    async with backend(dialect) as client:
        sent: dict[str, Any] = {"json": body}
        if body == FORM:
            sent = {"data": {"prompt": "a cat", "sample_strength": "0.5"}, "files": PICTURE}
        answer = await client.post(path, **sent)
        expected = made[dialect]

        if isinstance(expected, int):
            told = answer.json()
            assert len(told.get("data") or told.get("choices")) == expected
            assert await client.submitted() == 1
            return
        assert await client.submitted() == 0
        told = answer.json()
        assert told["data"] is None
        if expected is None:
            assert told["code"] == -1000
            assert path in told["message"]
        else:
            assert told["message"] == expected
        bad = told["code"] == -2000
        assert answer.status_code == ((400 if bad else 500) if dialect == DRRAW else 200)


@pytest.mark.parametrize(
    ("code", "status"),
    [(-2000, 400), (-2006, 400), (-2002, 401), (-2009, 402), (-2001, 500), (-1000, 500)],
)
async def test_one_of_them_has_a_status_for_its_failures(code: int, status: int) -> None:
    fault = {"kind": "code", "code": code, "message": "x"}
    for dialect, expected in ((DRRAW, status), (JIMENG, 200)):
        async with backend(dialect) as client:
            await client.post("/demo/faults", json=fault)
            answer = await client.post(IMAGES, json=CAT)

        assert answer.status_code == expected
        assert answer.json() == {"code": code, "message": "x", "data": None}


async def test_node_refuses_a_long_head_and_a_slow_request_without_a_word() -> None:
    async with backend(JIMENG, request_within_s=0.2) as client:
        long = await client.post(IMAGES, json=CAT, headers={"X-Long": "x" * 17_000})
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{" % IMAGES.encode())
        slow = await reader.read()
        writer.close()

    assert (long.status_code, long.content) == (431, b"")
    assert long.headers["connection"] == "close"
    assert slow == b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"
