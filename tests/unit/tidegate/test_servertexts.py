"""What came of a paid call at one server, as people read it."""

from typing import Any

import pytest

from tidegate.console import output
from tidegate.probing import servertexts


def answer_of(**fields: Any) -> dict[str, Any]:
    common = {
        "request_id": "r-1",
        "lease_id": "r-1.1",
        "server_id": "one",
        "verdict": "success",
        "status": 200,
        "headers": {},
        "why": "",
        "outcome": "settled",
        "units": 1,
        "units_held": 0,
        "bytes_out": 9,
        "first_byte_ms": 2.0,
        "total_ms": 3.0,
    }
    return {**common, **fields}


@pytest.fixture(autouse=True)
def typed_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "program_name", lambda: ".venv/bin/tidegate")


def test_the_unit_of_an_unknown_outcome_is_said_to_stay_used_and_how_that_is_settled() -> None:
    text = servertexts.test_text(
        answer_of(verdict="outcome_unknown", outcome="unknown", units=0, units_held=1)
    )

    assert "1 unit stays used, for nobody knows whether the work was done (unknown)" in text
    assert "once that is known: .venv/bin/tidegate leases reconcile r-1.1 --units 0" in text


@pytest.mark.parametrize(
    ("outcome", "units", "said"),
    [("settled", 1, "1 unit used (settled)"), ("released", 0, "0 units used (released)")],
)
def test_a_unit_that_was_used_or_given_back_is_said_so(outcome: str, units: int, said: str) -> None:
    text = servertexts.test_text(answer_of(outcome=outcome, units=units))

    assert said in text
    assert "reconcile" not in text


def test_what_explains_it_is_named_as_it_can_be_typed() -> None:
    last = servertexts.test_text(answer_of()).splitlines()[-1]

    assert last == "the whole story: .venv/bin/tidegate explain r-1"
