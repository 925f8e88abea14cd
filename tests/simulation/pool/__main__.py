"""Run thousands of seeds, each twice and in turns in both modes; print the first that fails.

`python -m tests.simulation.pool [--seeds N] [--first N] [--seconds S] [--mode M] [--plant BUG]`.
With `--trace` the trace of a single seed is printed. PYTHONHASHSEED must be 0, so that a seed is
the same run everywhere: where it is not, the program starts itself anew with it.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from typing import get_args

from tests.simulation.pool.campaign import Result, command_of, modes_of, run_twice
from tests.simulation.pool.planted import PLANTED
from tests.simulation.pool.run import Mode, simulate

_AHEAD = 4


def main() -> None:
    """Run what was asked for; exit with 1 where a seed failed."""
    asked = _arguments().parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation.pool", *sys.argv[1:]])
    if asked.trace:
        plant = PLANTED[asked.plant]() if asked.plant else None
        (mode,) = modes_of(asked.first, asked.mode)
        judged = simulate(asked.first, mode, plant)
        print(*judged.trace, *judged.findings, sep="\n")
        sys.exit(bool(judged.findings))
    sys.exit(run_campaign(asked))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.pool", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="so many; 0: as many as time allows")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seconds", type=float, default=100.0, help="begin none after so long")
    parser.add_argument("--mode", choices=get_args(Mode), help="one alone; else each seed has its")
    parser.add_argument("--plant", choices=[*PLANTED], help="with this bug: a failure is wanted")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--trace", action="store_true", help="print what happens in the first one")
    return parser


def run_campaign(asked: argparse.Namespace) -> int:
    """Run seed after seed in several processes; return the exit code."""
    totals: Counter[str] = Counter()
    started, failed = time.monotonic(), None
    seeds = count(asked.first) if not asked.seeds else range(asked.first, asked.first + asked.seeds)
    for result in _results(asked, seeds, started):
        totals.update(result.counts)
        totals["seeds"] += 1
        if result.findings:
            failed = result
            break
    told = ", ".join(f"{totals[name]:,} {name}" for name in sorted(totals) if name != "seeds")
    print(f"{totals['seeds']:,} seeds, each twice, in {time.monotonic() - started:.0f} s: {told}")
    if failed is None:
        return 0
    print(f"\nseed {failed.seed} ({failed.mode}) failed:")
    print(*(f"  {finding}" for finding in failed.findings[:20]), sep="\n")
    print(f"again: {command_of(failed.seed, failed.mode, asked.plant)}")
    return 1


def _results(
    asked: argparse.Namespace, seeds: "Iterator[int] | range", started: float
) -> Iterator[Result]:
    """Yield what came of each seed, as it comes; none is begun after the time."""
    with ProcessPoolExecutor(asked.processes) as processes:
        running: set[Future[Result]] = set()
        waiting = ((seed, mode) for seed in seeds for mode in modes_of(seed, asked.mode))
        try:
            for seed, mode in waiting:
                if not asked.seeds and time.monotonic() - started > asked.seconds:
                    break
                running.add(processes.submit(run_twice, seed, mode, asked.plant))
                if len(running) >= asked.processes * _AHEAD:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in running)
        finally:
            processes.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
