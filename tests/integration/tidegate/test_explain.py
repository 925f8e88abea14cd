"""How `tidegate explain` tells one request's story, from what the projections know of it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from services.analytics.store import Readers
from tests.integration.analytics.fates import explained, story
from tests.integration.analytics.parts import stored
from tests.unit.analytics.builders import Story, cancelled
from tidegate.ledger.explain import story_lines


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("explain") / "a.duckdb", story()) as opened:
        yield opened


def printed(readers: Readers, request_id: str) -> str:
    """What the verb prints, candidates read as the endpoint does."""
    (row,) = explained(readers, request_id)
    whole = {name: value or [] for name, value in row.items()}
    for tried in whole["attempts"]:
        tried["candidates"] = msgspec.json.decode(tried["candidates"])
    return "\n".join(story_lines(whole))


def test_a_request_is_told_with_its_candidates_and_why_each_was_refused(readers: Readers) -> None:
    text = printed(readers, "plain")

    assert "its client calls it shared" in text
    assert "attempt 1 at server-1" in text
    assert "unreachable" in text
    assert "(connect); nothing was sent" in text
    assert "server-1: score 0.5" in text
    assert "server-2: refused, it cannot do image" in text
    assert "attempt 2 at server-2 (round_robin): success" in text
    assert "\n    client in japan: asia-east (2,880 km)\n" in text
    assert "settled: 1 used" in text


def test_a_request_that_moved_to_another_session_is_told_with_both_leases_and_what_it_did(
    readers: Readers,
) -> None:
    text = printed(readers, "moved")

    assert "session_cooled s1 (account 7): rate_limited" in text
    assert "granted: session s1 (account 7), 1 of image" in text
    assert text.count("1 given back") == 2
    assert text.index("released: 1 given back") < text.index("granted: session s2")


def test_a_request_that_waited_says_for_how_long() -> None:
    row = {"number": 1, "service_type": "image", "units": 1, "asked_at": "2026-01-01T12:00:00Z"}
    empty = {"leases": [], "refusals": [], "attempts": [], "consequences": []}
    asked = [{**row, "ts": "2026-01-01T12:00:12.5Z"}]

    waited = [*story_lines({"request_id": "r", "asked": asked, **empty})]
    at_once = [*story_lines({"request_id": "r", "asked": [row | {"ts": row["asked_at"]}], **empty})]

    assert "  it waited 12.5 s for a session" in waited
    assert "waited" not in "\n".join(at_once)


def test_a_refusal_is_told_with_its_reason(readers: Readers) -> None:
    text = printed(readers, "none")

    assert "refused: pool_quota_exhausted" in text
    assert "it stands for" not in text


def test_a_refusal_that_stands_for_others_says_so(readers: Readers) -> None:
    assert "it stands for 120 equal refusals of that second" in printed(readers, "many")


@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        ("held", "no decision is in the log"),
        ("open", "it is open; without a word it expires at"),
        ("silent", "expired: 1 held (sequence"),
        ("silent", "corrected by reconciled: 1 given back"),
    ],
)
def test_what_is_not_at_its_end_or_was_corrected_is_told(
    readers: Readers, request_id: str, expected: str
) -> None:
    assert expected in printed(readers, request_id)


def test_an_outage_is_told_as_a_failure_by_its_name(tmp_path: Path) -> None:
    end = cancelled(
        "out",
        reason="not_sent",
        status=503,
        error_code="no_backend",
        error_message="no server can do image: all are down",
    )
    with stored(tmp_path / "a.duckdb", Story().lease("out", end)) as readers:
        text = printed(readers, "out")

    assert "failed, no_backend; never sent: 1 given back" in text
    assert "error_message no server can do image: all are down" in text
    assert "the client was answered 503" in text
    assert "cancelled" not in text


def test_a_reconciliations_reason_stands_on_its_own_line(readers: Readers) -> None:
    told = printed(readers, "silent").splitlines()

    (corrected,) = [line for line in told if "corrected by" in line]
    assert corrected.endswith("corrected by reconciled: 1 given back (seen (op))")
    assert "seen (op)" not in "".join(line for line in told if line != corrected)
