"""Make the golden homes of the version at hand: `python -m tests.upgrade`, once for a release.

Two homes, for there are two kinds of operators: `own` has servers of its own in a configuration
file, and a log that holds every kind of event; `demo` is what `tidegate up` makes of nothing.
Each is packed as it lies on the disk after an orderly end: log, bucket of credentials, secrets,
configuration. DuckDB is left out (it is made anew from the log), and so are the processes' logs.
Beside it stands what that version made of it: `tidegate replay` and the units of every session.
"""

import contextlib
import json
import os
import signal
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from runtime.nats import natsserver
from tests.e2e.stack import Stack
from tests.integration.tidegate.up import Up

HOMES = Path(__file__).parent / "homes"
_SETTINGS = """\
[services.image]
daily_limit = 12

[pool]
session_concurrency = 3
lease_ttl = "6s"

[balancer]
probe_interval = "30s"

"""
_LEFT_OUT = (
    "test-server.conf",
    ".log",
    ".duckdb",
    ".wal",
    ".ledger",
    "nats.url",
    "run.json",
    "lock",
)


def main() -> None:
    """Make both homes of the version that is named."""
    version = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        _pack(f"{version}-own", *_own(Path(folder) / "own" / "home"))
        _pack(f"{version}-demo", *_demo(Path(folder) / "demo" / "home"))


def _own(home: Path) -> tuple[Path, dict[str, Any]]:
    """Servers and settings of one's own, and at least one event of every kind."""
    stack = Stack(home, TIDEGATE_POOL_MIN_SIZE="6")
    try:
        stack.configure(_SETTINGS + stack.servers_toml("one", "two"))
        stack.start_all("one", "two")
        stack.environment["TIDEGATE_API"] = stack.url()
        _calls(stack)
        _failures(stack)
        _administration(stack)
        _expiry(stack)
        _new_leaders(stack)
        stack.eventually(stack.open_leases, 0, 60)
        expected = _expected(stack.tidegate, stack.api)
    finally:
        stack.close()
    return home, expected


def _calls(stack: Stack) -> None:
    for _ in range(8):
        assert stack.image().status_code == 200
    assert _asked(stack, "videos/generations", "jimeng-video-3.0") == 200
    avatars = [_asked(stack, "avatar/generate", "avatar") for _ in range(8)]
    assert avatars[0] == 200
    assert avatars[-1] == 429


def _asked(stack: Stack, path: str, model: str, timeout_s: float = 30) -> int:
    answer = httpx.post(
        f"{stack.url()}/v1/{path}",
        headers={"Authorization": f"Bearer {stack.client_key}"},
        json={"model": model, "prompt": "a gate"},
        timeout=timeout_s,
    )
    return answer.status_code


def _failures(stack: Stack) -> None:
    """Units given back, units in doubt, sessions cooled, suspected, cleared and used up."""
    for fault in (
        {"kind": "rate_limited", "retry_after_s": 2, "times": 1},
        {"kind": "code", "code": -2009, "times": 1},
        {"kind": "cut_before", "times": 2},
        {"kind": "status", "status": 503, "times": 2},
        {"kind": "unauthorized"},
    ):
        stack.faults("one", **fault)
        for _ in range(6):
            stack.image()
        stack.faults("one")
    for name in ("one", "two"):
        stack.faults(name, kind="refuse", seconds=3)
    for _ in range(3):
        assert stack.image().status_code >= 500
    stack.eventually(lambda: stack.image().status_code, 200, 90)


