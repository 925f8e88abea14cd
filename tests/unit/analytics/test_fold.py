"""Everything else the log says, as rows: policy, refusals, the unread; and where to go on."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from contracts import events as all_events
from contracts.balancer import StrategyChanged
from contracts.base import KeyId, LeaderElected, WriterId
from contracts.envelope import Envelope
from contracts.events import UnknownEvent
from contracts.gateway import MetricsKeyIssued
from contracts.pool import LeaseCancelled, Policy, PolicyChanged, PoolCheckpointed, QuotaObserved
from services.analytics.domain.fold import (
    ENVELOPE,
    PASSED_OVER,
    SET_ASIDE,
    UNREADABLE,
    Remembered,
    RowBatch,
    RowFold,
)
from services.analytics.domain.moments import zone_named
from services.analytics.domain.refusals import REPORTED_FOR_S
from services.analytics.domain.standing import LogCheckpoint, resume_point, sequence_gap
from tests.moments import NOON
from tests.unit.analytics.builders import (
    LIMITS,
    Story,
    batch_of,
    calls_refused,
    cancelled,
    granted,
    policy,
    refused,
    requested,
    rows_of,
    session,
    used,
)


def test_policy_becomes_configuration_rows_and_takes_old_ones_away() -> None:
    fold = RowFold()
    batch_of(Story().tell(policy()), fold)
    less = PolicyChanged(policy=Policy(daily_limits={"image": 4}, min_size=7), source="b")
    batch = batch_of(Story().tell(less), fold)

    values = {row.key: row.value for row in rows_of(batch, "config")}
    assert (values["daily_limit.image"], values["min_size"]) == ("4", "7")
    assert "daily_limit.video" not in values
    assert "daily_limit.video" in batch.gone["config"]


def test_tiers_become_configuration_rows() -> None:
    tiers = PolicyChanged(
        policy=Policy(daily_limits={"image": 4}, tiers={"vip": {"image": 50}}), source="b"
    )
    batch = batch_of(Story().tell(tiers))

    values = {row.key: row.value for row in rows_of(batch, "config")}
    assert values["tier.vip.image"] == "50"


def test_days_begin_in_the_time_zone_of_the_policy() -> None:
    late = NOON + timedelta(hours=5)
    story = Story().tell(refused("a"), at=late).tell(policy("Asia/Shanghai"), at=late)
    batch = batch_of(story.tell(refused("b"), at=late))

    assert [row.day for row in rows_of(batch, "refusals")] == ["2026-01-01", "2026-01-02"]


def test_fold_remembers_the_time_zone() -> None:
    before = RowFold()
    batch_of(Story().tell(policy("Asia/Shanghai")), before)
    after_restart = RowFold(_remembered(before))
    batch = batch_of(Story().tell(refused("b"), at=NOON + timedelta(hours=5)), after_restart)

    assert rows_of(batch, "refusals")[0].day == "2026-01-02"


def _remembered(fold: RowFold) -> Any:

    return Remembered(config=list(fold.config.rows.values()))


def test_zone_nobody_knows_is_utc() -> None:
    assert zone_named("Nowhere/Land").utcoffset(NOON) == timedelta()


def test_refusal_says_what_was_asked() -> None:
    batch = batch_of(Story().tell(requested("r"), refused("r"), refused("many", count=40)))

    told, counted = rows_of(batch, "refusals")

    assert (told.model, told.count, told.reason) == ("jimeng-4.0", 1, "pool_quota_exhausted")
    assert (counted.model, counted.count) == ("", 40)


def test_refusal_of_a_further_lease_whose_call_began_before_the_log_is_kept() -> None:
    batch = batch_of(Story().tell(requested("r", number=2), refused("r", number=2)))

    (told,) = rows_of(batch, "refusals")
    assert (told.request_id, told.number, told.count) == ("r", 2, 1)


def test_request_without_a_decision_in_its_envelope_is_kept() -> None:
    batch = batch_of(Story().tell(requested("waiting"), requested("r"), granted("r")))

    assert [row.request_id for row in rows_of(batch, "requests")] == ["waiting"]


def test_events_of_a_later_version_are_skipped_and_counted() -> None:
    fold = RowFold()
    strange = UnknownEvent(tag="lease_sold", raw=b"{}")
    known = Envelope(
        writer=WriterId("w"),
        epoch=1,
        number=1,
        time=NOON,
        previous_hash="",
        events=[strange, session(), strange],
    )
    fold.fold_envelope(1, "evt.pool.0", known)
    fold.skip_unreadable(2, NOON, "no envelope")
    batch = fold.next_batch()

    assert batch.unknown == {"lease_sold": 2, UNREADABLE: 1}
    assert (batch.sequence, batch.envelopes, batch.events) == (2, 2, 3)
    assert len(rows_of(batch, "sessions")) == 1
    (anomaly,) = rows_of(batch, "anomalies")
    assert (anomaly.sequence, anomaly.position, anomaly.kind) == (2, ENVELOPE, SET_ASIDE)
    assert anomaly.reason == f"{UNREADABLE}: no envelope"


def test_every_event_of_the_log_has_its_place() -> None:
    assert set(RowFold()._routes) == {*all_events.event_tags().values(), UnknownEvent}


@pytest.mark.parametrize(
    "event",
    [
        QuotaObserved(session_id="s1", service_type="image", quota_day="2026-01-01"),
        PoolCheckpointed(state_hash="x", hash_version=1),
        LeaderElected(writer=WriterId("w"), epoch=3),
        StrategyChanged(strategy="round_robin", reason="file"),
    ],
)
def test_what_changes_no_row_is_recorded_whole(event: Any) -> None:
    (row,) = rows_of(batch_of(Story().tell(event)), "entity_events")

    assert msgspec.json.decode(row.detail, type=type(event)) == event


def test_limits_of_the_builders_are_those_of_the_policy() -> None:
    assert policy().policy.daily_limits == LIMITS


# ---------------------------------------------------------------- checkpoint and stream


def stand(checkpoint: tuple[str, int] | None, first: int, last: int) -> Any:
    store = LogCheckpoint(*checkpoint) if checkpoint else None
    return resume_point(store, created="now", first_sequence=first, last_sequence=last)


def test_first_run_rebuilds_from_the_beginning() -> None:
    found = stand(None, 1, 5)

    assert (found.after, bool(found.rebuild), found.missing) == (0, True, None)


def test_stream_that_goes_on_is_followed_from_the_checkpoint() -> None:
    assert stand(("now", 3), 1, 5) == stand(("now", 3), 4, 5)
    assert stand(("now", 3), 1, 5).after == 3


def test_empty_stream_after_a_purge_continues_its_checkpoint() -> None:
    assert stand(("now", 5), 6, 5).missing is None


def test_gap_is_named_and_refused() -> None:
    assert "log sequences 4 to 6 are missing" in (stand(("now", 3), 7, 9).missing or "")


def test_checkpoint_beyond_the_end_is_rebuilt() -> None:
    assert "before the checkpoint 9" in stand(("now", 9), 1, 5).rebuild


def test_another_life_of_the_stream_is_rebuilt() -> None:
    assert "then" in stand(("then", 3), 1, 5).rebuild


def test_rebuild_from_a_stream_without_its_beginning_is_refused() -> None:
    found = stand(("then", 3), 3, 5)

    assert "log sequences 1 to 2 are missing" in found.missing
    assert found.rebuild is None


def test_next_envelope_leaves_no_gap() -> None:
    assert sequence_gap(3, 4) is None
    assert "log sequences 4 to 4 are missing" in (sequence_gap(3, 5) or "")


def test_what_was_reported_long_ago_is_remembered_no_more() -> None:
    fold = RowFold()
    late = NOON + timedelta(seconds=REPORTED_FOR_S + 60)
    first = batch_of(Story().tell(calls_refused(), refused("r"), cancelled_unheard()), fold)
    again = Story().tell(refused("x"), calls_refused(), refused("r"), cancelled_unheard())
    repeated = batch_of(again, fold)
    batch_of(Story().tell(session(), at=late), fold)
    anew = batch_of(Story().tell(calls_refused(), refused("r"), cancelled_unheard(), at=late), fold)

    assert [counts_of(batch) for batch in (first, repeated, anew)] == [
        ([1], [1, 1]),
        ([0], [1, 0, 0]),
        ([1], [1, 1]),
    ]


def cancelled_unheard() -> LeaseCancelled:
    """Given up while nobody had decided about it, and told to the client."""
    return cancelled("gone", session_id="", status=504)


def counts_of(batch: RowBatch) -> tuple[list[int], list[int]]:
    """How many calls each row of `calls_refused` and of `refusals` stands for."""
    return (
        [row.count for row in rows_of(batch, "calls_refused")],
        [row.count for row in rows_of(batch, "refusals")],
    )


def test_a_refusal_of_the_next_lease_clears_the_status_of_the_one_before() -> None:
    story = Story().lease("r", used("r", status=502)).tell(refused("r", number=2))

    (row,) = rows_of(batch_of(story), "leases")
    assert row.status == 0


def test_a_metrics_key_has_no_bounds_and_its_row_ends_as_others_do() -> None:
    issued = MetricsKeyIssued(key_id=KeyId("k"), name="prometheus", key_hash="h", by="admin")
    (row,) = rows_of(batch_of(Story().tell(issued, subject="evt.keys")), "keys")

    assert (row.scope, row.requests_per_minute) == ("metrics", 0)


def test_an_event_that_others_are_tried_without_leaves_no_trace() -> None:
    fold = RowFold()
    ((sequence, subject, envelope),) = Story().tell(session("a"), session("b")).envelopes()
    fold.fold_envelope(sequence, subject, envelope, {0: PASSED_OVER})
    batch = fold.next_batch()

    assert [row.session_id for row in rows_of(batch, "sessions")] == ["b"]
    assert rows_of(batch, "anomalies") == []
