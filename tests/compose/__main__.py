"""`make chaos-compose`: the plan, traffic and verdict of `make chaos`, against containers.

With `--cluster` the log is kept by three NATS servers, and whichever leads the stream is killed,
paused, restarted and cut off like everybody else.
"""

import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import ROLES, Role, planned
from tests.chaos.run import parser, run
from tests.compose.actor import CLUSTER, Actor


def main() -> int:
    """Run and judge."""
    asked = parser("python -m tests.compose", seconds=420)
    asked.add_argument("--cluster", action="store_true", help="three NATS servers")
    options = asked.parse_args()
    folder = options.out or Path(tempfile.mkdtemp(prefix="tidegate-chaos-compose-"))
    folder.mkdir(parents=True, exist_ok=True)
    actor = Actor(folder / "clone", *([CLUSTER] if options.cluster else []))
    roles = tuple(Role) if options.cluster else ROLES
    plan = planned(options.seed, options.seconds, roles, tuple(actor.ways), failing=True)
    return run(plan, actor, options.calls, folder)


if __name__ == "__main__":
    sys.exit(main())
