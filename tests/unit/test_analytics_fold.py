"""Everything else the log says, as rows: sessions, servers, keys, policy, refusals, the unread."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from contracts import events as all_events
from contracts.balancer import (
    Health,
    ServerChanged,
    ServerEjected,
    ServerHealthChanged,
    ServerReadmitted,
    ServerRemoved,
    StrategyChanged,
)
from contracts.base import LeaderElected, WriterId
from contracts.envelope import Envelope
from contracts.events import UnknownEvent
from contracts.gateway import KeyBounds, KeyChanged, KeyIssued, KeyRevoked, Scope
from contracts.pool import (
    Policy,
    PolicyChanged,
    PoolCheckpointed,
    QuotaObserved,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.analytics.domain.fold import UNREADABLE, Fold, Remembered
from services.analytics.domain.moments import micros, zone
from services.analytics.domain.rows import KeyRow, ServerRow, SessionRow
from services.analytics.domain.standing import standing
from tests.analytics_builders import (
    LIMITS,
    NOON,
    Story,
    folded,
    granted,
    policy,
    refused,
    requested,
    rows,
    server,
    session,
)

SOON, LATER = NOON + timedelta(minutes=1), NOON + timedelta(hours=1)


def after(*events: Any) -> SessionRow:
    row: SessionRow = rows(folded(Story().tell(session(), *events)), "sessions")[0]
    return row


def cooled(until: Any, by: str = "") -> SessionCooled:
    return SessionCooled(session_id="s1", until=until, reason="rate_limited", by=by)


def changed(**changes: Any) -> SessionChanged:
    return SessionChanged(session_id="s1", **changes)


RECOVERED = SessionRecovered(session_id="s1", reason="trial_succeeded")
ENABLED = SessionRecovered(session_id="s1", reason="enabled", by="op")
SUSPECTED = SessionSuspected(session_id="s1", server_id="server-1", request_id="r")
RETIRED = SessionRetired(session_id="s1", reason="stale")


def test_added_session_is_active_from_that_day_on() -> None:
    row = after()

    assert (row.status, row.added_day, row.region) == ("active", "2026-01-01", "us")


def test_session_added_twice_keeps_its_age() -> None:
    again = SessionAdded(session_id="s1", region="hk")

    assert after(again).region == "us"


@pytest.mark.parametrize(
    ("status", "kept"),
    [(SessionStatus.DRAINING, "draining"), (SessionStatus.COOLING, "active"), (None, "active")],
)
def test_change_sets_only_what_somebody_may_set(status: SessionStatus | None, kept: str) -> None:
    assert after(changed(status=status, reason="why")).status == kept


def test_change_replaces_limits_when_it_has_some() -> None:
    assert after(changed(limits={"image": 3})).limits == '{"image":3}'


def test_cool_down_only_moves_forward() -> None:
    assert after(cooled(LATER), cooled(SOON)).cooling_until == micros(LATER)


def test_operator_moves_a_cool_down_back() -> None:
    assert after(cooled(LATER), cooled(SOON, by="op")).cooling_until == micros(SOON)


def test_recovery_clears_suspicion_and_leaves_cooling() -> None:
    row = after(SUSPECTED, cooled(LATER), RECOVERED)

    assert (row.suspected_at, row.cooling_until) == (None, micros(LATER))


def test_suspicion_is_remembered() -> None:
    assert after(SUSPECTED).suspected_at == micros(NOON)


def test_operator_enables_what_was_disabled_and_ends_cooling() -> None:
    row = after(cooled(LATER), changed(status=SessionStatus.DISABLED), ENABLED)

    assert (row.status, row.cooling_until) == ("active", None)


def test_operator_who_ends_cooling_does_not_end_draining() -> None:
    assert after(changed(status=SessionStatus.DRAINING), ENABLED).status == "draining"


def test_retired_session_is_revived_with_its_history() -> None:
    gone = after(RETIRED)
    back = after(RETIRED, SessionRevived(session_id="s1", origin="file"))

    assert (gone.status, gone.retired_day) == ("retired", "2026-01-01")
    assert (back.status, back.retired_at, back.origin) == ("active", None, "file")


@pytest.mark.parametrize("event", [RECOVERED, ENABLED, SUSPECTED, RETIRED, cooled(LATER)])
def test_event_about_an_unknown_session_is_only_recorded(event: Any) -> None:
    batch = folded(Story().tell(event))

    assert set(batch.tables) == {"entity_events"}
    assert rows(batch, "entity_events")[0].entity_id == "s1"


def servers(*events: Any) -> ServerRow:
    row: ServerRow = rows(folded(Story().tell(server(), *events)), "servers")[0]
    return row


UP = ServerHealthChanged(server_id="server-1", health=Health.UP, reason="probed")
EJECTED = ServerEjected(server_id="server-1", until=LATER, times=1, reason="401 to all")
REMOVED = ServerRemoved(server_id="server-1")


def test_changed_server_keeps_health_and_ejection() -> None:
    replaced = ServerChanged(server=msgspec.structs.replace(server().server, weight=9))
    row = servers(UP, EJECTED, replaced)

    assert (row.weight, row.health, row.ejected_until) == (9, "up", micros(LATER))


def test_server_added_again_after_removal_begins_anew() -> None:
    row = servers(UP, REMOVED, server())

    assert (row.removed_at, row.health) == (None, "")


def test_readmitted_server_is_believed() -> None:
    assert servers(EJECTED, ServerReadmitted(server_id="server-1")).ejected_until is None


def keys(*events: Any) -> KeyRow:
    issued = KeyIssued(key_id="k", key_hash="SECRET", name="n", scope=Scope.ADMIN, by="op")
    batch = folded(Story().tell(issued, *events, subject="evt.keys"))
    assert "SECRET" not in str(batch.tables)
    assert "ANOTHER" not in str(batch.tables)
    row: KeyRow = rows(batch, "keys")[0]
    return row


def test_hash_of_a_key_is_in_no_row() -> None:
    assert keys(KeyChanged(key_id="k", key_hash="ANOTHER")).name == "n"


def test_changed_key_takes_over_what_is_given() -> None:
    bounds = KeyBounds(requests_per_minute=5, models=["x*"])

    assert keys(KeyChanged(key_id="k", name="new")).name == "new"
    assert keys(KeyChanged(key_id="k", bounds=bounds)).models == '["x*"]'


def test_revoked_key_keeps_its_row() -> None:
    assert keys(KeyRevoked(key_id="k", reason="lost")).revoked_at == micros(NOON)


def test_policy_becomes_configuration_rows_and_takes_old_ones_away() -> None:
    fold = Fold()
    folded(Story().tell(policy()), fold)
    less = PolicyChanged(policy=Policy(daily_limits={"image": 4}, min_size=7), source="b")
    batch = folded(Story().tell(less), fold)

    values = {row.key: row.value for row in rows(batch, "config")}
    assert (values["daily_limit.image"], values["min_size"]) == ("4", "7")
    assert "daily_limit.video" not in values
    assert "daily_limit.video" in batch.gone["config"]


def test_days_begin_in_the_time_zone_of_the_policy() -> None:
    late = NOON + timedelta(hours=5)
    story = Story().tell(refused("a"), at=late).tell(policy("Asia/Shanghai"), at=late)
    batch = folded(story.tell(refused("b"), at=late))

    assert [row.day for row in rows(batch, "refusals")] == ["2026-01-01", "2026-01-02"]


def test_fold_remembers_the_time_zone() -> None:
    before = Fold()
    folded(Story().tell(policy("Asia/Shanghai")), before)
    after_restart = Fold(_remembered(before))
    batch = folded(Story().tell(refused("b"), at=NOON + timedelta(hours=5)), after_restart)

    assert rows(batch, "refusals")[0].day == "2026-01-02"


def _remembered(fold: Fold) -> Any:

    return Remembered(config=list(fold.config.rows.values()))


def test_zone_nobody_knows_is_utc() -> None:
    assert zone("Nowhere/Land").utcoffset(NOON) == timedelta()


def test_refusal_says_what_was_asked() -> None:
    batch = folded(Story().tell(requested("r"), refused("r"), refused("many", count=40)))

    told, counted = rows(batch, "refusals")
    assert (told.model, told.count, told.reason) == ("jimeng-4.0", 1, "pool_quota_exhausted")
    assert (counted.model, counted.count) == ("", 40)


def test_request_without_a_decision_in_its_envelope_is_kept() -> None:
    batch = folded(Story().tell(requested("waiting"), requested("r"), granted("r")))

    assert [row.request_id for row in rows(batch, "requests")] == ["waiting"]


def test_events_of_a_later_version_are_skipped_and_counted() -> None:
    fold = Fold()
    strange = UnknownEvent(tag="lease_sold", raw=b"{}")
    known = Envelope(
        writer=WriterId("w"),
        epoch=1,
        number=1,
        time=NOON,
        previous_hash="",
        events=[strange, session(), strange],
    )
    fold.take(1, "evt.pool.0", known)
    fold.skip(2)
    batch = fold.batch()

    assert batch.unknown == {"lease_sold": 2, UNREADABLE: 1}
    assert (batch.sequence, batch.envelopes, batch.events) == (2, 2, 3)
    assert len(rows(batch, "sessions")) == 1


def test_every_event_of_the_log_has_its_place() -> None:
    assert set(Fold()._routes) == {*all_events.tags().values(), UnknownEvent}


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
    (row,) = rows(folded(Story().tell(event)), "entity_events")

    assert msgspec.json.decode(row.detail, type=type(event)) == event


def test_limits_of_the_builders_are_those_of_the_policy() -> None:
    assert policy().policy.daily_limits == LIMITS


# ---------------------------------------------------------------- checkpoint and stream


def stand(checkpoint: tuple[str, int] | None, first: int, last: int) -> Any:
    return standing(checkpoint, created="now", first_sequence=first, last_sequence=last)


def test_first_run_rebuilds_from_the_beginning() -> None:
    found = stand(None, 1, 5)

    assert (found.after, bool(found.rebuild), found.missing) == (0, True, "")


def test_stream_that_goes_on_is_followed_from_the_checkpoint() -> None:
    assert stand(("now", 3), 1, 5) == stand(("now", 3), 4, 5)
    assert stand(("now", 3), 1, 5).after == 3


def test_empty_stream_after_a_purge_continues_its_checkpoint() -> None:
    assert stand(("now", 5), 6, 5).missing == ""


def test_gap_is_named_and_refused() -> None:
    assert "log sequences 4 to 6 are missing" in stand(("now", 3), 7, 9).missing


def test_checkpoint_beyond_the_end_is_rebuilt() -> None:
    assert "before the checkpoint 9" in stand(("now", 9), 1, 5).rebuild


def test_another_life_of_the_stream_is_rebuilt() -> None:
    assert "then" in stand(("then", 3), 1, 5).rebuild


def test_rebuild_from_a_stream_without_its_beginning_is_refused() -> None:
    found = stand(("then", 3), 3, 5)

    assert "log sequences 1 to 2 are missing" in found.missing
    assert found.rebuild == ""
