"""`make soak`: mixed load with faults, sampled; exit 1 when something grows that should not."""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.campaign import Campaign
from tests.chaos.plan import Action, Plan, Role, planned
from tests.chaos.processes import GATEWAYS, Processes
from tests.chaos.traffic import SOAK_MIX, Load
from tests.soak.plot import svg
from tests.soak.samples import Latency, Sample, latency, sampled
from tests.soak.trend import Growth, complaints, growths, leaks

_EVERY_S = 3.0
_SPACING_S = (20.0, 40.0)
_PAUSED = (Role.POOL_LEADER, Role.GATEWAY, Role.BALANCER_LEADER, Role.ANALYTICS, Role.NATS)
_LIMITS = {"image": 5000, "video": 2000, "avatar": 5}
_AFTER_S = 60.0


@dataclass
class Seen:
    """Everything that was sampled."""

    samples: list[Sample] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)


def main() -> int:
    """Run, judge, draw."""
    options = _options()
    folder = options.out or Path(tempfile.mkdtemp(prefix="tidegate-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    plan = soak_plan(options.seed, options.minutes * 60)
    print(
        f"soak: {options.minutes:g} minutes at {options.rate:g} calls a second, seed"
        f" {plan.seed}, {len(plan.faults)} faults; everything lies in {folder}",
        flush=True,
    )
    processes = Processes(folder / "home", _LIMITS)
    try:
        processes.begin()
        load, seen, problems = asyncio.run(_run(plan, processes, options.rate))
    finally:
        processes.stack.close()
    found = growths(seen.samples, len(load.done) / plan.seconds)
    problems += complaints(found, seen.latencies)
    good = sum(call.expected for call in load.done) / max(len(load.done), 1)
    told = "\n".join(
        [
            f"{len(load.done)} calls, {good * 100:.2f} % answered as they should be",
            _table(found),
            *(f"PROBLEM {problem}" for problem in problems),
            f"{len(problems)} problems" if problems else "nothing grows that should not",
        ]
    )
    title = f"{options.minutes:g} minutes, {len(load.done)} calls, seed {plan.seed}"
    (folder / "soak.svg").write_text(svg(seen.samples, seen.latencies, title))
    (folder / "soak.txt").write_text(told + "\n")
    samples = {"samples": [vars(one) for one in seen.samples]}
    samples["latencies"] = [vars(one) for one in seen.latencies]
    (folder / "soak.json").write_text(json.dumps(samples))
    print(told)
    print(f"written to {folder / 'soak.svg'}, soak.txt and soak.json")
    return 1 if problems else 0


def soak_plan(seed: int, seconds: float) -> Plan:
    """Pauses of everybody and deaths of NATS: whoever lives on is judged by its whole life."""
    pauses = planned(seed, seconds, _PAUSED, (Action.PAUSE,), _SPACING_S)
    deaths = planned(seed + 1, seconds, (Role.NATS,), (Action.KILL,), (90.0, 150.0))
    faults = sorted((*pauses.faults, *deaths.faults), key=lambda fault: fault.at_s)
    return Plan(seed, seconds, tuple(faults))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=40.0, help="calls a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for home, logs, figures and plot")
    return parser.parse_args()


async def _run(plan: Plan, processes: Processes, rate: float) -> tuple[Load, Seen, list[str]]:
    """Load it, break it, look at it; and ask the audit at the end."""
    stack = processes.stack
    campaign = Campaign(plan, processes, lambda line: print(line, flush=True))
    load = Load(
        gateways=[stack.url(gateway) for gateway in GATEWAYS],
        key=stack.client_key,
        calls=0,
        rate=rate,
        seed=plan.seed,
        clock=campaign.clock,
        seconds_max=plan.seconds + _AFTER_S,
        mix=SOAK_MIX,
    )
    before = sampled(0.0, _pids(processes))
    processes.break_servers()
    seen = Seen()
    looking = asyncio.create_task(_look(processes, campaign, load, seen))
    try:
        await campaign.run(load)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    processes.mend_servers()
    problems = []
    if unready := await asyncio.to_thread(processes.calm):
        problems.append(unready)
    problems += leaks(before, sampled(campaign.clock(), _pids(processes)))
    audit = await asyncio.to_thread(stack.audit)
    if audit["exit"]:
        problems.append(f"audit: {audit['violations'][:3]}, DuckDB {audit['duckdb']}")
    return load, seen, problems


async def _look(processes: Processes, campaign: Campaign, load: Load, seen: Seen) -> None:
    known = 0
    while True:
        await asyncio.sleep(_EVERY_S)
        at_s = round(campaign.clock(), 2)
        seen.samples += await asyncio.to_thread(sampled, at_s, _pids(processes))
        seen.latencies.append(latency(at_s, load.done[known:]))
        known = len(load.done)


def _pids(processes: Processes) -> dict[str, int]:
    return {name: one.pid for name, one in processes.stack.processes.items()}


def _table(found: list[Growth]) -> str:
    titles = ("process", "s", "MB", "grew by", "bound", "fds")
    lines = ["{:12} {:>6} {:>8} {:>9} {:>7} {:>5}".format(*titles)]
    lines += [
        f"{one.name:12} {one.seconds:6.0f} {one.rss_mb:8.1f} {one.rss_growth_mb:+9.2f}"
        f" {one.rss_bound_mb:7.1f} {one.descriptors:5d}"
        for one in sorted(found, key=lambda one: one.name)
        if one.rss_bound_mb < 1e9
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
