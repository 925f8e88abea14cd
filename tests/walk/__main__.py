"""Record the page anew: `python -m tests.walk` runs its commands and writes what they show now.

Of a step in which only times, figures and the like are others, the page keeps what it has.
"""

import sys

from tests.walk.day import begun_day
from tests.walk.page import PAGE, Block, page_parts, page_text
from tests.walk.volatile import what_is_fixed


def main() -> None:
    """Write docs/walk.md anew."""
    parts = page_parts(PAGE.read_text())
    with begun_day() as day:
        for part in parts:
            if not isinstance(part, Block):
                continue
            for step, shown in day.run_block(part):
                if what_is_fixed(step.shown) != what_is_fixed(shown.lines):
                    step.shown[:] = shown.lines
                    sys.stdout.write(f"anew: {step.command or part.terminal}\n")
    PAGE.write_text(page_text(parts))


if __name__ == "__main__":
    main()
