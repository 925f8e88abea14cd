"""One stack of `benchmarks.pairs`: run in a tree, it takes a figure for each line that it reads.

It uses only what old trees have, too.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path.cwd())

from benchmarks.bench_gateway import cpu_s, load  # noqa: E402
from tests.e2e.stack import Stack  # noqa: E402


def rate_of(stack: Stack, count: int, clients: int) -> tuple[float, float, float]:
    """Drive the gateway; requests/s, its CPU us a request, p50 ms."""
    pid = stack.processes["gateway"].pid
    before = cpu_s(pid)
    key = f"Bearer {stack.client_key}"
    found = load(stack.ports["gateway"], count, clients, Authorization=key)
    assert found["statuses"] == {"200": count}, found["statuses"]
    return found["rate"], (cpu_s(pid) - before) / count * 1e6, found["p50_ms"]


def wave_share(stack: Stack, clients: int) -> float:
    """Drive clients in step on a backend of 200 ms, directly and through the gateway."""
    stack.faults("demo", kind="latency", latency_ms=200)
    count = 20 * clients
    direct = load(stack.ports["demo"], count, clients, Authorization="Bearer bench")
    through, _, _ = rate_of(stack, count, clients)
    stack.faults("demo")
    return through / float(direct["rate"])


def take_figure(stack: Stack, figure: str) -> float:
    """Take one of `pairs.FIGURES`."""
    name, clients = figure.split("_")
    if name == "wave":
        return wave_share(stack, int(clients))
    count = 400 if clients == "1" else 4000
    rate, cpu_us, p50_ms = rate_of(stack, count, int(clients))
    return {"rate": rate, "cpu": cpu_us, "latency": p50_ms}[name]


def main() -> None:
    """Say when the stack runs, then a figure for each line."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(
            Path(folder),
            TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="1000000000",
            TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        )
        try:
            stack.configure(stack.servers_toml("demo"))
            stack.start_all("demo")
            rate_of(stack, 1000, 32)
            print(json.dumps("ready"), flush=True)
            for line in sys.stdin:
                print(json.dumps(take_figure(stack, line.strip())), flush=True)
        finally:
            stack.close()


main()
