"""Backends that say nothing for minutes, and a Node that gives a slow client up after five."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI

from services.gateway.clients.uploads import KEPT_BYTES_MAX
from tests.e2e.stack import Stack

SILENCE_S = 180
NODE_GIVES_UP_S = 300


def stack_of(home: Path, spoken: str, understood: str) -> Stack:
    """A stack whose one server is the demo as one backend, configured as another."""
    stack = Stack(home, TIDEGATE_POOL_MIN_SIZE="5")
    stack.configure(stack.servers_toml("one", one=f'dialect = "{understood}"'))
    stack.start_all("one", being=("--dialect", spoken))
    stack.environment["TIDEGATE_API"] = stack.url()
    return stack


def test_streamed_chat_outlives_three_minutes_of_silence(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, "drraw", "drraw")
    try:
        fault = {"kind": "latency", "latency_ms": SILENCE_S * 1000, "times": 1}
        httpx.post(f"{stack.demo_url('one')}/demo/faults", json=fault)
        sdk = OpenAI(base_url=f"{stack.url()}/v1", api_key=stack.client_key, max_retries=0)
        messages: list[Any] = [{"role": "user", "content": "draw a gate"}]
        # Far less than the silence lasts: only the comments keep this client waiting.
        asked: Any = {"model": "jimeng-4.0", "messages": messages, "stream": True}
        chunks = list(sdk.with_options(timeout=30).chat.completions.create(**asked))

        told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert told.startswith("![image_0](http")
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert stack.served("one") == 1
        assert stack.api("/api/leases?state=unknown")["data"] == []
        stack.eventually(lambda: stack.api("/api/leases?state=open")["data"], [])
        assert stack.audit()["exit"] == 0
    finally:
        stack.close()


def slowly() -> Iterator[bytes]:
    """A body that takes longer than Node gives it, behind what the gateway takes beforehand."""
    yield b'{"prompt":"a gate","user":"' + b"u" * KEPT_BYTES_MAX
    for _ in range(NODE_GIVES_UP_S // 10 + 6):
        time.sleep(10)
        yield b"u" * 20_000  # slow, and yet no client that owes its upload
    yield b'"}'


def test_client_that_node_gives_up_has_bought_nothing(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, "jimeng", "plain")
    try:
        before = stack.api("/api/sessions")["remaining"]["image"]
        answer = httpx.post(
            f"{stack.url()}/v1/images/generations",
            content=slowly(),
            headers={
                "Authorization": f"Bearer {stack.client_key}",
                "Content-Type": "application/json",
            },
            timeout=60,
        )

        assert answer.status_code == 502
        assert answer.json()["error"]["code"] == "upstream_error"
        assert answer.headers["x-should-retry"] == "true"
        assert stack.served("one") == 0
        stack.eventually(lambda: stack.api("/api/sessions")["remaining"]["image"], before)
        assert {one["status"] for one in stack.api("/api/sessions")["data"]} == {"active"}
        assert stack.audit()["exit"] == 0
    finally:
        stack.close()
