"""`make failing`: every way to fail under every strategy. Exit 1 when a bound was broken."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from services.balancer.strategies import STRATEGIES
from tests.e2e.stack import Stack
from tests.failing.figures import Cell
from tests.failing.log import hear_log
from tests.failing.table import markdown_table, terminal_table
from tests.failing.trial import Tried, audit_complaint, make_stack, start_stack, try_cell
from tests.failing.ways import Way

_SERVERS = (4, 1)


def main() -> int:
    """Try what is asked for, tell it, and judge."""
    options = _options()
    folder = options.out or Path(tempfile.mkdtemp(prefix="tidegate-failing-"))
    folder.mkdir(parents=True, exist_ok=True)
    cells = [
        Cell(Way(way), strategy, servers)
        for servers in options.servers
        for way in options.ways
        for strategy in options.strategies
    ]
    print(f"failing: {len(cells)} cells; everything lies in {folder}", flush=True)
    stack = make_stack(folder / "home")
    try:
        start_stack(stack)
        tried = asyncio.run(_try_cells(stack, cells, options.minutes))
        complaint = audit_complaint(stack)
    finally:
        stack.close()
    print(terminal_table(tried))
    (folder / "table.md").write_text(markdown_table(tried))
    print(f"written to {folder / 'table.md'}")
    problems = [f"{one.cell}: {why}" for one in tried for why in one.breaks]
    problems += [complaint] if complaint else []
    if len(tried) < len(cells):
        problems.append(
            f"{len(cells) - len(tried)} cells were not tried in {options.minutes:g} min"
        )
    for problem in problems:
        print(f"BROKEN {problem}", file=sys.stderr)
    print(f"{len(problems)} problems" if problems else "every bound kept, the audit is clean")
    return 1 if problems else 0


async def _try_cells(stack: Stack, cells: list[Cell], minutes: float) -> list[Tried]:
    tried: list[Tried] = []
    end = time.monotonic() + minutes * 60
    async with hear_log(stack) as log:
        for number, cell in enumerate(cells, 1):
            if time.monotonic() > end:
                break
            began = time.monotonic()
            one = await try_cell(stack, log, cell, number)
            tried.append(one)
            took_s = time.monotonic() - began
            print(f"{took_s:5.1f} s  {cell}: {one.figures.lost} lost, {one.breaks}", flush=True)
            if one.breaks:
                print(f"         {one.figures} {one.answers}", flush=True)
    return tried


def _options() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m tests.failing")
    made.add_argument("--ways", nargs="+", choices=[*Way], default=[*Way])
    made.add_argument("--strategies", nargs="+", choices=[*STRATEGIES], default=[*STRATEGIES])
    made.add_argument("--servers", nargs="+", type=int, choices=_SERVERS, default=_SERVERS)
    made.add_argument("--minutes", type=float, default=30.0, help="no cell begins later")
    made.add_argument("--out", type=Path, help="folder for what is made: logs and the table")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
