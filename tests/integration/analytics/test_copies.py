"""A copy of the projections, made by whoever reads the log anyway."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.pool import Outcome
from runtime.eventlog import Stored
from services.analytics.copies import Copy, ReturnedCopy
from services.analytics.store import Database, QuestionError, Readers
from tests.integration.analytics.parts import MEMORY, history
from tests.integration.analytics.parts import stored as projected
from tests.moments import NOON
from tests.unit.analytics.builders import Story, policy, session, used

pytestmark = pytest.mark.anyio
STANDS = "select sequence, envelopes, events from progress"
TOTALS = "from usage_by_day order by all"
LEASES = "from leases order by lease_id"


async def copy_of(file: Path, log: list[Stored], first: int = 1) -> Copy:
    copy = Copy(file, MEMORY, stream_created="then", first_sequence=first)
    try:
        for stored in log:
            await copy.hear_envelope(stored)
        await copy.write_rest()
    finally:
        await copy.close()
    return copy


def query_copy(file: Path, query: str) -> list[list[Any]]:
    database = Database(file, MEMORY)
    found = Readers(database, lambda: NOON, 20.0).ask_rows(query, 10_000)
    database.close()
    return found.rows


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def long_story() -> Story:
    """More envelopes than one batch takes; a lease's end comes after those of many others."""
    story = Story().tell(policy(), session())
    for number in range(2_500):
        story.lease(f"r{number}")
    for number in range(2_500):
        story.tell(used(f"r{number}", Outcome.UNKNOWN if number % 3 else Outcome.SETTLED))
    return story


@pytest.mark.parametrize("story", [history(), long_story(), Story()], ids=["short", "long", "none"])
async def test_a_copy_is_what_the_projector_would_have_made(story: Story, tmp_path: Path) -> None:
    file, straight = tmp_path / "copy.duckdb", tmp_path / "straight.duckdb"

    copy = await copy_of(file, story.stored)

    with projected(straight, story):
        pass

    assert (copy.missing, copy.failed) == (None, None)
    assert query_copy(file, STANDS) == query_copy(straight, STANDS)
    assert query_copy(file, TOTALS) == query_copy(straight, TOTALS)
    assert query_copy(file, LEASES) == query_copy(straight, LEASES)


async def test_a_copy_is_one_file(tmp_path: Path) -> None:
    await copy_of(tmp_path / "copy.duckdb", long_story().stored)

    assert file_names(tmp_path) == ["copy.duckdb"]


async def test_a_hole_in_the_log_ends_a_copy_and_is_named(tmp_path: Path) -> None:
    log = long_story().stored
    hole = [*log[:4_500], *log[4_502:]]

    copy = await copy_of(tmp_path / "copy.duckdb", hole)

    assert "log sequences 4501 to 4502 are missing" in (copy.missing or "")


async def test_a_log_without_its_beginning_makes_no_copy(tmp_path: Path) -> None:
    copy = await copy_of(tmp_path / "copy.duckdb", [], first=7)

    assert "log sequences 1 to 6 are missing" in (copy.missing or "")


async def test_what_is_no_envelope_is_counted_and_passed_over(tmp_path: Path) -> None:
    log = history().stored
    log[3] = msgspec.structs.replace(log[3], body=b'{"writer":"\xff"}')

    copy = await copy_of(tmp_path / "copy.duckdb", log)

    assert (copy.missing, copy.failed) == (None, None)
    assert query_copy(tmp_path / "copy.duckdb", STANDS)[0][0] == len(log)
    assert query_copy(tmp_path / "copy.duckdb", "select tag, events from unknown_tags") == [
        ["(unreadable envelope)", 1]
    ]


async def test_a_returned_copy_keeps_its_rows_and_has_another_life(tmp_path: Path) -> None:
    file = tmp_path / "copy.duckdb"
    await copy_of(file, history().stored)
    before = query_copy(file, TOTALS)

    returned = ReturnedCopy(file, MEMORY)
    sequence = returned.sequence
    returned.bind_stream("now")
    returned.close()

    assert sequence == len(history().stored)
    assert query_copy(file, TOTALS) == before
    assert query_copy(file, "select stream_created from progress") == [["now"]]
    assert file_names(tmp_path) == [file.name]


async def test_a_returned_copy_answers_named_queries_and_no_others(tmp_path: Path) -> None:
    await copy_of(tmp_path / "copy.duckdb", history().stored)
    returned = ReturnedCopy(tmp_path / "copy.duckdb", MEMORY)
    try:
        found = await returned.ask_query("audit_totals", limit=1)
        with pytest.raises(QuestionError, match="there is no query 'nothing'"):
            await returned.ask_query("nothing")
    finally:
        returned.close()

    assert (len(found.rows), found.sequence) == (1, len(history().stored))


async def test_a_file_that_nothing_was_projected_into_stands_nowhere(tmp_path: Path) -> None:
    Database(tmp_path / "copy.duckdb", MEMORY).close()
    returned = ReturnedCopy(tmp_path / "copy.duckdb", MEMORY)
    sequence = returned.sequence
    returned.close()

    assert sequence == -1
