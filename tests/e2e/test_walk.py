"""The recorded walk of a first day, walked again: what is fixed in it is what is shown today."""

from difflib import ndiff

import pytest

from tests.walk.day import begun_day
from tests.walk.page import PAGE, Block, page_parts
from tests.walk.volatile import what_is_fixed

pytestmark = pytest.mark.timeout(600)
_LONGER_THAN_A_LINE = ('{"created":', '{"error":')
"""What curl prints: nothing else may need folding."""


def test_every_command_of_the_walk_shows_what_the_page_says() -> None:
    """All of them in their order, so that whatever differs is seen at once."""
    differing, too_long = [], []
    with begun_day() as day:
        for part in page_parts(PAGE.read_text()):
            for step, shown in day.run_block(part) if isinstance(part, Block) else ():
                differing += [
                    f"{step.command}: {word}"
                    for word in ndiff(what_is_fixed(step.shown), what_is_fixed(shown.lines))
                    if not word.startswith(" ")
                ]
                too_long += [
                    line for line in shown.too_long if not line.startswith(_LONGER_THAN_A_LINE)
                ]

    assert differing == [], "python -m tests.walk records it anew"
    assert too_long == []
