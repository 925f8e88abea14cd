"""Run every strategy over the mix and along the ramp, and print what came of it.

`python -m tests.simulation.balancer [--write]`; with `--write` the picture of
docs/explanation/balancing.md is drawn anew, and the tables there are those that are printed.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor

from services.balancer.strategies import STRATEGIES
from tests import ROOT
from tests.simulation.balancer.figures import mix_days, mix_table, ramp_figures, ramp_table
from tests.simulation.balancer.plot import strategies_svg

FOLDER = ROOT / "docs" / "explanation"


def replace_table(page: str, name: str, table: str) -> str:
    """Put a table in the place of the one between the comments of that name."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    assert begun, f"the page has no place for the table {name!r}"
    assert ended, f"the page has no end of the table {name!r}"
    return before + begin + table + end + after


def main() -> None:
    """Run, print, and write if that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.balancer")
    parser.add_argument("--write", action="store_true", help="draw docs/explanation anew")
    wanted = parser.parse_args()
    with ProcessPoolExecutor() as processes:  # of one strategy each: none hears of another
        days = [*processes.map(mix_days, STRATEGIES)]
        ramps = [*processes.map(ramp_figures, STRATEGIES)]
    tables = {"mix": mix_table(days), "ramp": ramp_table(ramps)}
    print("\n\n".join(tables.values()))
    if wanted.write:
        page = FOLDER / "balancing.md"
        text = page.read_text()
        for name, table in tables.items():
            text = replace_table(text, name, table)
        page.write_text(text)
        (FOLDER / "balancing.svg").write_text(
            strategies_svg([recorded for recorded, *_ in days], ramps)
        )


if __name__ == "__main__":
    main()
