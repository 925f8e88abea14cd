"""What is looked at every few seconds: each process as the kernel knows it, and the calls."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.traffic import Called

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One process at one moment; `pid` tells one life from the next."""

    at_s: float
    name: str
    pid: int
    rss_mb: float
    descriptors: int
    sockets: int


@dataclass(frozen=True)
class Latency:
    """The calls that ended within one interval."""

    at_s: float
    calls: int
    p50_ms: float
    p99_ms: float


def sampled(at_s: float, pids: Mapping[str, int]) -> list[Sample]:
    """Look at every process that lives."""
    found = []
    for name, pid in pids.items():
        with suppress(OSError):
            folder = Path("/proc") / str(pid)
            resident = int((folder / "statm").read_text().split()[1])
            links = [_link(path) for path in (folder / "fd").iterdir()]
            sockets = sum(link.startswith("socket:") for link in links)
            found.append(Sample(at_s, name, pid, resident * _PAGE_BYTES / 1e6, len(links), sockets))
    return found


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def latency(at_s: float, calls: Sequence[Called]) -> Latency:
    """Sum up the calls of one interval; those that were answered whole."""
    times = sorted((call.ended_s - call.started_s) * 1000 for call in calls if call.succeeded)
    if not times:
        return Latency(at_s, len(calls), 0.0, 0.0)
    return Latency(at_s, len(calls), times[len(times) // 2], times[len(times) * 99 // 100])
