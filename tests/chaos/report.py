"""What clients felt of each kind of fault, as figures and as a table. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise

from tests.chaos.traffic import Called

_AFTER_S = 4.0
"""What a fault did is looked for until so long after it was over."""
_TITLES = ("fault", "times", "calls", "good %", "gap s", "ready s", "p50 ms", "p99 ms", "errors")


@dataclass(frozen=True)
class Happened:
    """One fault as it came to be."""

    kind: str
    name: str
    """The process it befell."""
    began_s: float
    struck_s: float
    """When it had surely befallen it: an engine of containers takes its time to kill one."""
    ended_s: float
    """When it breathed, or was started, again."""
    ready_s: float = 0.0
    """When it called itself ready again."""


@dataclass(frozen=True)
class Failed:
    """A time in which a server failed every call; `…_at` as the log has it."""

    server_id: str
    began_s: float
    began_at: datetime
    ended_s: float
    ended_at: datetime

    def as_happened(self) -> Happened:
        """As one fault among the others; nobody has to be ready again."""
        ended_s = self.ended_s
        return Happened("500", self.server_id, self.began_s, self.began_s, ended_s, ended_s)


@dataclass(frozen=True)
class Row:
    """The figures of one kind of fault."""

    kind: str
    times: int
    calls: int
    good: float
    """Share of calls that were answered as they should be."""
    gap_s: float
    """The longest time in which no call ended well."""
    ready_s: float
    """The longest time from a fault's end until its process was ready."""
    p50_ms: float
    p99_ms: float
    """Of calls that ended well."""
    errors: dict[str, int]


def rows(calls: Sequence[Called], happened: Sequence[Happened]) -> list[Row]:
    """Figures by kind of fault, quiet times and the whole run among them."""
    ordered = sorted(calls, key=lambda call: call.ended_s)
    kinds: dict[str, list[Happened]] = defaultdict(list)
    for one in happened:
        kinds[one.kind].append(one)
    windows = [(one.began_s, _over_s(one)) for one in happened]
    quiet = [
        call
        for call in ordered
        if not any(begin <= call.ended_s and call.started_s <= end for begin, end in windows)
    ]
    found = [
        _row(
            kind,
            ordered,
            [(one.began_s, _over_s(one)) for one in ones],
            max(one.ready_s - one.ended_s for one in ones),
        )
        for kind, ones in sorted(kinds.items())
    ]
    whole = _row("whole run", ordered, [(0.0, ordered[-1].ended_s if ordered else 0.0)], 0.0)
    return [*found, _figures("no fault", 0, quiet, 0.0, 0.0), whole]


def _over_s(one: Happened) -> float:
    return one.ended_s + _AFTER_S


def _row(
    kind: str, calls: Sequence[Called], windows: Sequence[tuple[float, float]], ready_s: float
) -> Row:
    felt: dict[int, Called] = {}
    gap_s = 0.0
    for begin, end in windows:
        within = [call for call in calls if call.ended_s >= begin and call.started_s <= end]
        felt |= {call.number: call for call in within}
        good = [call.ended_s for call in within if call.succeeded and call.ended_s <= end]
        moments = [begin, *good, end]
        gap_s = max([gap_s, *(later - sooner for sooner, later in pairwise(moments))])
    return _figures(kind, len(windows), list(felt.values()), gap_s, ready_s)


def _figures(kind: str, times: int, calls: Sequence[Called], gap_s: float, ready_s: float) -> Row:
    good = [call for call in calls if call.expected]
    latencies = sorted((call.ended_s - call.started_s) * 1000 for call in good) or [0.0]
    return Row(
        kind=kind,
        times=times,
        calls=len(calls),
        good=len(good) / len(calls) if calls else 1.0,
        gap_s=gap_s,
        ready_s=ready_s,
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[len(latencies) * 99 // 100],
        errors=dict(Counter(call.code for call in calls if not call.expected).most_common()),
    )


def table(found: Sequence[Row]) -> str:
    """Write the rows for a terminal."""
    lines = [_TITLES, *(_cells(row) for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_TITLES))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.kind,
        str(row.times),
        str(row.calls),
        f"{row.good * 100:.2f}",
        f"{row.gap_s:.2f}",
        f"{row.ready_s:.2f}",
        f"{row.p50_ms:.0f}",
        f"{row.p99_ms:.0f}",
        " ".join(f"{code}={count}" for code, count in row.errors.items()),
    )


def rows_told(found: Sequence[Row]) -> list[dict[str, object]]:
    """The rows as JSON has them."""
    return [asdict(row) for row in found]
