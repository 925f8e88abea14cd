"""Gateway CPU per request with everything on, beside nginx and a bare ASGI answer.

The gateway authenticates, leases (journalled, `sync_interval: always`), selects, relays, and
hands in the usage. nginx proxies the same request to the same demo server; the bare answer is
uvicorn with an application that only answers. Rounds are interleaved; medians are printed.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from runtime.nats import natsserver
from tests.e2e.stack import Stack

ROUNDS = 3
COUNT = 4000
CONCURRENCY = 32
PATH = "/v1/images/generations"
BODY = json.dumps({"model": "jimeng-4.0", "prompt": "a tide gate at dawn"})
NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 1024; }}
http {{ access_log off;
 client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
 fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
 upstream up {{ server 127.0.0.1:{demo}; keepalive 64; }}
 server {{ listen 127.0.0.1:{port}; location / {{
  proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Authorization "Bearer bench"; }} }} }}
"""


def load(port: int, count: int, concurrency: int, **headers: str) -> dict[str, Any]:
    """Drive a port with a generator process of its own."""
    plan = {
        "host": "127.0.0.1",
        "port": port,
        "path": PATH,
        "body": BODY,
        "count": count,
        "concurrency": concurrency,
        "headers": headers,
    }
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(plan)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children so far."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:2]) for member in family)


class Target:
    """Something that is driven: its port, its process, what to send."""

    def __init__(self, name: str, port: int, pid: int, **headers: str) -> None:
        self.name = name
        self.port = port
        self.pid = pid
        self.headers = headers
        self.cpu_us: list[float] = []
        self.rates: list[float] = []
        self.found: dict[str, Any] = {}

    def round(self) -> None:
        """Drive once; keep CPU per request and rate."""
        before = cpu_s(self.pid)
        self.found = load(self.port, COUNT, CONCURRENCY, **self.headers)
        self.cpu_us.append((cpu_s(self.pid) - before) / COUNT * 1e6)
        self.rates.append(self.found["rate"])
        assert self.found["statuses"] == {"200": COUNT}, self.found["statuses"]


def nginx(home: Path, demo: int) -> "subprocess.Popen[bytes] | None":
    """Start nginx on a free port, if it is installed."""
    binary = shutil.which("nginx")
    if binary is None:
        print("nginx is not installed: its reference is left out")
        return None
    port = natsserver.free_port()
    config = home / "nginx.conf"
    config.write_text(NGINX.format(home=home, demo=demo, port=port))
    process = subprocess.Popen([binary, "-c", str(config), "-p", str(home)])
    natsserver.wait_for_port(f"tcp://127.0.0.1:{port}", 10)
    process.port = port  # type: ignore[attr-defined]
    return process


def bare() -> "tuple[subprocess.Popen[bytes], int]":
    """Start uvicorn with an application that only answers."""
    port = natsserver.free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.bare:app", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    process = subprocess.Popen(command)
    natsserver.wait_for_port(f"tcp://127.0.0.1:{port}", 20)
    return process, port


def latency(stack: Stack, target: Target, demo_port: int) -> None:
    """Print what the gateway adds at one request at a time, and at a slow upstream."""
    direct = load(demo_port, 500, 1, Authorization="Bearer bench")
    through = load(target.port, 500, 1, **target.headers)
    for name in ("p50_ms", "p99_ms"):
        added = through[name] - direct[name]
        print(
            f"added latency, c = 1, {name}: {added:.2f} ({through[name]:.2f} - {direct[name]:.2f})"
        )
    stack.faults("demo", kind="latency", latency_ms=200)
    direct = load(demo_port, 10_000, 256, Authorization="Bearer bench")
    through = load(target.port, 10_000, 256, **target.headers)
    share = through["rate"] / direct["rate"]
    print(f"upstream of 200 ms, c = 256: {through['rate']:.0f}/s = {share:.0%} of direct")
    stack.faults("demo")


def main() -> None:
    """Print CPU per request, rates and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(
            Path(folder),
            TIDEGATE_SERVICES_IMAGE_DAILY_LIMIT="1000000000",
            TIDEGATE_POOL_SESSION_CONCURRENCY="0",
        )
        others: list[subprocess.Popen[bytes]] = []
        try:
            stack.configure(stack.servers_toml("demo"))
            stack.start_all("demo")
            _compare(stack, others)
        finally:
            for process in others:
                process.terminate()
                process.wait(10)
            stack.close()


def _compare(stack: Stack, others: "list[subprocess.Popen[bytes]]") -> None:
    demo_port = stack.ports["demo"]
    key = f"Bearer {stack.client_key}"
    targets = [
        Target("gateway", stack.ports["gateway"], stack.processes["gateway"].pid, Authorization=key)
    ]
    proxy = nginx(stack.home, demo_port)
    if proxy is not None:
        others.append(proxy)
        targets.append(Target("nginx", proxy.port, proxy.pid))  # type: ignore[attr-defined]
    process, port = bare()
    others.append(process)
    targets.append(Target("bare ASGI", port, process.pid))
    for target in targets:
        load(target.port, 500, CONCURRENCY, **target.headers)
    for _ in range(ROUNDS):
        for target in targets:
            target.round()
    median: Callable[[list[float]], float] = statistics.median
    for target in targets:
        rate, cost = median(target.rates), median(target.cpu_us)
        print(f"{target.name}: {cost:.0f} us CPU a request, {rate:.0f}/s, c = {CONCURRENCY}")
    gateway = median(targets[0].cpu_us)
    for target in targets[1:]:
        print(f"gateway / {target.name}: {gateway / median(target.cpu_us):.1f}")
    memory = psutil.Process(targets[0].pid).memory_info().rss / 1e6
    print(f"gateway memory: {memory:.0f} MB")
    latency(stack, targets[0], demo_port)
    time.sleep(0.1)


if __name__ == "__main__":
    main()
