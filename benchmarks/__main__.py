"""Run the benchmarks: `python -m benchmarks [name …]`, names without `bench_`."""

import gc
import importlib
import sys
from pathlib import Path


def main() -> None:
    """Run those named, or all, one after another."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    wanted = [f"bench_{name}" for name in sys.argv[1:]] or names
    unknown = set(wanted) - set(names)
    if unknown:
        sys.exit(f"unknown benchmark {', '.join(unknown)}; expected some of {', '.join(names)}")
    for name in wanted:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
        gc.unfreeze()  # what a benchmark froze would be called leaked at the end


main()
