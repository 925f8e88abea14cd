"""What several modules of backups begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.integration.tidegate.backup_parts import source_of, taken


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A home with a log and credentials to back up."""
    with source_of(tmp_path_factory.mktemp("source") / "home") as stack:
        yield stack


@pytest.fixture(scope="module")
def backup(source: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    return taken(source, tmp_path_factory.mktemp("backup") / "taken")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    """A home that has nothing yet."""
    stack = Stack(tmp_path / "home")
    yield stack
    stack.close()
