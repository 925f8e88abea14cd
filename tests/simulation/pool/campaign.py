"""Many runs: which mode a seed has, whether it is the same run twice, how it is repeated."""

from typing import NamedTuple

from tests.simulation.pool.planted import PLANTED
from tests.simulation.pool.run import Judged, Mode, simulate


class Result(NamedTuple):
    """What is told of one seed."""

    seed: int
    mode: Mode
    findings: list[str]
    counts: dict[str, int]


def modes_of(seed: int, mode: Mode | None = None) -> tuple[Mode]:
    """Every seed has its mode; or all have one."""
    return (mode or ("liveness" if seed % 2 else "safety"),)


def run_twice(seed: int, mode: Mode, plant: str | None = None) -> Result:
    """Run a seed twice: two traces that differ are a finding of their own."""
    first, second = (simulate(seed, mode, PLANTED[plant]() if plant else None) for _ in range(2))
    findings = [*first.findings, *trace_difference(first, second)]
    counts = {
        "calls": sum(first.answers.values()),
        "leases": first.granted,
        "waits": first.waits,
        "envelopes": first.envelopes,
        "elections": first.elections,
        "simulated seconds": round(first.seconds),
    }
    return Result(seed, mode, findings, counts)


def trace_difference(first: Judged, second: Judged) -> list[str]:
    """Say where two runs of one seed part ways."""
    if first.trace == second.trace:
        return []
    pairs = zip([*first.trace, "the end"], [*second.trace, "the end"], strict=False)
    one, two = next(pair for pair in pairs if pair[0] != pair[1])
    return [f"the second run is another: {one!r}, and then {two!r}"]


def first_caught(plant: str, seeds_max: int, mode: Mode = "safety") -> Judged | None:
    """Run seeds with a bug planted, until one finds it; None when none does."""
    for seed in range(1, seeds_max + 1):
        judged = simulate(seed, mode, PLANTED[plant]())
        if judged.findings:
            return judged
    return None


def command_of(seed: int, mode: Mode, plant: str | None = None) -> str:
    """What repeats one seed, and prints what happens in it."""
    planted = f" --plant {plant}" if plant else ""
    run = "PYTHONHASHSEED=0 python -m tests.simulation.pool"
    return f"{run} --first {seed} --mode {mode}{planted} --trace"
