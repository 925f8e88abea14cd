"""`make chaos`: one run on this machine. Exit 1 and every finding when a promise was broken."""

import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import planned
from tests.chaos.processes import Processes
from tests.chaos.run import parser, run


def main() -> int:
    """Run and judge."""
    options = parser("python -m tests.chaos", seconds=300).parse_args()
    folder = options.out or Path(tempfile.mkdtemp(prefix="tidegate-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    plan = planned(options.seed, options.seconds, failing=True)
    return run(plan, Processes(folder / "home"), options.calls, folder)


if __name__ == "__main__":
    sys.exit(main())
