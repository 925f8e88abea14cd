"""What `make failing` takes for a break of the bound."""

import pytest

from tests.failing.figures import Cell, Course, Figures, bound_breaks
from tests.failing.ways import Way
from tests.moments import NOON

COURSE = Course("one", NOON, NOON, concurrency=16, consecutive_failures=5)


def breaks_of(way: Way, lost: int) -> list[str]:
    """Of a server among four that stayed in, and lost so many units."""
    stayed = Figures(
        calls=7,
        before=lost,
        until_out=0,
        after=0,
        calls_until_out=None,
        out_s=None,
        back_s=1.0,
        periods=0,
        resets=0,
        expired=0,
        reason="",
    )
    return [*bound_breaks(Cell(way, "least_response_time", 4), COURSE, stayed)]


@pytest.mark.parametrize(
    ("way", "lost", "broken"),
    [
        (Way.STATUS_500, 4, False),
        (Way.STATUS_500, 5, True),
        (Way.KILLED, 4, True),
        (Way.STATUS_401, 0, True),
        (Way.SLOW, 0, False),
    ],
)
def test_a_server_may_stay_that_is_left_alone_before_so_many_units_are_lost_as_eject(
    way: Way,
    lost: int,
    broken: bool,  # noqa: FBT001
) -> None:
    assert breaks_of(way, lost) == (["never ejected, in 7 calls"] if broken else [])
