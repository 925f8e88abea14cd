"""Last states: sessions, servers and keys as their events leave them."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from contracts.balancer import (
    Health,
    ServerChanged,
    ServerDrained,
    ServerEjected,
    ServerFellSilent,
    ServerHalfOpened,
    ServerHealthChanged,
    ServerHeardAgain,
    ServerReadmitted,
    ServerRemoved,
    ServerUndrained,
)
from contracts.gateway import (
    AuditRecorded,
    BackupRecorded,
    KeyBounds,
    KeyChanged,
    KeyIssued,
    KeyRevoked,
    MetricsKeyIssued,
    Scope,
    SignedOut,
    SignInLinkUsed,
    ViewerKeyIssued,
)
from contracts.pool import (
    AccountChanged,
    CredentialsRefused,
    SessionAdded,
    SessionChanged,
    SessionCooled,
    SessionDoubted,
    SessionJoined,
    SessionLabelled,
    SessionRecovered,
    SessionRetired,
    SessionRevived,
    SessionStatus,
    SessionSuspected,
)
from services.analytics.domain.fold import Remembered, RowFold
from services.analytics.domain.moments import as_micros
from services.analytics.domain.rows import KeyRow, ServerRow, SessionRow
from tests.moments import NOON
from tests.unit.analytics.builders import Story, batch_of, rows_of, server_added, session

SOON, LATER = NOON + timedelta(minutes=1), NOON + timedelta(hours=1)


def session_row(*events: Any) -> SessionRow:
    row: SessionRow = rows_of(batch_of(Story().tell(session(), *events)), "sessions")[0]
    return row


def rows_by_id(*events: Any) -> dict[str, SessionRow]:
    rows: list[SessionRow] = rows_of(batch_of(Story().tell(*events)), "sessions")
    return {row.session_id: row for row in rows}


def in_account(session_id: str, account: str = "a") -> SessionJoined:
    return SessionJoined(session_id=session_id, account=account)


def test_what_is_said_of_an_account_holds_for_every_session_of_it() -> None:
    rows = rows_by_id(
        SessionAdded(session_id="s1", limits={"image": 3}, quota_timezone="Asia/Tokyo"),
        SessionAdded(session_id="s2"),
        SessionAdded(session_id="s3"),
        in_account("s1"),
        in_account("s2"),
        in_account("s2", "b"),
        in_account("nobody"),
        AccountChanged(session_id="s2", tier="vip", used={"image": 1}, quota_day="2026-01-01"),
        AccountChanged(session_id="s2"),
        AccountChanged(session_id="nobody", tier="vip"),
        SessionChanged(session_id="s1", limits={"image": 4}),
        SessionChanged(session_id="s3", limits={"image": 5}),
    )

    assert {
        name: (row.account, row.tier, row.limits, row.quota_timezone) for name, row in rows.items()
    } == {
        "s1": ("a", "vip", '{"image":4}', "Asia/Tokyo"),
        "s2": ("a", "vip", '{"image":4}', "Asia/Tokyo"),
        "s3": ("", "", '{"image":5}', ""),
    }


def test_who_was_remembered_in_an_account_is_still_in_it() -> None:
    story = Story().tell(session(), in_account("s1"))
    fold = RowFold(Remembered(sessions=rows_of(batch_of(story), "sessions")))
    later = Story().tell(SessionAdded(session_id="s2"), in_account("s2"))
    later.tell(AccountChanged(session_id="s2", tier="vip"))

    for sequence, subject, envelope in later.envelopes():
        fold.fold_envelope(sequence, subject, envelope)
    rows = rows_of(fold.next_batch(), "sessions")

    assert [(row.session_id, row.tier) for row in rows] == [("s1", "vip"), ("s2", "vip")]


def cooled(until: Any, by: str = "") -> SessionCooled:
    return SessionCooled(session_id="s1", until=until, reason="rate_limited", by=by)


def session_changed(**changes: Any) -> SessionChanged:
    return SessionChanged(session_id="s1", **changes)


RECOVERED = SessionRecovered(session_id="s1", reason="trial_succeeded")
ENABLED = SessionRecovered(session_id="s1", reason="enabled", by="op")
SUSPECTED = SessionSuspected(session_id="s1", server_id="server-1", request_id="r")
RETIRED = SessionRetired(session_id="s1", reason="stale")
DOUBTED = SessionDoubted(
    session_id="s1", request_id="r", key_id="k", reason="answered 403; key k2 failed with it, too"
)


def test_added_session_is_active_from_that_day_on() -> None:
    row = session_row()

    assert (row.status, row.added_day, row.region) == ("active", "2026-01-01", "us")


def test_a_session_is_called_what_was_said_last() -> None:
    called = [SessionLabelled(session_id="s1", label=text) for text in ("one", "two", "")]

    assert [session_row(*called[:count]).label for count in range(4)] == ["", "one", "two", ""]


def test_session_added_twice_keeps_its_age() -> None:
    again = SessionAdded(session_id="s1", region="hk")

    assert session_row(again).region == "us"


@pytest.mark.parametrize(
    ("status", "kept"),
    [(SessionStatus.DRAINING, "draining"), (SessionStatus.COOLING, "active"), (None, "active")],
)
def test_change_sets_only_what_somebody_may_set(status: SessionStatus | None, kept: str) -> None:
    assert session_row(session_changed(status=status, reason="why")).status == kept


def test_change_replaces_limits_when_it_has_some() -> None:
    assert session_row(session_changed(limits={"image": 3})).limits == '{"image":3}'


def test_cool_down_only_moves_forward() -> None:
    assert session_row(cooled(LATER), cooled(SOON)).cooling_until == as_micros(LATER)


def test_operator_moves_a_cool_down_back() -> None:
    assert session_row(cooled(LATER), cooled(SOON, by="op")).cooling_until == as_micros(SOON)


def test_recovery_clears_suspicion_and_leaves_cooling() -> None:
    row = session_row(SUSPECTED, cooled(LATER), RECOVERED)

    assert (row.suspected_at, row.cooling_until) == (None, as_micros(LATER))


def test_suspicion_is_remembered() -> None:
    assert session_row(SUSPECTED).suspected_at == as_micros(NOON)


def test_operator_enables_what_was_disabled_and_ends_cooling() -> None:
    row = session_row(cooled(LATER), session_changed(status=SessionStatus.DISABLED), ENABLED)

    assert (row.status, row.cooling_until) == ("active", None)


def test_operator_who_ends_cooling_does_not_end_draining() -> None:
    assert session_row(session_changed(status=SessionStatus.DRAINING), ENABLED).status == "draining"


def test_retired_session_is_revived_with_its_history() -> None:
    gone = session_row(RETIRED)
    back = session_row(RETIRED, SessionRevived(session_id="s1", origin="file"))

    assert (gone.status, gone.retired_day) == ("retired", "2026-01-01")
    assert (back.status, back.retired_at, back.origin) == ("active", None, "file")


@pytest.mark.parametrize("event", [RECOVERED, ENABLED, SUSPECTED, RETIRED, DOUBTED, cooled(LATER)])
def test_event_about_an_unknown_session_is_only_recorded(event: Any) -> None:
    batch = batch_of(Story().tell(event))

    assert set(batch.tables) == {"entity_events"}
    assert rows_of(batch, "entity_events")[0].entity_id == "s1"


def test_doubt_is_recorded_in_words_and_changes_no_state() -> None:
    story = Story().tell(session(), DOUBTED, CredentialsRefused(suspects=1, disabled=0))

    batch = batch_of(story)

    row: SessionRow = rows_of(batch, "sessions")[0]
    told = [(one.event, one.entity_id, one.reason) for one in rows_of(batch, "entity_events")]

    assert (row.status, row.suspected_at, row.reason) == ("active", None, "")
    assert told[1:] == [
        ("session_doubted", "s1", "answered 403; key k2 failed with it, too"),
        ("credentials_refused", "", ""),
    ]


def server_row(*events: Any) -> ServerRow:
    row: ServerRow = rows_of(batch_of(Story().tell(server_added(), *events)), "servers")[0]
    return row


UP = ServerHealthChanged(server_id="server-1", health=Health.UP, reason="probed")
EJECTED = ServerEjected(server_id="server-1", until=LATER, times=1, reason="401 to all")
REMOVED = ServerRemoved(server_id="server-1")


def test_changed_server_keeps_health_and_ejection() -> None:
    replaced = ServerChanged(server=msgspec.structs.replace(server_added().server, weight=9))
    row = server_row(UP, EJECTED, replaced)

    assert (row.weight, row.health, row.ejected_until) == (9, "up", as_micros(LATER))


def test_server_has_the_dialect_that_its_last_event_named() -> None:
    replaced = ServerChanged(server=msgspec.structs.replace(server_added().server, dialect="drraw"))

    assert server_row().dialect == "plain"
    assert server_row(replaced, UP).dialect == "drraw"


def test_server_added_again_after_removal_begins_anew() -> None:
    row = server_row(UP, REMOVED, server_added())

    assert (row.removed_at, row.health) == (None, "")


def test_readmitted_server_is_believed() -> None:
    assert server_row(EJECTED, ServerReadmitted(server_id="server-1")).ejected_until is None


OUT_FOR_VIDEO = msgspec.structs.replace(EJECTED, service_type="video")
SILENT = ServerFellSilent(
    server_id="server-1", service_type="image", waited_s=40.0, expected_s=10.0
)


@pytest.mark.parametrize(
    ("events", "state", "types_out", "draining"),
    [
        ((EJECTED,), "ejected", "[]", False),
        ((EJECTED, ServerHalfOpened(server_id="server-1", reason="x")), "half_open", "[]", False),
        ((EJECTED, ServerReadmitted(server_id="server-1")), "", "[]", False),
        (
            (EJECTED, ServerReadmitted(server_id="server-1", slow_start_s=30.0)),
            *("slow_start", "[]", False),
        ),
        ((OUT_FOR_VIDEO,), "", '["video"]', False),
        (
            (
                OUT_FOR_VIDEO,
                ServerHalfOpened(server_id="server-1", reason="x", service_type="video"),
            ),
            *("", "[]", False),
        ),
        (
            (OUT_FOR_VIDEO, ServerReadmitted(server_id="server-1", service_type="video")),
            *("", "[]", False),
        ),
        ((SILENT,), "", "[]", False),
        ((SILENT, ServerHeardAgain(server_id="server-1", service_type="image")), "", "[]", False),
        ((ServerDrained(server_id="server-1"),), "", "[]", True),
        (
            (ServerDrained(server_id="server-1"), ServerUndrained(server_id="server-1")),
            *("", "[]", False),
        ),
    ],
)
def test_a_server_has_the_state_that_its_last_event_left(
    events: tuple[Any, ...], state: str, types_out: str, draining: object
) -> None:
    row = server_row(UP, *events)

    assert (row.state, row.types_out, row.draining) == (state, types_out, draining)


def test_silence_stands_beside_an_ejection_and_takes_nothing_of_it_away() -> None:
    heard = ServerHeardAgain(server_id="server-1", service_type="image")

    silent = server_row(UP, SILENT, EJECTED)
    after_it = server_row(UP, SILENT, EJECTED, heard)

    assert (silent.state, silent.silent_at) == ("ejected", as_micros(NOON))
    assert silent.silent_why == "image waited for 40 s"
    assert (after_it.state, after_it.silent_at) == ("ejected", None)


def test_a_slow_start_has_an_end_however_long_its_event_says_it_is() -> None:
    vast = ServerReadmitted(server_id="server-1", slow_start_s=1e300)

    assert server_row(EJECTED, vast).warm_until == as_micros(NOON + timedelta(days=1))


def test_a_server_that_moved_is_another_machine_and_stays_drained() -> None:
    moved = ServerChanged(server=msgspec.structs.replace(server_added().server, url="http://new"))

    row = server_row(UP, EJECTED, OUT_FOR_VIDEO, ServerDrained(server_id="server-1"), moved)

    assert (row.health, row.state, row.types_out, row.type_states) == ("", "", "[]", "[]")
    assert (row.draining, row.drained_at) == (True, as_micros(NOON))


def keys(*events: Any) -> KeyRow:
    issued = KeyIssued(key_id="k", key_hash="SECRET", name="n", scope=Scope.ADMIN, by="op")
    batch = batch_of(Story().tell(issued, *events, subject="evt.keys"))
    assert "SECRET" not in str(batch.tables)
    assert "ANOTHER" not in str(batch.tables)
    row: KeyRow = rows_of(batch, "keys")[0]
    return row


def test_hash_of_a_key_is_in_no_row() -> None:
    assert keys(KeyChanged(key_id="k", key_hash="ANOTHER")).name == "n"


def test_changed_key_takes_over_what_is_given() -> None:
    bounds = KeyBounds(requests_per_minute=5, models=["x*"], weight=3)

    assert keys(KeyChanged(key_id="k", name="new")).name == "new"
    assert keys(KeyChanged(key_id="k", bounds=bounds)).models == '["x*"]'
    assert keys(KeyChanged(key_id="k", bounds=bounds)).weight == 3


def test_revoked_key_keeps_its_row() -> None:
    assert keys(KeyRevoked(key_id="k", reason="lost")).revoked_at == as_micros(NOON)


def test_keys_that_only_read_have_a_row_with_their_scope() -> None:
    metrics = MetricsKeyIssued(key_id="m", key_hash="SECRET", name="prometheus")
    viewer = ViewerKeyIssued(key_id="v", key_hash="SECRET", name="support")

    batch = batch_of(Story().tell(metrics, viewer, subject="evt.keys"))

    rows: list[KeyRow] = rows_of(batch, "keys")

    assert {row.key_id: row.scope for row in rows} == {"m": "metrics", "v": "viewer"}


def test_signing_in_and_out_is_journalled_and_changes_no_key() -> None:
    used = SignInLinkUsed(link_id="l", key_id="k", sign_in_id="s", expires_at=NOON)
    ended = SignedOut(sign_in_id="s", key_id="k", expires_at=NOON)
    issued = KeyIssued(key_id="k", key_hash="SECRET", name="n", scope=Scope.ADMIN, by="op")

    batch = batch_of(Story().tell(issued, used, ended, subject="evt.keys"))

    assert [row.event for row in rows_of(batch, "entity_events")] == [
        "key_issued",
        "sign_in_link_used",
        "signed_out",
    ]
    assert rows_of(batch, "keys")[0].name == "n"


def test_audits_and_backups_are_journalled() -> None:
    audit = AuditRecorded(
        command="tidegate audit", ok=True, sequence=1, envelopes=1, events=1, violations=0, by="k"
    )
    backup = BackupRecorded(
        command="tidegate backup", ok=True, sequence=1, bytes=9, name="b.tar", host="h", by="k"
    )

    batch = batch_of(Story().tell(audit, backup, subject="evt.keys"))

    rows = rows_of(batch, "entity_events")

    assert [(row.event, row.caused_by) for row in rows] == [
        ("audit_recorded", "k"),
        ("backup_recorded", "k"),
    ]
