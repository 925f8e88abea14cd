"""The query `explain`: what the projections know of one request, and how the verb tells it."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from contracts.base import RequestId, ServerId, SessionId
from contracts.pool import Candidate, Outcome, QuotaObserved, SessionCooled, Verdict
from services.analytics.store import Readers
from tests.integration.analytics.parts import named, stored
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    cancelled,
    expired,
    granted,
    policy,
    reconciled,
    refused,
    requested,
    server,
    session,
    used,
)
from tidegate.ledger.explain import told

CANDIDATES = [
    Candidate(server_id=ServerId("server-1"), score=0.5),
    Candidate(server_id=ServerId("server-2"), refused="it cannot do image"),
]


def story() -> Story:
    """Requests of every fate, a commit each."""
    cooled = SessionCooled(
        session_id=SessionId("s1"), until=NOON, reason="rate_limited", request_id=RequestId("moved")
    )
    observed = QuotaObserved(
        session_id=SessionId("s2"),
        service_type="image",
        quota_day="2026-01-01",
        request_id=RequestId("moved"),
    )
    tries = [
        attempt(verdict=Verdict.UNREACHABLE, failure="connect", sent=False, candidates=CANDIDATES),
        attempt("server-2", strategy="round_robin"),
    ]
    limited = [attempt(verdict=Verdict.RATE_LIMITED, status=429)]
    return (
        Story()
        .tell(policy(), session("s1"), session("s2"), server("server-1"))
        .tell(requested("plain", client_request_id="shared"), granted("plain"))
        .tell(used("plain", attempts=tries))
        .tell(requested("moved", client_request_id="shared"), granted("moved"))
        .tell(
            used("moved", outcome=Outcome.RELEASED, attempts=limited, units=0),
            cooled,
            observed,
            requested("moved", 2),
            granted("moved", 2, session_id="s2"),
        )
        .tell(cancelled("moved", 2, session_id="s2"))
        .tell(requested("none"), refused("none"))
        .tell(refused("many", count=120))
        .tell(requested("held"))
        .tell(requested("silent"), granted("silent"))
        .tell(expired("silent"))
        .tell(reconciled("silent", units=0))
        .tell(requested("open"), granted("open"))
    )


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("explain") / "a.duckdb", story()) as opened:
        yield opened


def explained(readers: Readers, request_id: str, **parameters: Any) -> list[dict[str, Any]]:
    return named(readers, "explain", request_id=request_id, **parameters)


def lines(readers: Readers, request_id: str) -> str:
    """What the verb prints, candidates read as the endpoint does."""
    (row,) = explained(readers, request_id)
    whole = {name: value or [] for name, value in row.items()}
    for tried in whole["attempts"]:
        tried["candidates"] = msgspec.json.decode(tried["candidates"])
    return "\n".join(told(whole))


def test_a_request_is_told_with_its_candidates_and_why_each_was_refused(readers: Readers) -> None:
    text = lines(readers, "plain")

    assert "its client calls it shared" in text
    assert "attempt 1 at server-1" in text
    assert "unreachable" in text
    assert "(connect); nothing was sent" in text
    assert "server-1: score 0.5" in text
    assert "server-2: refused, it cannot do image" in text
    assert "attempt 2 at server-2 (round_robin): success" in text
    assert "settled: 1 used" in text


def test_a_request_that_moved_to_another_session_has_both_leases_and_what_it_did(
    readers: Readers,
) -> None:
    (row,) = explained(readers, "moved")
    text = lines(readers, "moved")

    assert [one["number"] for one in row["asked"]] == [1, 2]
    assert [one["outcome"] for one in row["leases"]] == ["released", "cancelled"]
    assert [one["event"] for one in row["consequences"]] == ["session_cooled", "quota_observed"]
    assert "session_cooled s1: rate_limited" in text
    assert text.count("1 given back") == 2
    assert text.index("released: 1 given back") < text.index("granted: session s2")


def test_the_id_that_a_client_gave_names_every_request_that_has_it(readers: Readers) -> None:
    found = [row["request_id"] for row in explained(readers, "shared")]

    assert found == ["moved", "plain"]
    assert [row["request_id"] for row in explained(readers, "shared", limit=1)] == ["moved"]


def test_a_refusal_is_told_with_its_reason(readers: Readers) -> None:
    text = lines(readers, "none")

    assert "refused: pool_quota_exhausted" in text
    assert "it stands for" not in text


def test_a_refusal_that_stands_for_others_says_so(readers: Readers) -> None:
    assert "it stands for 120 equal refusals of that second" in lines(readers, "many")


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
    assert expected in lines(readers, request_id)


def test_an_unknown_id_is_no_request(readers: Readers) -> None:
    assert explained(readers, "nobody") == []
