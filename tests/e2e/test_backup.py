"""A backup while calls go on, everything lost, a restore elsewhere: no unit is sold twice."""

import json
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.e2e.stack import Stack

NewStack = Callable[..., Stack]
SESSIONS, LIMIT = 4, 10
ALL = SESSIONS * LIMIT
_POOL = {"TIDEGATE_POOL_MIN_SIZE": str(SESSIONS), "TIDEGATE_POOL_MAX_SIZE": str(SESSIONS)}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("backup"), pytest.mark.timeout(400)]


class Callers:
    """Clients that call again and again until they are told to stop, or so many calls are made."""

    def __init__(self, stack: Stack, calls: int) -> None:
        self.answers: Counter[int] = Counter()
        self._stack = stack
        self._left = calls
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(2)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._stop.is_set() and self._left > 0:
            self._left -= 1
            self.answers[self._stack.image().status_code] += 1


def restored(stack: Stack, backup: Path) -> None:
    """Restore into a stack's home, which has nothing yet."""
    done = stack.tidegate("restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert "Units granted after the backup was taken are not in this log" in done.stdout


def start_beside(stack: Stack, lost: Stack) -> None:
    """Start everything but the demo server, which is the world and goes on."""
    stack.ports |= {name: port for name, port in lost.ports.items() if name == "one"}
    stack.configure(stack.servers_toml("one"))
    stack.start_nats()
    for service in ("pool", "balancer", "analytics"):
        stack.start(service, service)
    stack.start_gateway()
    stack.ready("pool", "balancer", "analytics", "gateway")


FIGURES = "select session_id, usage_count, metadata from session_usage order by 1"


def figures(stack: Stack) -> list[list[Any]]:
    """Ask DuckDB what was used; every open lease has ended."""
    rows: list[list[Any]] = stack.api("/api/sql", "POST", json={"query": FIGURES})["rows"]
    return rows


def measured(stack: Stack, name: str) -> float:
    """Read a metric of analytics."""
    text = httpx.get(f"http://127.0.0.1:{stack.health['analytics']}/metrics", timeout=20).text
    found = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(found.partition(" ")[2])


def test_what_was_used_before_the_backup_is_used_after_the_restore(
    new_stack: NewStack, tmp_path: Path
) -> None:
    lost, found, under_load = new_stack(**_POOL), new_stack(**_POOL), new_stack(**_POOL)
    lost.configure(lost.servers_toml("one"))
    lost.start_all("one")
    lost.faults("one", kind="latency", latency_ms=400)
    with Callers(lost, ALL - LIMIT) as callers:
        lost.eventually(lambda: callers.answers.total() > 0, expected=True)
        done = lost.tidegate("backup", str(tmp_path / "busy.tar"), "--json")

    assert done.returncode == 0, done.stderr

    lost.faults("one")
    busy = json.loads(done.stdout)
    lost.eventually(lost.open_leases, 0)
    quiet = lost.tidegate("backup", str(tmp_path / "quiet"), "--json")
    assert quiet.returncode == 0, quiet.stderr
    assert json.loads(quiet.stdout)["sequence"] > busy["sequence"]
    sold = callers.answers[200]
    lost.eventually(lambda: sum(row[1] for row in figures(lost)), sold)
    told = figures(lost)
    for name in ("gateway", "balancer", "pool", "analytics", "nats"):
        lost.kill(name)

    # What was taken under load is whole: its audit is clean, whatever was under way.
    restored(under_load, tmp_path / "busy.tar")
    under_load.start_nats()
    under_load.start("analytics", "analytics")
    under_load.ready("analytics")
    report = under_load.audit()
    assert (report["exit"], report["duckdb"], report["violations"]) == (0, "agrees", [])
    assert report["sequence"] >= busy["sequence"] >= 1
    assert measured(under_load, "tidegate_analytics_envelopes_total") <= (
        report["sequence"] - busy["sequence"]
    )

    restored(found, tmp_path / "quiet")
    start_beside(found, lost)
    assert figures(found) == told
    assert measured(found, "tidegate_analytics_rebuilds_total") == 0
    assert '"rebuilding"' not in (found.home / "analytics.log").read_text()
    with Callers(found, ALL) as more:
        for thread in more._threads:
            thread.join()

    assert (sold, more.answers[200]) == (callers.answers.total(), ALL - sold)
    assert more.answers[429] == sold
    found.eventually(found.open_leases, 0)
    assert found.served("one") == ALL
    day = next(iter(found.demo_ledger("one").values()))
    assert [units["image"] for units in day.values()] == [LIMIT] * SESSIONS
    found.eventually(lambda: sum(row[1] for row in figures(found)), ALL)
    assert measured(found, "tidegate_analytics_rebuilds_total") == 0
    audited = found.audit()
    assert (audited["exit"], audited["duckdb"], audited["violations"]) == (0, "agrees", [])


def test_a_session_keeps_its_counts_when_the_master_key_was_lost(
    new_stack: NewStack, tmp_path: Path
) -> None:
    """The way of docs/runbook.md: another master key, an empty bucket, the same identity key."""
    stack = new_stack(TIDEGATE_POOL_PROVISIONER_KIND="none", TIDEGATE_POOL_MIN_SIZE="0")
    stack.configure(stack.servers_toml("one"))
    stack.start_all("one")
    stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])
    credentials = tmp_path / "credentials"
    credentials.write_text("us-the-only-one\n")

    assert stack.tidegate("sessions", "add", str(credentials)).returncode == 0
    before = [stack.image().status_code for _ in range(4)]
    stack.eventually(stack.open_leases, 0)
    for name in ("gateway", "balancer", "pool", "analytics", "nats"):
        stack.kill(name, signal.SIGTERM)
    shutil.rmtree(stack.home / "nats" / "jetstream" / "$G" / "streams" / "KV_credentials")
    (stack.home / "secrets" / "master.key").unlink()

    stack._nats_started = False
    stack.start_nats()
    for service in ("pool", "balancer", "analytics"):
        stack.start(service, service)
    stack.start_gateway()
    stack.ready("pool", "balancer", "analytics", "gateway")
    doctored = stack.tidegate("doctor")
    assert stack.tidegate("sessions", "add", str(credentials)).returncode == 0
    after = [stack.image().status_code for _ in range(LIMIT)]

    assert (doctored.returncode, "credentials_missing" in doctored.stdout) == (1, True)
    assert before == [200] * 4
    assert after == [200] * (LIMIT - 4) + [429] * 4
    assert stack.tidegate("doctor").returncode == 0
