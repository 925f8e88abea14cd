"""Named queries: every file has its header, parameters are checked and typed."""

from datetime import date
from pathlib import Path

import pytest

from contracts.analytics import NamedQuery
from contracts.base import Failed
from services.analytics import sql
from services.analytics.queries import Catalogue, StoreQuestion

OPERATOR = {"session_stats", "session_total", "day_stats", "daily", "summary", "usage_by_day"}


def question_of(name: str, **parameters: object) -> StoreQuestion | Failed:
    return Catalogue().as_question(NamedQuery(name=name, parameters=parameters))


def query_refusal(name: str, **parameters: object) -> str:
    answer = question_of(name, **parameters)
    assert isinstance(answer, Failed)
    assert answer.code == "bad_request"
    return answer.message


def test_queries_of_the_operator_endpoints_exist() -> None:
    assert Catalogue().sources.keys() >= OPERATOR | {"audit_totals", "audit_leases"}


@pytest.mark.parametrize("kind", ["schema", "rollups", "views", "queries"])
def test_every_file_says_what_it_is(kind: str) -> None:
    sources = sql.sources_of(kind)

    assert sources
    assert all(source.meaning.endswith((".", ":")) or source.meaning for source in sources)


def test_unknown_query_is_refused_with_those_that_exist() -> None:
    message = query_refusal("nonsense")

    assert "'nonsense'" in message
    assert "session_stats" in message


def test_unknown_parameter_is_refused_with_those_that_exist() -> None:
    message = query_refusal("session_stats", session="s1")

    assert "'session'" in message
    assert "days, session_id" in message


def test_query_without_parameters_says_so() -> None:
    assert "there are: none" in query_refusal("audit_leases", what=1)


def test_missing_parameter_is_refused_with_its_meaning() -> None:
    assert "needs session_id: whose." in query_refusal("session_stats")


def test_parameters_are_typed_and_defaulted() -> None:
    asked = question_of("session_stats", session_id="s1")
    dated = question_of("day_stats", date="2026-01-01")

    assert isinstance(asked, StoreQuestion)
    assert asked.parameters == {"session_id": "s1", "days": 7}
    assert isinstance(dated, StoreQuestion)
    assert dated.parameters == {"date": date(2026, 1, 1)}


def test_days_too_far_apart_are_refused() -> None:
    century = question_of("report_trend", since="2000-01-01", until="2100-01-01")
    message = query_refusal("report_trend", since="0001-01-01", until="9999-12-31")

    assert isinstance(century, StoreQuestion)
    assert message == (
        "report_trend: expected days at most 36600 apart, got 0001-01-01 and 9999-12-31"
    )


def test_number_may_come_as_text() -> None:
    asked = question_of("session_stats", session_id="s1", days="30")

    assert isinstance(asked, StoreQuestion)
    assert asked.parameters["days"] == 30


@pytest.mark.parametrize("days", [-1, "x", 1.5, True, 10**9, "²"])
def test_wrong_number_is_refused_with_what_was_expected(days: object) -> None:
    assert "expected days to be a whole number" in query_refusal("summary", days=days)


@pytest.mark.parametrize(
    "when", ["today", "2026-13-01", "20260101", "2026-W01-1", 5, "2026-01-01T00:00"]
)
def test_wrong_date_is_refused_with_what_was_expected(when: object) -> None:
    assert "expected date to be a date such as" in query_refusal("day_stats", date=when)


def test_wrong_text_is_refused() -> None:
    assert "expected session_id to be text" in query_refusal("session_total", session_id=5)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("select 1", "first line"),
        ("-- other: a name that is not the file's.\nselect 1", "first line"),
        ("-- q: without its parameter.\nselect $x", r"\['x'\]"),
        ("-- q: with one too many.\n-- $x (text): what.\nselect 1", r"\['x'\]"),
    ],
)
def test_header_that_does_not_fit_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "q.sql"
    path.write_text(text)

    with pytest.raises(sql.SourceError, match=wrong):
        sql.read_source(path)
