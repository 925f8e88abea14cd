"""Stacks for end-to-end tests: one shared by gentle tests, and fresh ones for rough tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two demo servers, one gateway, many sessions; shared by a module's tests."""
    made = Stack(
        tmp_path_factory.mktemp("stack"),
        TIDEGATE_POOL_MIN_SIZE="50",
        # What is used up stays so: it does not grow.
        TIDEGATE_POOL_MAX_SIZE="50",
    )
    try:
        made.configure(made.servers_toml("one", "two"))
        yield made.start_all("one", "two")
    finally:
        made.close()


@pytest.fixture
def new_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make a stack of this test's own, ended with it."""
    made: list[Stack] = []

    def make(**settings: str) -> Stack:
        made.append(Stack(tmp_path / f"home-{len(made)}", **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
