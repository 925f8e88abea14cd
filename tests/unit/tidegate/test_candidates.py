"""Whom a selection looked at, as `explain` tells it."""

from typing import Any

from tests.unit.balancer.builders import after
from tidegate.ledger.candidates import candidate_lines

NOON_ISO = "2026-01-01T12:00:00Z"


def lines_of(*candidates: dict[str, Any], strategy: str = "least_connections") -> list[str]:
    attempt = {"strategy": strategy, "candidates": candidates}
    return [*candidate_lines(attempt, after(120))]


def test_scores_are_told_with_the_way_they_go() -> None:
    ranked = {"server_id": "a", "score": 3.0}

    assert lines_of(ranked) == [
        "    scores: exchanges in flight; lower is better",
        "    a: score 3",
    ]
    assert lines_of(ranked, strategy="weighted_round_robin")[0] == (
        "    scores: the current weight; higher is better"
    )
    assert lines_of(ranked, strategy="of_a_later_version") == ["    a: score 3"]


def test_who_was_out_is_told_for_how_long_then_and_until_when() -> None:
    ejected = {"server_id": "a", "refused": "ejected: 5 failures in a row", "since": NOON_ISO}
    back = {**ejected, "until": "2026-01-01T12:02:28Z"}
    over = {**ejected, "until": "2026-01-01T12:01:00Z"}
    drained = {"server_id": "b", "refused": "draining", "since": NOON_ISO}
    down = {"server_id": "c", "refused": "down: probe: status 404", "since": NOON_ISO}

    assert lines_of(back, over, drained, down) == [
        "    a: refused, ejected 2 min before: 5 failures in a row, back 28 s later",
        "    a: refused, ejected 2 min before: 5 failures in a row, back once it answers a probe",
        "    b: refused, draining for 2 min",
        "    c: refused, down for 2 min: probe: status 404",
    ]


def test_a_refusal_of_an_earlier_version_is_told_as_it_stands() -> None:
    assert lines_of({"server_id": "a", "refused": "ejected: x"}) == ["    a: refused, ejected: x"]
