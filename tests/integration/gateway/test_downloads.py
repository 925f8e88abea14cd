"""A file of analytics on its way through the gateway: whole, or known to be broken off."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from contracts.analytics import DropExport, ExportDropped, FileFormat, StartExport, Statistics
from services.analytics.exports import spool
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.figures import downloads
from tests.integration.gateway.office import office

pytestmark = pytest.mark.anyio


async def test_a_file_comes_in_parts_and_one_that_breaks_off_is_never_taken_for_whole(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_PART_BYTES", 10)
    question = Statistics(measures=["leases"], dimensions=["session", "day"], since="2025-12-01")
    command = StartExport(question=question, format=FileFormat.NDJSON)
    async with office(nats_client, nats_url, tmp_path) as front:
        whole = await downloads.start_download(front.doors, command)
        parts = [part async for part in whole.stream_parts()]
        broken = await downloads.start_download(front.doors, command)
        coming = broken.stream_parts()
        first = await anext(coming)
        drop = DropExport(export_id=broken.export_id)
        await front.doors.ask_export(ExportDropped, drop)

        with pytest.raises(GatewayError, match="dropped or forgotten"):
            await anext(coming)

    assert first == parts[0]
    assert len(parts) > 2
    assert sum(map(len, parts)) == whole.size
    assert len(b"".join(parts).splitlines()) == whole.row_count
