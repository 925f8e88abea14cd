"""What came of a run: percentiles, imbalance, wasted units; and of all runs, tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tests.simulation.balancer import mix, ramp
from tests.simulation.balancer.fleet import Fate, World, loads_by_server


@dataclass(frozen=True)
class MixFigures:
    """One strategy over the recorded mix."""

    strategy: str
    p50_s: float
    p99_s: float
    imbalance: float
    """The busiest server's share of its limit, as a multiple of the mean share."""
    wasted: int
    """Units of calls that a server took and did not do."""
    refused: int
    """Calls for which nobody could be chosen."""


@dataclass(frozen=True)
class RampFigures:
    """One strategy along the ramp, a value a load."""

    strategy: str
    loads: tuple[float, ...]
    p50_s: list[float]
    p99_s: list[float]
    missed: list[float]
    """Share of the calls that were not done by the deadline."""

    def first_missed(self, share: float = 0.01) -> float | None:
        """The first load at which that share missed the deadline; None: at none."""
        return next(
            (load for load, missed in zip(self.loads, self.missed, strict=True) if missed >= share),
            None,
        )


def mix_figures(strategy: str, seconds: float = mix.SECONDS, seed: int = mix.SEED) -> MixFigures:
    """Run the mix by one strategy."""
    world = World(mix.mixed_fleet(), strategy, mix.DEADLINE_S, mix.CLIENT_REGION)
    fates = world.run(mix.recorded_calls(seed, seconds))
    shares = loads_by_server(world, seconds).values()
    return MixFigures(
        strategy,
        percentile(_times(fates), 0.5),
        percentile(_times(fates), 0.99),
        max(shares) * len(shares) / sum(shares),
        sum(fate.failed and bool(fate.server_id) for fate in fates),
        sum(not fate.server_id for fate in fates),
    )


def ramp_figures(
    strategy: str, loads: tuple[float, ...] = ramp.LOADS, step_s: float = ramp.STEP_S
) -> RampFigures:
    """Run the ramp by one strategy."""
    world = World(ramp.ramp_fleet(), strategy, ramp.DEADLINE_S)
    calls = ramp.ramp_calls(loads, step_s)
    fates = world.run(calls, ramp.neighbours(len(loads) * step_s))
    by_step: list[list[Fate]] = [[] for _ in loads]
    for fate in fates:
        by_step[ramp.step_of(fate.call, step_s)].append(fate)
    times = [_times(step, ramp.DEADLINE_S) for step in by_step]
    return RampFigures(
        strategy,
        loads,
        [percentile(step, 0.5) for step in times],
        [percentile(step, 0.99) for step in times],
        [sum(fate.failed for fate in step) / len(step) for step in by_step],
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that this share of them does not exceed."""
    return sorted(values)[ceil(share * len(values)) - 1]


def mix_days(strategy: str) -> list[MixFigures]:
    """Run the mix by one strategy: the recorded day first, then ten others."""
    return [mix_figures(strategy, seed=seed) for seed in (mix.SEED, *mix.OTHER_SEEDS)]


def mix_table(days: Sequence[Sequence[MixFigures]]) -> str:
    """The mix as a table of Markdown; in brackets from least to most on the other days."""
    lines = ["| strategy | P50, s | P99, s | imbalance | wasted units |", "|---|---|---|---|---|"]
    for recorded, *others in days:
        p99s_s, wasted = [row.p99_s for row in others], [row.wasted for row in others]
        lines.append(
            f"| `{recorded.strategy}` | {recorded.p50_s:.1f}"
            f" | {recorded.p99_s:.1f} ({min(p99s_s):.0f} to {max(p99s_s):.0f})"
            f" | {recorded.imbalance:.1f}"
            f" | {recorded.wasted} ({min(wasted)} to {max(wasted)}) |"
        )
    return "\n".join(lines)


def ramp_table(rows: Sequence[RampFigures]) -> str:
    """The ramp as a table of Markdown: P99 at each load, and where the deadline was hit."""
    loads = rows[0].loads
    lines = [
        "| strategy | " + " | ".join(f"{load:.2f}" for load in loads) + " | 1 % missed 5 s at |",
        "|---" * (len(loads) + 2) + "|",
    ]
    for row in rows:
        first = row.first_missed()
        lines.append(
            f"| `{row.strategy}` | "
            + " | ".join(f"{p99_s:.1f}" for p99_s in row.p99_s)
            + f" | {'never' if first is None else f'{first:.2f}'} |"
        )
    return "\n".join(lines)


def _times(fates: Sequence[Fate], at_failure_s: float | None = None) -> list[float]:
    """How long calls took; a call that failed says how long with `at_failure_s` alone."""
    return [
        fate.took_s if not fate.failed or at_failure_s is None else at_failure_s
        for fate in fates
        if not fate.failed or at_failure_s is not None
    ]
