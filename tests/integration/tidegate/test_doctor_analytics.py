"""What `tidegate doctor` says of analytics: its file, its figures, and why they stand still."""

import shutil
import threading
from pathlib import Path

import pytest
from nats.aio.client import Client

from runtime.clock import system_clock
from runtime.process.findings import DoctorFinding
from services.analytics.domain.fold import RowBatch
from services.analytics.sql import sources
from services.analytics.store import LedgerWriter, StoreError
from tests.integration.analytics.parts import publish
from tests.integration.analytics.served import caught_up, service
from tests.unit.analytics.builders import Story, requested, session, used
from tidegate.doctor import services

pytestmark = pytest.mark.anyio
STORY = Story().tell(session(), requested("r", units=2**63)).lease("a", used("a"))


async def analytics_findings(client: Client) -> dict[str, DoctorFinding]:
    """What it finds of analytics, by code; by its state where nothing is wrong."""
    findings = await services.service_findings(client, system_clock, made_up=False)
    return {one.code or one.state: one for one in findings if one.area == "analytics"}


async def test_events_without_a_row_are_a_note_with_their_places(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    await publish(nats_client, STORY)
    async with service(tmp_path, nats_url):
        await caught_up(nats_client, len(STORY.stored))
        told = await analytics_findings(nats_client)

    assert told["events_set_aside"].state == "note"
    assert told["events_set_aside"].message == "no row holds 1 event or envelope: 1.1"


async def test_file_that_is_not_as_it_must_be_is_named(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "spoiled"
    shutil.copytree(Path(sources.__file__).parent, folder)
    (folder / "queries" / "daily.sql").write_text("select 1")
    monkeypatch.setattr(sources, "_HERE", folder)

    async with service(tmp_path, nats_url):
        await caught_up(nats_client, 0)
        told = await analytics_findings(nats_client)

    assert told["analytics_sql"].message.startswith("daily.sql: expected the first line")
    assert "analytics_schema" not in told


async def test_why_statistics_stand_still_is_told(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_CATCH_UP_S", 1.5)

    def full(*_: object, **__: object) -> int:
        raise StoreError("no space left")

    async with service(tmp_path, nats_url):
        await caught_up(nats_client, 0)
        monkeypatch.setattr(LedgerWriter, "write_batch", full)
        await publish(nats_client, STORY)
        told = await analytics_findings(nats_client)

    assert told["analytics_behind"].message.endswith(
        f"{len(STORY.stored)} envelopes behind: the store cannot be written: no space left"
    )


async def test_figures_made_anew_are_no_file_that_lacks_everything(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_CATCH_UP_S", 0.5)
    written, go_on = LedgerWriter.write_batch, threading.Event()

    def held(ledger: LedgerWriter, batch: RowBatch) -> int:
        go_on.wait(30)
        return written(ledger, batch)

    monkeypatch.setattr(LedgerWriter, "write_batch", held)
    await publish(nats_client, STORY)
    async with service(tmp_path, nats_url):
        try:
            told = await analytics_findings(nats_client)
            while "analytics_absent" in told:
                told = await analytics_findings(nats_client)
        finally:
            go_on.set()

    assert "the figures are being made anew: at log sequence 0" in told["not checked here"].message
    assert "analytics_schema" not in told
    assert "analytics_behind" in told
