"""What an operator is told of those who wait for a session, where they are many."""

import pytest

from contracts.pool import PoolStatusReply
from services.gateway.domain.attention import session_findings
from tests.unit.pool.builders import NOON


def codes_of(waiting: int, queue_max: int) -> list[str]:
    """Codes of what is found wrong where so many wait of so many that may."""
    reply = PoolStatusReply(
        sequence=9,
        epoch=1,
        now=NOON,
        sessions_total=1,
        sessions_active=1,
        min_size=1,
        max_size=1,
        open_leases=2,
        remaining={},
        waiting=waiting,
        queue_max=queue_max,
    )
    return [finding.code for finding in session_findings(reply) if finding.code]


@pytest.mark.parametrize(
    ("waiting", "queue_max", "codes"),
    [
        (0, 10, []),
        (8, 10, []),
        (9, 10, ["queue_full"]),
        # An earlier version does not say how many may.
        (9, 0, []),
    ],
)
def test_a_queue_that_is_nearly_full_is_found(
    waiting: int, queue_max: int, codes: list[str]
) -> None:
    found = codes_of(waiting, queue_max)

    assert found == codes
