"""The life of a lease as rows: every end, both corrections, and what is out of place."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.pool import Outcome, Verdict
from services.analytics.domain.fold import Remembered, RowFold
from services.analytics.domain.leases import DOUBTFUL_FOR_US
from services.analytics.domain.moments import as_micros
from services.analytics.domain.rows import LeaseRow
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    attempt,
    batch_of,
    cancelled,
    expired,
    granted,
    reconciled,
    renewed,
    requested,
    rows_of,
    used,
)

LATER = NOON + timedelta(hours=2)


def lease_row(story: Story) -> LeaseRow:
    found = rows_of(batch_of(story), "leases")
    assert len(found) == 1
    row: LeaseRow = found[0]
    return row


def row_units(row: LeaseRow) -> tuple[str, int, int, int]:
    return row.outcome, row.units_settled, row.units_unknown, row.units_expired


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (used("r"), ("settled", 1, 0, 0)),
        (used("r", Outcome.RELEASED), ("released", 0, 0, 0)),
        (used("r", Outcome.UNKNOWN), ("unknown", 0, 1, 0)),
        (cancelled("r"), ("cancelled", 0, 0, 0)),
        (expired("r"), ("expired", 0, 0, 1)),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_end_decides_the_units(end: Any, expected: tuple[str, int, int, int]) -> None:
    assert row_units(lease_row(Story().lease("r", end))) == expected


def test_settled_lease_uses_at_most_what_it_reserved() -> None:
    row = lease_row(Story().lease("r", used("r", units=5, units_over=3), units=2))

    assert (row.units_settled, row.units_over) == (2, 3)


def test_unknown_lease_uses_all_it_reserved() -> None:
    row = lease_row(Story().lease("r", used("r", Outcome.UNKNOWN), units=3))

    assert row.units_unknown == 3


def test_outcome_that_no_usage_can_have_counts_as_unknown() -> None:
    row = lease_row(Story().lease("r", used("r", Outcome.CANCELLED)))

    assert row_units(row) == ("unknown", 0, 1, 0)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (Outcome.SETTLED, ("settled", 1, 0, 0)),
        (Outcome.RELEASED, ("released", 0, 0, 0)),
        (Outcome.UNKNOWN, ("unknown", 0, 1, 0)),
    ],
)
def test_late_usage_corrects_an_expiry(late: Outcome, expected: tuple[str, int, int, int]) -> None:
    row = lease_row(Story().lease("r", expired("r"), used("r", late)))

    assert row_units(row) == expected
    assert row.correction == "usage"


@pytest.mark.parametrize("end", [expired("r"), used("r", Outcome.UNKNOWN)])
def test_reconciliation_keeps_the_outcome_and_settles_the_units(end: Any) -> None:
    row = lease_row(Story().lease("r", end, reconciled("r", 1), units=2))

    assert (row.units_settled, row.units_unknown, row.units_expired) == (1, 0, 0)
    assert (row.correction, row.correction_reason) == ("reconciled", "seen (op)")
    assert row.reason == ""
    assert row.outcome in {"expired", "unknown"}


def test_usage_after_a_reconciliation_moves_no_units() -> None:
    story = Story().lease("r", expired("r"), reconciled("r", 0), used("r"))
    batch = batch_of(story)

    assert row_units(rows_of(batch, "leases")[0]) == ("expired", 0, 0, 0)
    assert [row.kind for row in rows_of(batch, "anomalies")] == ["usage_recorded"]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (granted("open"), "lease_granted"),
        (used("settled"), "usage_recorded"),
        (used("never"), "usage_recorded"),
        (expired("settled"), "lease_expired"),
        (cancelled("settled"), "lease_cancelled"),
        (reconciled("settled", 0), "lease_reconciled"),
        (renewed("settled", LATER), "lease_renewed"),
    ],
)
def test_event_out_of_place_is_kept_as_an_anomaly_and_changes_nothing(
    event: Any, kind: str
) -> None:
    story = Story().lease("open").lease("settled", used("settled"))
    before = batch_of(story)
    after = batch_of(story.tell(event))

    assert [row.kind for row in rows_of(after, "anomalies")] == [kind]
    assert after.tables["leases"] == before.tables["leases"]
    assert after.tables["open_leases"] == before.tables["open_leases"]


def test_id_cancelled_before_it_was_granted_is_no_lease_and_no_anomaly() -> None:
    batch = batch_of(Story().tell(cancelled("r", session_id="")))

    assert batch.tables == {}


def test_open_lease_is_stored_until_it_ends_and_then_taken_away() -> None:
    fold = RowFold()
    story = Story().lease("r")
    first = batch_of(story, fold)
    story = Story().tell(used("r"))
    second = batch_of(story, fold)

    assert [row.lease_id for row in rows_of(first, "open_leases")] == ["r.1"]
    assert "leases" not in first.tables
    assert second.gone == {"open_leases": ["r.1"]}
    assert [row.outcome for row in rows_of(second, "leases")] == ["settled"]


def test_renewal_moves_the_deadline_wherever_the_lease_is() -> None:
    fold = RowFold()
    batch_of(Story().lease("old"), fold)
    story = Story().lease("new").tell(renewed("old", LATER), renewed("new", LATER))
    batch = batch_of(story.tell(renewed("old", LATER)), fold)

    assert batch.gone == {"open_leases": ["old.1"]}
    assert {row.lease_id: row.expires_at for row in rows_of(batch, "open_leases")} == {
        "old.1": as_micros(LATER),
        "new.1": as_micros(LATER),
    }


def test_renewed_and_ended_in_one_batch_leaves_nothing_open() -> None:
    fold = RowFold()
    batch_of(Story().lease("r"), fold)
    batch = batch_of(Story().tell(renewed("r", LATER), used("r")), fold)

    assert batch.gone == {"open_leases": ["r.1"]}
    assert "open_leases" not in batch.tables


def test_correction_in_a_later_batch_replaces_the_row() -> None:
    fold = RowFold()
    batch_of(Story().lease("r", expired("r")), fold)
    batch = batch_of(Story().tell(used("r")), fold)

    assert batch.gone == {"leases": ["r.1"]}
    assert row_units(rows_of(batch, "leases")[0]) == ("settled", 1, 0, 0)


def test_doubtful_lease_is_forgotten_when_the_pool_has_forgotten_it() -> None:
    fold = RowFold()
    batch_of(Story().lease("r", expired("r")).lease("young", expired("young"), at=LATER), fold)
    story = Story().lease("x", at=NOON + timedelta(microseconds=DOUBTFUL_FOR_US + 1))
    batch_of(story, fold)

    assert list(fold.leases.doubtful) == ["young.1"]


def test_lease_is_described_by_its_request() -> None:
    row = lease_row(Story().lease("r", expired("r")))

    assert (row.key_id, row.model, row.client_address) == ("k1", "jimeng-4.0", "10.0.0.0")
    assert row.asked_at == as_micros(NOON)


def test_lease_without_its_request_is_described_by_its_usage() -> None:
    row = lease_row(Story().tell(granted("r")).tell(used("r", model="other")))

    assert (row.model, row.asked_at) == ("other", None)


def test_usage_tells_of_the_last_attempt_and_keeps_them_all() -> None:
    tries = [
        attempt("dead", verdict=Verdict.UNREACHABLE, sent=False, failure="connect"),
        attempt("alive", upstream_code=7, first_byte_ms=33.0),
    ]
    batch = batch_of(Story().lease("r", used("r", attempts=tries)))

    row = rows_of(batch, "leases")[0]
    assert (row.server_id, row.upstream_code, row.first_byte_ms, row.attempts) == (
        "alive",
        7,
        33.0,
        2,
    )
    assert [
        (tried.attempt, tried.server_id, tried.sent) for tried in rows_of(batch, "attempts")
    ] == [
        (1, "dead", False),
        (2, "alive", True),
    ]


def test_code_that_no_column_holds_is_none() -> None:
    tries = [attempt("one", upstream_code=10**25, inner_code=-(10**18))]
    batch = batch_of(Story().lease("r", used("r", attempts=tries)))

    assert rows_of(batch, "leases")[0].upstream_code is None
    tried = rows_of(batch, "attempts")[0]
    assert (tried.upstream_code, tried.inner_code) == (None, None)


def test_usage_without_an_attempt_names_no_server() -> None:
    row = lease_row(Story().lease("r", used("r", attempts=[])))

    assert (row.server_id, row.attempts) == ("", 0)


def test_attempt_of_an_unknown_lease_is_of_the_day_of_the_log() -> None:
    batch = batch_of(Story().tell(used("never"), at=LATER))

    assert [row.quota_day for row in rows_of(batch, "attempts")] == ["2026-01-01"]


def test_peak_is_the_most_leases_open_at_once() -> None:
    story = Story().lease("a").lease("b").tell(used("a")).lease("c").tell(used("b"), used("c"))

    assert [(row.day, row.open_max) for row in rows_of(batch_of(story), "peaks")] == [
        ("2026-01-01", 2)
    ]


ENDS = [
    [],
    [used("r")],
    [used("r", Outcome.UNKNOWN), reconciled("r", 0)],
    [expired("r"), used("r", Outcome.UNKNOWN), reconciled("r", 1)],
    [expired("r"), reconciled("r", 1), used("r")],
    [renewed("r", LATER), cancelled("r")],
]


@given(ends=some.sampled_from(ENDS), cuts=some.sets(some.integers(1, 5)))
def test_batches_may_be_cut_anywhere(ends: list[Any], cuts: set[int]) -> None:
    story = Story().lease("r", *ends)
    whole = batch_of(story)
    table: dict[str, dict[str, LeaseRow]] = {"leases": {}, "open_leases": {}}
    fold = RowFold()
    for sequence, subject, envelope in story.envelopes():
        fold.fold_envelope(sequence, subject, envelope)
        if sequence in cuts or sequence == len(story.stored):
            batch = fold.next_batch()
            for name, kept in table.items():
                for key in batch.gone.get(name, []):
                    del kept[key]
                for row in rows_of(batch, name):
                    assert row.lease_id not in kept
                    kept[row.lease_id] = row
            # What a new process would remember.
            doubtful = [
                row
                for row in table["leases"].values()
                if row.outcome in {"unknown", "expired"} and row.correction != "reconciled"
            ]
            opened = list(table["open_leases"].values())
            fold = RowFold(Remembered(open_leases=opened, doubtful=doubtful), sequence)

    for name, kept in table.items():
        assert list(kept.values()) == rows_of(whole, name)


def test_request_keeps_its_number_and_retries_are_leases_of_their_own() -> None:
    story = Story().lease("r", used("r", Outcome.RELEASED))
    story.tell(requested("r", 2), granted("r", 2, session_id="s2"))
    batch = batch_of(story)

    assert [row.lease_id for row in rows_of(batch, "leases")] == ["r.1"]
    assert [row.lease_id for row in rows_of(batch, "open_leases")] == ["r.2"]
