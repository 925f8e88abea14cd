"""How a server can fail: what is done to it, what it costs, and how it is undone."""

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.e2e.stack import Stack

NORMAL_MS = 50.0
"""How long a demo server takes for an answer while it is well."""


class Way(StrEnum):
    """One way to fail."""

    KILLED = "killed"
    HUNG = "hung"
    MUTE = "mute"
    DRIP = "drip"
    SLOW = "slow"
    STATUS_500 = "500"
    GARBAGE = "garbage"
    STATUS_401 = "401"
    ERROR_BODY = "error-body"


@dataclass(frozen=True)
class Manner:
    """What a way is, and what it does."""

    words: str
    fault: dict[str, Any] | None = None
    """Of the demo server; None where its process is hurt."""
    costs_units: bool = True
    """Whether every call that it takes costs a unit, so that it has to be ejected for it."""
    goes_out_alone: bool = True
    """Whether it is ejected where nobody else is left."""
    goes_out: bool = True
    """Whether it is ejected, or called down, where others are left."""


MANNERS: dict[Way, Manner] = {
    Way.KILLED: Manner("SIGKILL"),
    Way.HUNG: Manner("SIGSTOP: neither calls nor probes are answered"),
    Way.MUTE: Manner(
        "answers probes, and no call",
        {"kind": "latency", "latency_ms": 600_000.0},
    ),
    Way.DRIP: Manner(
        "begins every answer, and never ends one",
        {"kind": "drip", "seconds": 60.0, "pieces": 100},
    ),
    Way.SLOW: Manner(
        "takes ten times as long",
        {"kind": "latency", "latency_ms": 9 * NORMAL_MS},
        costs_units=False,
        goes_out=False,
        goes_out_alone=False,
    ),
    Way.STATUS_500: Manner("500", {"kind": "status", "status": 500}),
    Way.GARBAGE: Manner("bytes that are no HTTP", {"kind": "garbage"}),
    Way.STATUS_401: Manner(
        "401", {"kind": "unauthorized"}, costs_units=False, goes_out_alone=False
    ),
    Way.ERROR_BODY: Manner("200 with an error in its body", {"kind": "code", "code": -1}),
}


def begin_failing(stack: Stack, way: Way, process: str) -> None:
    """Have a demo server fail; it may block for as long as a process takes to die."""
    fault = MANNERS[way].fault
    if fault is not None:
        stack.faults(process, **fault)
    else:
        stack.kill(process, signal.SIGKILL if way is Way.KILLED else signal.SIGSTOP)


def end_failing(stack: Stack, way: Way, process: str) -> None:
    """Have it be well again; it may block until a new process listens."""
    if way is Way.KILLED:
        stack.start_demo(process, "--latency-ms", str(NORMAL_MS))
        stack.wait_url(f"{stack.demo_url(process)}/ping", process)
    elif way is Way.HUNG:
        stack.kill(process, signal.SIGCONT)
    else:
        stack.faults(process)
