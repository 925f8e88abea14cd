"""What several modules of backups, and of the verbs over a log, begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.base import LeaderElected
from contracts.subjects import evt_pool
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from tests.e2e.stack import Stack
from tests.integration.tidegate.backup_parts import source_of, take_backup
from tests.integration.tidegate.written import Written
from tests.unit.pool.builders import LEADER, policy_changed, session_added


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A home with a log and credentials to back up."""
    with source_of(tmp_path_factory.mktemp("source") / "home") as stack:
        yield stack


@pytest.fixture(scope="module")
def backup(source: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    return take_backup(source, tmp_path_factory.mktemp("backup") / "taken")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    """A home that has nothing yet."""
    stack = Stack(tmp_path / "home")
    yield stack
    stack.close()


@pytest.fixture
async def written(nats_client: Client, nats_url: str, tmp_path: Path) -> Written:
    """A pool's log as its leader would have begun it."""
    writer = SubjectWriter(EventLog(nats_client), evt_pool(), LEADER)
    writer.epoch = 1
    made = Written(nats_client, nats_url.replace("://", "://auditor:pw@"), tmp_path, writer)
    await made.write([LeaderElected(writer=LEADER, epoch=1)])
    await made.write([policy_changed(), session_added("one")])
    return made
