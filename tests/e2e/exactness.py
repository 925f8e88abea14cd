"""A storm of calls, and every account of how many units it took."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
from openai import APIStatusError, AsyncOpenAI

from tests.e2e.asked import Asked

GATEWAYS = ("gateway", "gateway-2")
_CLIENTS = 10
"""Of each gateway: httpx looks at all connections of a client for every one of its calls."""


async def storm(
    stack: Asked,
    calls: int,
    spread_s: float = 0.0,
    *,
    gateways: Sequence[str] = GATEWAYS,
    service: str = "image",
) -> Counter[str]:
    """Call concurrently through the SDK; how many calls got which code, or `ok`."""
    async with AsyncExitStack() as closing:
        clients = [
            await closing.enter_async_context(
                AsyncOpenAI(
                    base_url=f"{stack.url(gateway)}/v1",
                    api_key=stack.client_key,
                    max_retries=0,
                    timeout=110,
                )
            )
            for gateway in [*gateways] * _CLIENTS
        ]

        async def later(number: int) -> str:
            await asyncio.sleep(spread_s * number / calls)
            return await _call(clients[number % len(clients)], service)

        return Counter(await asyncio.gather(*(later(number) for number in range(calls))))


async def _call(client: AsyncOpenAI, service: str) -> str:
    try:
        if service == "image":
            await client.images.generate(model="jimeng-4.0", prompt="a gate")
        else:
            body = {"model": "jimeng-video-3.0", "prompt": "a gate"}
            await client.post(f"/{service}s/generations", body=body, cast_to=httpx.Response)
    except APIStatusError as error:
        return str(error.code)
    return "ok"


def session_usages(stack: Asked) -> list[dict[str, Any]]:
    """What every session has used and left."""
    sessions = stack.api("/api/sessions")["data"]
    return [stack.api(f"/api/session/usage?sessionId={one['session_id']}") for one in sessions]


def sold(stack: Asked, service: str = "image") -> int:
    """Units that the pool counts."""
    return sum(one["usage"][f"{service}_count"] for one in session_usages(stack))


def in_duckdb(stack: Asked, service: str = "image") -> int:
    """Units that the projections count."""
    query = (
        f"select coalesce(sum(usage_count), 0) from session_usage where service_type = '{service}'"
    )
    found = stack.api("/api/sql", "POST", json={"query": query})
    return int(found["rows"][0][0])