def _administration(stack: Stack) -> None:
    credentials = "us-kept-for-upgrades-1\njp-kept-for-upgrades-2\n"
    _run_verb(stack, "sessions", "add", "-", input=credentials)
    first, second, third = (one["session_id"] for one in stack.api("/api/sessions")["data"][:3])
    for words in (
        ("cool", first, "--for", "1h", "--reason", "noisy"),
        ("drain", second, "--reason", "being closed"),
        ("remove", third),
        ("clear", third),
    ):
        _run_verb(stack, "sessions", *words)
    for name in ("kept", "rotated", "revoked"):
        issued = _run_verb(stack, "keys", "issue", name, "--requests-per-minute", "600", "--json")
        key = json.loads(issued)["id"]
        if name == "rotated":
            _run_verb(stack, "keys", "rotate", key, "--grace", "1h")
        if name == "revoked":
            _run_verb(stack, "keys", "revoke", key)
    for words in (
        ("add", "three", stack.demo_url("three"), "--capability", "image"),
        ("change", "three", "--weight", "2"),
        ("remove", "three"),
        ("strategy", "least_connections", "--reason", "to be kept"),
    ):
        _run_verb(stack, "servers", *words)


def _run_verb(stack: Stack, *words: str, **more: Any) -> str:
    done = stack.tidegate(*words, **more)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def _expiry(stack: Stack) -> None:
    """A lease renewed by a long exchange, and one whose gateway is killed."""
    for name in ("one", "two"):
        stack.faults(name, kind="latency", latency_ms=8000)
    assert stack.image().status_code == 200
    with contextlib.suppress(httpx.ReadTimeout):
        _asked(stack, "images/generations", "jimeng-4.0", 1)
    stack.kill("gateway")
    stack.set_clock(2 * 3600)
    stack.start_gateway()
    stack.ready("gateway")
    for name in ("one", "two"):
        stack.faults(name)
    stack.eventually(stack.open_leases, 0, 60)
    stack.eventually(lambda: "server_readmitted" in _types(stack.api), True, 60)
    unknown = stack.api("/api/leases?state=unknown")["data"]
    assert unknown
    stack.api(
        f"/api/leases/{unknown[0]['lease_id']}/reconcile",
        "POST",
        json={"units": 0, "reason": "not on the provider's bill"},
    )


def _new_leaders(stack: Stack) -> None:
    for name in ("pool", "balancer"):
        stack.kill(name, signal.SIGTERM)
        stack.start(name, name)
        stack.ready(name)
    assert stack.image().status_code == 200


def _demo(home: Path) -> tuple[Path, dict[str, Any]]:
    """What `up` makes of nothing, after a few calls."""
    home.parent.mkdir(parents=True)
    up = Up(home, natsserver.free_port())
    up.start()
    try:
        for _ in range(5):
            up.curl()
        time.sleep(1)

        def api(path: str) -> Any:
            key = (home / "operator.key").read_text().strip()
            url = f"http://127.0.0.1:{up.port}{path}"
            return httpx.get(url, headers={"Authorization": f"Bearer {key}"}).json()

        expected = _expected(up.run, api)
    finally:
        up.stop()
    return home, expected


def _expected(tidegate: Any, api: Any) -> dict[str, Any]:
    """What this version says of the log: everything but what depends on the moment."""
    audit = json.loads(tidegate("audit", "--json").stdout)
    assert not audit["violations"], audit
    replay = json.loads(tidegate("replay", "--json").stdout)
    replay.pop("events_per_s")
    keys = {one["id"]: one["name"] for one in api("/api/keys")["data"]}
    return {"replay": replay, "totals": audit["totals"], "keys": keys, "types": _types(api)}


def _types(api: Any) -> dict[str, int]:
    """How often each type of event stands in the log."""
    counted = Counter[str]()
    page = {"next": "0", "more": True}
    while page["more"]:
        page = api(f"/api/events?limit=1000&after={page['next']}")
        counted.update(one["type"] for one in page["data"])
    return dict(sorted(counted.items()))


def _pack(name: str, home: Path, expected: dict[str, Any]) -> None:
    HOMES.mkdir(exist_ok=True)
    with tarfile.open(HOMES / f"{name}.tar.xz", "w:xz") as archive:
        for path in sorted(home.rglob("*")):
            if not path.name.endswith(_LEFT_OUT):
                archive.add(path, path.relative_to(home), recursive=False)
    (HOMES / f"{name}.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
    size = (HOMES / f"{name}.tar.xz").stat().st_size
    print(f"{name}: {os.path.relpath(HOMES)}, {size:,} bytes packed")


if __name__ == "__main__":
    main()
