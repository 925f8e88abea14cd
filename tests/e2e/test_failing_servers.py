"""A server that fails while others call it: what it may cost, counted in the log.

`make failing` tries every way to fail under every strategy; here are the few that differ most.
"""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from services.balancer.strategies import DEFAULT
from tests.e2e.stack import Stack
from tests.failing.figures import Cell
from tests.failing.log import hear_log
from tests.failing.trial import (
    CONCURRENCY,
    CONSECUTIVE_FAILURES,
    Tried,
    audit_complaint,
    make_stack,
    start_stack,
    try_cell,
)
from tests.failing.ways import Way

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = make_stack(tmp_path_factory.mktemp("failing") / "home")
    try:
        start_stack(made)
        yield made
        assert audit_complaint(made) == ""
    finally:
        made.close()


def tried(stack: Stack, cell: Cell, number: int, *, restarted: str = "") -> Tried:
    """Try one cell; one process may be killed, and started again, once the server is out."""

    def restart() -> None:
        if restarted:
            stack.kill(restarted, signal.SIGKILL)
            stack.start(restarted, restarted)
            stack.ready(restarted)

    async def run() -> Tried:
        async with hear_log(stack) as log:
            return await try_cell(stack, log, cell, number, amid=restart)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("number", "way", "servers"),
    [
        (2, Way.STATUS_500, 4),
        (3, Way.KILLED, 4),
        (4, Way.HUNG, 4),
    ],
)
def test_server_that_fails_every_call_costs_no_more_than_the_bound(
    stack: Stack, number: int, way: Way, servers: int
) -> None:
    one = tried(stack, Cell(way, DEFAULT, servers), number)

    assert one.breaks == []
    assert one.figures.lost <= CONCURRENCY + CONSECUTIVE_FAILURES + one.figures.periods


def test_calls_to_a_server_that_is_out_alone_are_refused_and_cost_nothing(stack: Stack) -> None:
    one = tried(stack, Cell(Way.STATUS_500, DEFAULT, 1), 1)

    assert one.breaks == []
    assert one.answers["503 no_backend"] > 0
    assert one.answers["502 upstream_outcome_unknown"] == one.figures.lost


def test_balancer_that_starts_anew_amid_an_ejection_lets_no_more_calls_through(
    stack: Stack,
) -> None:
    one = tried(stack, Cell(Way.STATUS_500, DEFAULT, 1), 6, restarted="balancer")

    assert one.breaks == []
    assert one.figures.periods > 0
