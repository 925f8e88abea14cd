"""Calls one after another while something breaks, and what must hold when it is whole again."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.compose.conftest import REPORT
from tests.compose.containers import RECOVERY_S, Containers

KNOWN = {
    "ok",
    "no answer",
    "ledger_unavailable",
    "no_backend",
    "pool_saturated",
    "upstream_error",
    "upstream_outcome_unknown",
}
"""What a client may meet while something is broken; nothing else."""


class Trickle:
    """One call after another, and what became of each."""

    def __init__(self, stack: Containers) -> None:
        self.codes: Counter[str] = Counter()
        self.gap_s = 0.0
        self._stack = stack
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        good_at = time.monotonic()
        while not self._over.is_set():
            code = self._one()
            self.codes[code] += 1
            if code == "ok":
                self.gap_s = max(self.gap_s, time.monotonic() - good_at)
                good_at = time.monotonic()
            time.sleep(0.02)

    def _one(self) -> str:
        try:
            found = self._stack.image()
        except httpx.HTTPError:
            return "no answer"
        return "ok" if found.status_code == 200 else str(found.json()["error"]["code"])


@contextmanager
def calling(stack: Containers, what: str) -> Iterator[Trickle]:
    """Call all the while; then everything is well again, every unit accounted for."""
    trickle = Trickle(stack)
    trickle._thread.start()
    try:
        stack.eventually(lambda: trickle.codes["ok"] > 3, expected=True, seconds=RECOVERY_S)
        yield trickle
        stack.recovered()
        before = trickle.codes["ok"]
        stack.eventually(lambda: trickle.codes["ok"] > before + 3, expected=True, seconds=60)
    finally:
        trickle._over.set()
        trickle._thread.join()
    REPORT.append(f"{what}: {trickle.gap_s:.1f} s without a success, {dict(trickle.codes)}")
    assert set(trickle.codes) <= KNOWN
    stack.recovered()
    accounted(stack)


def accounted(stack: Containers) -> None:
    """No server did more than the pool counted, and the log proves the rest."""
    used: dict[str, int] = {}
    report = stack.audit()
    for total in report["totals"]:
        service = total["service_type"]
        used[service] = used.get(service, 0) + total["used"]
    assert report["exit"] == 0, report
    assert report["violations"] == []
    assert report["duckdb"] == "agrees"
    for service, units in used.items():
        assert stack.served("one", "two", service=service) <= units
