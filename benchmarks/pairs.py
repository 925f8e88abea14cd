"""Whether a change costs anything: this tree beside another revision, in turns on one machine.

`make pairs BASE=<revision>`. A process keeps for its whole life what chance gave it at its start:
where its memory lies and in which order its dictionaries do makes it up to 8 % dearer or cheaper
than its twin, whatever its code. So the hash seed and (with setarch) the addresses are fixed, every
launch starts both stacks anew, and what is compared are medians of a launch's rounds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_WORKER = Path(__file__).with_name("pairs_worker.py")
FIGURES = ("cpu_32", "rate_32", "rate_128", "cpu_128", "wave_64", "wave_256", "latency_1")
"""CPU us a request and requests/s at so many clients; rate of so many in step on a backend of
200 ms beside going there directly; p50 ms with one client. A wave of 256 needs a machine that does
1,280 requests/s: on one of a quarter of that speed a wave of 64 is the same work."""


class Stand:
    """One launch of one tree: its stack runs, and gives a round when it is asked to."""

    def __init__(self, tree: Path) -> None:
        """Start it, and wait until it can be asked."""
        setarch = shutil.which("setarch")
        self._process = subprocess.Popen(
            [*([setarch, "-R"] if setarch else []), sys.executable, str(_WORKER)],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def round(self, what: str) -> float:
        """Take one figure."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """End the stack."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(90)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a stack ended: {self._process.args!r}")
        return json.loads(line)


def compare_trees(base: Path, figures: list[str], launches: int, rounds: int) -> None:
    """Print each launch, and how this tree stands to `base` in the end."""
    medians: dict[str, list[tuple[float, float]]] = {figure: [] for figure in figures}
    for launch in range(launches):
        stands = [Stand(base), Stand(ROOT)]
        try:
            for figure in figures:
                taken: tuple[list[float], list[float]] = ([], [])
                for turn in range(rounds):
                    for which in (0, 1) if (turn + launch) % 2 == 0 else (1, 0):
                        taken[which].append(stands[which].round(figure))
                before, now = map(statistics.median, taken)
                medians[figure].append((before, now))
                print(f"launch {launch}: {figure} {before:.4g} -> {now:.4g}", flush=True)
        finally:
            for stand in stands:
                stand.close()
    for figure, pairs in medians.items():
        before, now = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(after / first for first, after in pairs)
        print(f"{figure}: {before:.4g} -> {now:.4g}, median ratio {ratio:.3f} of {launches}")


def main() -> None:
    """Check the base out beside this tree, and compare."""
    parser = argparse.ArgumentParser(prog="benchmarks.pairs")
    parser.add_argument("base", help="a revision of this repository")
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--launches", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), asked.base], check=True)
        try:
            compare_trees(tree, asked.figures, asked.launches, asked.rounds)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


if __name__ == "__main__":
    main()
