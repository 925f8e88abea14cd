"""Any event that a log may hold is projected or set aside, and what there is can be asked."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts import envelope
from contracts.analytics import Document, ReportFormat, ReportPeriod, Statistics, WriteReport
from contracts.base import ServiceType, SessionId, WriterId
from contracts.pool import SessionAdded
from runtime.eventlog import Stored
from services.analytics import sql
from services.analytics.domain.fold import RowFold
from services.analytics.domain.questions.measures import MEASURES
from services.analytics.folding import fold_batch
from services.analytics.queries import Catalogue, StoreQuestion
from services.analytics.reports import Reporter
from services.analytics.store import Database, LedgerWriter, QuestionError, Readers
from tests.anyevent import ANY_EVENT, ANY_MOMENT
from tests.integration.analytics.parts import MEMORY, named
from tests.moments import NOON
from tests.unit.analytics.builders import calls_refused

pytestmark = pytest.mark.slow

IMAGE = ServiceType("image")
_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Projected:
    """A file that every example goes on writing."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, MEMORY)
        self.ledger = LedgerWriter(self.database)
        self.ledger.begin_anew("a stream")
        self.readers = Readers(self.database, lambda: NOON, 5.0)
        self.sequence = 0
        self.told = 0

    def take(self, events: list[Any], at: datetime) -> int:
        """Write events as one envelope; how many of them were set aside."""
        body = envelope.seal_events(
            envelope.Link(number=self.sequence), WriterId("w"), 1, at, events
        )
        fold = RowFold(self.ledger.read_remembered(), self.sequence)
        self.sequence += 1
        stored = Stored(self.sequence, NOON, "evt.pool.0", body)
        batch = fold_batch(fold, [stored], lambda *_: None)
        self.ledger.write_batch(batch)
        return batch.set_aside


@pytest.fixture
def projected(tmp_path: Path) -> Iterator[Projected]:
    made = Projected(tmp_path / "a.duckdb")
    yield made
    made.database.close()


@_SETTINGS
@given(events=st.lists(ANY_EVENT, min_size=1, max_size=12), at=st.just(NOON) | ANY_MOMENT)
def test_any_event_is_projected_or_set_aside(
    projected: Projected, events: list[Any], at: datetime
) -> None:
    aside = projected.take(events, at)

    known = projected.readers.ask_rows("select count(*) from anomalies where kind = 'set_aside'", 1)
    projected.told += aside

    assert known.rows == [[projected.told]]


@pytest.mark.timeout(400)
@settings(_SETTINGS, max_examples=6, phases=[Phase.generate])
@given(events=st.lists(ANY_EVENT, min_size=40, max_size=60))
def test_whatever_was_projected_can_be_asked(projected: Projected, events: list[Any]) -> None:
    projected.take(events, NOON)

    assert unanswered(projected.readers) == {}


def unanswered(readers: Readers) -> dict[str, str]:
    """Views and named queries that fail, and why."""
    said: dict[str, Any] = {"since": "2025-12-01", "until": "2026-02-01", "date": "2026-01-01"}
    said |= {"start": "2025-12-01", "end": "2026-02-01", "session_id": "a", "request_id": "a"}
    said["at"] = "2026-01-01T12:00:00"
    failed = {}
    for view in sql.sources_of("views"):
        try:
            readers.ask_rows(f"from {view.name}", 100_000)
        except QuestionError as error:
            failed[view.name] = str(error)
    for source in [*sql.sources_of("queries"), *sql.sources_of("reports")]:
        given_here = {name: said[name] for name in said.keys() & source.parameters.keys()}
        try:
            named(readers, source.name, **given_here)
        except QuestionError as error:
            failed[source.name] = str(error)
    for form in ReportFormat:
        wanted = WriteReport(period=ReportPeriod.WEEKLY, day="2026-01-02", format=form)
        written = Reporter(readers, Catalogue()).write_report(wanted)
        if not isinstance(written, Document) or "Not answered" in written.text:
            failed[form] = str(written)
    for measure in MEASURES:
        asked = Statistics(measures=[measure], since="2025-12-01", until="2026-02-01")
        question = Catalogue().as_question(asked)
        assert isinstance(question, StoreQuestion)
        try:
            readers.ask_rows(question.sql, 10, question.parameters)
        except QuestionError as error:
            failed[measure] = str(error)
    return failed


def test_rollups_are_the_sums_of_rows_of_the_greatest_units(projected: Projected) -> None:
    """Three leases of 2**63 - 1 units each: their sum does not fit 64 bits, and must be right."""
    greatest = 2**63 - 1
    asked = {"service_type": "image", "request_id": "r", "session_id": "s"}
    for number in (1, 2, 3):
        lease = {**asked, "lease_id": f"r.{number}"}
        events = [
            {
                **lease,
                "type": "lease_granted",
                "number": number,
                "quota_day": "2026-01-01",
                "units": greatest,
                "send_by": NOON,
                "expires_at": NOON,
            },
            {
                **lease,
                "type": "usage_recorded",
                "outcome": "settled",
                "verdict": "success",
                "units": greatest,
                "attempts": [{"server_id": "x", "verdict": "success", "upstream_code": 10**30}],
            },
        ]
        assert projected.take([msgspec.Raw(msgspec.json.encode(one)) for one in events], NOON) == 0
    rich = SessionAdded(session_id=SessionId("s"), origin="file", limits={IMAGE: 2**62})
    refused = [calls_refused(count=greatest, code=code) for code in ("one", "two")]
    assert projected.take([rich, *refused], NOON) == 0

    assert named(projected.readers, "audit_rollups") == []
    assert unanswered(projected.readers) == {}
    found = projected.readers.ask_rows("select calls from ledger.days where day = '2026-01-01'", 9)
    assert int(str(found.rows[0][0])) > greatest
    (total,) = named(projected.readers, "audit_totals")
    assert int(str(total["used"])) == 3 * greatest
    assert projected.readers.ask_rows("select distinct upstream_code from attempts", 9).rows == [
        [None]
    ]
