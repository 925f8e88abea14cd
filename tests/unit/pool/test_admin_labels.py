"""What operators call sessions."""

import pytest

from contracts.base import AccountId, Failed, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    PoolStatus,
    SessionAdded,
    SessionLabelled,
    SessionRetired,
    SessionRevived,
)
from services.pool.domain import decide_admin, pool_status
from services.pool.domain.canonical import canonical_json
from services.pool.domain.evolve.fold import evolve
from services.pool.snapshots.form import FORMAT, decode_pool, encode_pool
from tests.unit.pool.builders import IMAGE, NOON, ONE, folded, grant, lease_granted, session_added

CALLED = SessionLabelled(session_id=ONE, label="account 7", by="me")


def adding(label: str, session_id: str = "one") -> AddSessions:
    item = AddSession(session_id=SessionId(session_id), sealed=b"", label=label)
    return AddSessions(items=[item], by="me")


def changing(label: str) -> ChangeSession:
    return ChangeSession(session_id=ONE, label=label, by="me")


def test_a_session_is_added_with_its_label() -> None:
    decision = decide_admin(folded(), adding("account 7"), NOON)

    assert decision.events == [SessionAdded(session_id=ONE, by="me"), CALLED]
    assert decision.answer == Done(changed=["one"])


def test_one_that_is_there_is_called_otherwise_when_it_is_added_again_so() -> None:
    pool = folded(session_added())

    decision = decide_admin(pool, adding("account 7"), NOON)

    assert (decision.events, decision.answer) == ([CALLED], Done(labelled=["one"]))
    assert decide_admin(pool, adding("account 7"), NOON).answer == Done()
    assert decide_admin(pool, adding(""), NOON).answer == Done()
    assert pool.labels == {ONE: "account 7"}


def test_one_that_is_revived_keeps_its_label_unless_another_is_said() -> None:
    events = [session_added(), CALLED, SessionRetired(session_id=ONE, reason="x")]

    kept = decide_admin(folded(*events), adding(""), NOON)
    anew = decide_admin(folded(*events), adding("other"), NOON)
    revived = SessionRevived(session_id=ONE, by="me")

    assert kept.events == [revived]
    assert anew.events == [revived, SessionLabelled(session_id=ONE, label="other", by="me")]
    assert anew.answer == Done(changed=["one"], revived=["one"])


def test_a_label_is_changed_and_taken_away() -> None:
    pool = folded(session_added())

    events = [
        decide_admin(pool, changing(label), NOON).events
        for label in ("account 7", "account 7", "", "")
    ]

    assert events == [[CALLED], [], [SessionLabelled(session_id=ONE, by="me")], []]
    assert pool.labels == {}


@pytest.mark.parametrize("label", ["x" * 65, "a\nb", "a\u202eb", "\x1b[2J"])
@pytest.mark.parametrize("command", [adding, changing])
def test_what_is_no_label_is_refused_and_changes_nothing(command: object, label: str) -> None:
    pool = folded(session_added())

    decision = decide_admin(pool, command(label), NOON)  # type: ignore[operator]

    assert decision.events == []
    assert isinstance(decision.answer, Failed)
    assert decision.answer.message.startswith("label: expected at most 64 printable characters")


def test_operators_are_shown_it_beside_each_id_and_gateways_for_their_log() -> None:
    pool = folded(session_added(), CALLED, lease_granted())

    status = pool_status(pool, PoolStatus(sessions=True, leases="open"), NOON, 1, 1)

    assert [view.label for view in status.sessions] == ["account 7"]
    assert [view.label for view in status.leases] == ["account 7"]
    assert grant(pool, IMAGE, "r2").label == "account 7"


def test_a_ledger_without_labels_hashes_as_it_did_before_there_were_any() -> None:
    pool = folded(session_added())
    without = canonical_json(pool)

    evolve(pool, CALLED, NOON, 2)
    called = canonical_json(pool)
    evolve(pool, SessionLabelled(session_id=ONE), NOON, 3)

    assert b"labels" not in without
    assert called != without == canonical_json(pool)


def test_a_snapshot_keeps_them() -> None:
    pool = folded(session_added(), CALLED)

    again = decode_pool(encode_pool(pool), FORMAT)

    assert canonical_json(again) == canonical_json(pool)
    assert again.labels == {ONE: "account 7"}


def test_what_adding_again_changes_of_an_account_is_said() -> None:
    """Joined once, counted upwards only; of one that is added anew that is not said apart."""
    pool = folded(session_added(), session_added("two"))
    items = [
        AddSession(session_id=ONE, sealed=b"", account=AccountId("a"), used={IMAGE: 3}),
        AddSession(session_id=SessionId("two"), sealed=b"", used={IMAGE: 2}),
        AddSession(session_id=SessionId("new"), sealed=b"", account=AccountId("a")),
    ]
    command = AddSessions(items=items, by="me")

    answer = decide_admin(pool, command, NOON).answer

    assert answer == Done(changed=["new"], joined=["one"], restated=["one", "two"])
    assert decide_admin(pool, command, NOON).answer == Done()
