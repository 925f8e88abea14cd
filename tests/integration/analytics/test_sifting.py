"""A batch that DuckDB refuses: what it does not take is set aside by name, all else goes on."""

from pathlib import Path

import pytest
from nats.aio.client import Client

from services.analytics.copies import Copy
from services.analytics.domain.fold import RowFold
from services.analytics.domain.leases import Leases
from services.analytics.folding import fold_batch
from services.analytics.sifting import sift_batch
from services.analytics.store import Database, LedgerWriter, RowsRefusedError, StoreError
from tests.integration.analytics.parts import MEMORY, publish, running
from tests.unit.analytics.builders import Story, refused, requested, session, used
from tests.waiting import until

pytestmark = pytest.mark.anyio
_NARROW = "alter table ledger.refusals alter column count type tinyint"
"""So that DuckDB itself refuses what nothing before it does."""


def story() -> Story:
    """Three refusals of which the narrow column takes one, between leases."""
    told = Story().tell(session()).lease("a", used("a"))
    told.tell(requested("x"), refused("x", count=1000), requested("y"), refused("y", count=2))
    told.lease("b", used("b")).tell(refused("z", count=2000))
    return told


ASIDE = "select event_id, reason from anomalies where kind = 'set_aside' order by event_id"


async def test_refused_rows_are_set_aside_and_the_projection_goes_on(
    nats_client: Client, tmp_path: Path
) -> None:
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.freshness.unready_reason() is None)
        parts.database.cursor().execute(_NARROW)
        log = story()
        await publish(nats_client, log)
        await until(lambda: parts.projector.checkpoint == len(log.stored))
        aside = parts.ask(ASIDE)
        kept = parts.ask("select request_id from refusals")
        leases = parts.ask("select lease_id, outcome from leases order by 1")
        before = len(log.stored)
        await publish(nats_client, log.lease("late", used("late")), after=before)
        await until(lambda: parts.projector.checkpoint == len(log.stored))
        rollups = parts.ask("select sum(granted), sum(settled) from usage_by_day")
        ready = parts.projector.freshness.unready_reason()

    assert [event for event, _ in aside.rows] == ["4.1", "7.0"]
    assert all(str(why).startswith("lease_refused: ") for _, why in aside.rows)
    assert kept.rows == [["y"]]
    assert leases.rows == [["a.1", "settled"], ["b.1", "settled"]]
    assert rollups.rows == [[3, 3]]
    assert ready is None
    assert parts.metrics.set_aside._value.get() == 2


async def test_what_a_fold_does_not_take_is_set_aside_too(
    nats_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(self: Leases, *_: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    log = story()
    await publish(nats_client, log)
    with monkeypatch.context() as patched:
        patched.setattr(Leases, "on_usage_recorded", strange)
        async with running(nats_client, tmp_path / "a.duckdb") as parts:
            await until(lambda: parts.projector.checkpoint == len(log.stored))
            aside = parts.ask(ASIDE)
            opened = parts.ask("select count(*) from leases where outcome = 'open'")

    assert [event for event, _ in aside.rows] == ["3.0", "6.0"]
    assert "nobody foresaw this" in str(aside.rows[0][1])
    assert opened.rows == [[2]]


async def test_a_copy_for_a_backup_goes_on_likewise(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy.duckdb", MEMORY, stream_created="a stream", first_sequence=1)
    copy._database.cursor().execute(_NARROW)
    log = story()
    for stored in log.stored:
        await copy.hear_envelope(stored)
    await copy.write_rest()
    await copy.close()
    database = Database(tmp_path / "copy.duckdb", MEMORY)
    found = database.cursor().execute(ASIDE).fetchall()
    database.close()

    assert (copy.failed, copy.missing) == (None, None)
    assert [event for event, _ in found] == ["4.1", "7.0"]


def test_a_file_that_takes_nothing_is_not_sifted(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.duckdb", MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    database.cursor().execute("alter table ledger.refusals rename to elsewhere")
    log = story().stored
    try:
        with pytest.raises(StoreError, match="refusals") as caught:
            ledger.write_batch(fold_batch(RowFold(), log, lambda *_: None))
        with pytest.raises(StoreError, match="refusals"):
            sift_batch(ledger, 0, log)
    finally:
        database.close()

    assert not isinstance(caught.value, RowsRefusedError)
