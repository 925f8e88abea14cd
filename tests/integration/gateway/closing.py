"""A server that closes idle connections, seen from afar: requests that cross the end of one.

`python -m tests.integration.gateway.closing` makes 2,000 calls at gaps around 5 and 6 seconds, once
against a server that says when it closes and once against one that does not (a minute each).
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from services.gateway.transport import Transport, TransportFailure
from tests.integration.gateway.upstreams import head_of, upstream

DELAY_S = 0.05


@asynccontextmanager
async def closing(idle_s: float, said_s: int = 0) -> AsyncIterator[str]:
    """Serve answers, and close a connection that was idle for `idle_s`; the address, 50 ms away.

    `said_s`: what it says of that in `Keep-Alive: timeout`; 0: nothing.
    """
    said = f"Keep-Alive: timeout={said_s}\r\n" if said_s else ""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{said}\r\nok".encode()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(idle_s):
                    await head_of(reader)
                writer.write(answer)

    async with upstream(behave) as server:
        port = int(server.url.split(":")[2].split("/")[0])

        async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, onward = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(_delayed(reader, onward), _delayed(back, writer))
            finally:
                onward.close()
                with suppress(OSError, asyncio.CancelledError):
                    await onward.wait_closed()

        async with upstream(relayed) as far:
            yield far.url


async def _delayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes, and the end of them, each as late as all others; nothing waits for another."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(DELAY_S, writer.write, data)
    loop.call_later(DELAY_S, writer.close)
    await asyncio.sleep(DELAY_S * 2)


async def called(transport: Transport, url: str, gaps_s: list[float]) -> Counter[str]:
    """Call again and again, after each of these gaps; how many calls got what."""
    found: Counter[str] = Counter()
    for gap_s in (0.0, *gaps_s):
        await asyncio.sleep(gap_s)
        request = httpx.Request("POST", url, headers=[(b"content-length", b"0")], content=b"")
        try:
            answer = await transport.handle_async_request(request)
        except TransportFailure as failure:
            found["unknown" if failure.sent else "unreachable"] += 1
        else:
            assert await answer.aread() == b"ok"
            found["reused" if answer.extensions["reused"] else "new"] += 1
    return found


async def storm_at(
    transport: Transport, url: str, callers: int, gaps: int, between_s: tuple[float, float]
) -> Counter[str]:
    """Let many call at once, each at its own chance gaps."""
    chance = random.Random(7)
    tasks = [
        called(transport, url, [chance.uniform(*between_s) for _ in range(gaps)])
        for _ in range(callers)
    ]
    return sum(await asyncio.gather(*tasks), Counter())


async def main() -> None:
    for idle_s, said_s in ((5.0, 5), (6.0, 5), (5.0, 0), (6.0, 0)):
        transport = Transport()
        async with closing(idle_s, said_s) as url:
            found = await storm_at(transport, url, 100, 4, (idle_s - 0.3, idle_s + 0.3))
        await transport.aclose()
        print(f"closes after {idle_s:g} s, says {said_s or 'nothing'}: {dict(found)}")


if __name__ == "__main__":
    asyncio.run(main())
