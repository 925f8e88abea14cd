"""A process that asks SQL without end, for tests that kill it: `python -m … <folder>`."""

import sys
from pathlib import Path

from tests.integration.analytics.parts import history, sandbox, stored

ENDLESS = "select levenshtein(repeat('a', 10000000), repeat('b', 10000000))"


def main(folder: Path) -> None:
    with (
        stored(folder / "a.duckdb", history()) as readers,
        sandbox(readers._database, folder / "sql", timeout_s=600.0) as box,
    ):
        box.ask_statement("select 1", 1, 1000)
        assert box._child is not None
        (folder / "pid").write_text(f"{box._child.pid}\n")
        box.ask_statement(ENDLESS, 1, 1000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
