"""A cheap closed-loop load generator: `python -m benchmarks.load <json>`; prints one JSON line.

Keep-alive connections, one request in flight on each; it parses no more than it must, so that
it costs little beside what it measures.
"""

import asyncio
import json
import sys
import time
from typing import Any, cast

import uvloop


class Worker(asyncio.Protocol):
    """One connection; sends again as soon as its answer is complete."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.buffer = b""
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        """Send the next request, or end."""
        if self.run.left <= 0:
            self.transport.close()
            return
        self.run.left -= 1
        self.started = time.perf_counter()
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        """Look for the end of the answer."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        if at >= 0:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
        elif not self.buffer.endswith(b"0\r\n\r\n"):
            return
        self.run.took(self.buffer[9:12], time.perf_counter() - self.started)
        self.buffer = b""
        self.send()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell the run."""
        self.run.lost()


class Run:
    """The whole run: `count` requests over `concurrency` connections."""

    def __init__(self, plan: dict[str, Any]) -> None:
        body = plan["body"].encode()
        lines = [f"POST {plan['path']} HTTP/1.1", f"Host: {plan['host']}:{plan['port']}"]
        lines += [f"{name}: {value}" for name, value in plan.get("headers", {}).items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        self.request = "\r\n".join(lines).encode() + body
        self.left = plan["count"]
        self.open = plan["concurrency"]
        self.statuses: dict[str, int] = {}
        self.seconds: list[float] = []
        self.done = asyncio.Event()

    def took(self, status: bytes, seconds: float) -> None:
        """Note one answer."""
        name = status.decode()
        self.statuses[name] = self.statuses.get(name, 0) + 1
        self.seconds.append(seconds)

    def lost(self) -> None:
        """One connection less."""
        self.open -= 1
        if not self.open:
            self.done.set()


async def drive(plan: dict[str, Any]) -> dict[str, Any]:
    """Run the plan."""
    loop = asyncio.get_running_loop()
    run = Run(plan)
    started = time.perf_counter()
    for _ in range(plan["concurrency"]):
        await loop.create_connection(lambda: Worker(run), plan["host"], plan["port"])
    await run.done.wait()
    seconds = time.perf_counter() - started
    times = sorted(run.seconds)
    return {
        "seconds": seconds,
        "rate": len(times) / seconds,
        "statuses": run.statuses,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drive(json.loads(sys.argv[1])))))
