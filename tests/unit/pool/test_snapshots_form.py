"""A ledger as bytes, and back: nothing is lost that the events determine."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.base import KeyId, RequestId, ServerId, SessionId, lease_id
from contracts.pool import (
    CredentialsRefused,
    GrowthHeld,
    KeyRotationBegan,
    LeaseGranted,
    LeaseQueued,
    LeaseRefused,
    QuotaObserved,
    Refusal,
    SessionCooled,
    SessionDoubted,
    SessionStatus,
    SessionSuspected,
    Verdict,
)
from services.pool.domain import Pool, decide_lease, state_hash
from services.pool.domain.evolve.fold import evolve
from services.pool.domain.records import Lease
from services.pool.snapshots import formats
from services.pool.snapshots.form import (
    SavedLease,
    decode_pool,
    encode_pool,
)
from services.pool.snapshots.formats import FORMAT, UnreadableSnapshotError
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    NOON,
    TODAY,
    VIDEO,
    after,
    folded,
    lease_cancelled,
    lease_expired,
    lease_granted,
    lease_reconciled,
    lease_wanted,
    session_added,
    session_requested,
    usage,
    whole,
)

GOLDEN = Path(__file__).parent / "golden"
ONE = SessionId("one")
MINTED = "0195a3e1-1c00-7abc-8def-0123456789ab"
SETTLED, RELEASED, GIVEN_BACK, OPEN, EXPIRED, RECONCILED, LATE, TRIAL, OLD = (
    lease_granted(request=f"r{number}") for number in range(9)
)


def full_pool() -> Pool:
    """A ledger with something in each of its parts."""
    old_day = lease_granted(request="old", quota_day="2020-01-01")
    minted: LeaseGranted = lease_granted("two", VIDEO, request=MINTED)
    pool = folded(
        session_added(),
        session_added("two", limits={IMAGE: 3}, quota_timezone="Asia/Tokyo", region="us"),
        session_added("three"),
        *(SETTLED, RELEASED, GIVEN_BACK, OPEN, EXPIRED, RECONCILED, LATE, minted, old_day),
        usage(SETTLED),
        usage(RELEASED, Verdict.REJECTED),
        lease_cancelled(GIVEN_BACK),
        lease_expired(EXPIRED),
        lease_expired(RECONCILED),
        lease_reconciled(RECONCILED, 1),
        lease_expired(LATE),
        usage(LATE, Verdict.OUTCOME_UNKNOWN),
        usage(minted),
        lease_cancelled(lease_granted(request="r9"), ""),
        # Days later than all that are kept with it: the old one has left its session.
        lease_granted("one", AVATAR, request="new", quota_day="2030-01-01"),
        QuotaObserved(session_id=ONE, service_type=VIDEO, quota_day=TODAY),
        SessionCooled(
            session_id=ONE, until=after(60), reason="risk_control", request_id=RequestId("r1")
        ),
        SessionSuspected(
            session_id=SessionId("three"),
            server_id=ServerId("server-1"),
            request_id=RequestId(MINTED),
        ),
        LeaseRefused(
            request_id=RequestId("r10"),
            number=1,
            service_type=IMAGE,
            key_id=KeyId("k"),
            reason=Refusal.QUOTA_EXHAUSTED,
            retry_after_s=5.0,
        ),
        usage(SETTLED),
        session_requested(VIDEO, "r11"),
        LeaseQueued(
            lease_id=lease_id(RequestId("r11"), 1),
            requested=session_requested(VIDEO, "r11"),
            since=NOON,
            deadline=after(60),
        ),
        usage(LATE, key_id=KeyId("k")),
        SessionDoubted(
            session_id=ONE,
            request_id=RequestId("r12"),
            key_id=KeyId("k"),
            reason="answered 403",
        ),
        CredentialsRefused(suspects=1, disabled=0),
        KeyRotationBegan(key_id="5f1c0a9e", previous_id="b7d23c41"),
        GrowthHeld(reason="logins_refused", wanted=2),
    )
    assert pool.violations
    return pool


def whole_of(pool: Pool) -> list[Any]:
    """All that a snapshot is to keep, as plain values."""
    return [
        whole(pool),
        list(pool.sessions),
        set(pool.opened),
        set(pool.uncertain),
        list(pool.departures),
        pool.standing,
        pool.used_at,
        pool.refusals.refused,
        pool.violations,
        pool.accusations,
    ]


def test_a_ledger_that_is_laid_out_and_made_again_is_the_same() -> None:
    pool = full_pool()

    again = decode_pool(encode_pool(pool), FORMAT)

    assert whole_of(again) == whole_of(pool)
    assert state_hash(again) == state_hash(pool)


def test_a_ledger_made_again_goes_on_as_the_one_it_was() -> None:
    pool = full_pool()
    again = decode_pool(encode_pool(pool), FORMAT)
    pool.commit()

    for one in (pool, again):
        for event in (usage(OPEN), usage(EXPIRED), lease_granted("two", request="r20")):
            evolve(one, event, after(60), 9)
        answer = decide_lease(one, lease_wanted(IMAGE, "r0", asked_at=NOON), after(60)).answer
        assert answer.reason is Refusal.STALE_REQUEST
        one.drop_due(after(9 * 86_400))
        one.commit()

    assert whole_of(again) == whole_of(pool)
    assert again.standing[SessionStatus.SUSPECT] == 1


def test_a_snapshot_of_the_third_format_is_read_for_ever() -> None:
    """Its bytes are never written anew: what cannot read them needs an upcaster."""
    again = decode_pool((GOLDEN / "snapshot3.msgpack").read_bytes(), 3)

    assert whole_of(again) == whole_of(full_pool())


def test_each_field_of_a_lease_is_kept() -> None:
    kept = {*SavedLease.__struct_fields__, "session", "tally"}

    assert kept == {*Lease.__struct_fields__, "session_id"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: b"no msgpack",
        lambda plain: msgspec.msgpack.encode({**plain, "sessions": [{}]}),
        lambda plain: msgspec.msgpack.encode({**plain, "sessions": []}),
        lambda plain: msgspec.msgpack.encode(
            {**plain, "spans": [{**plain["spans"][0], "marks": {1: b"short"}}]}
        ),
        lambda plain: msgspec.msgpack.encode(
            {**plain, "spans": [{**plain["spans"][0], "marks": {99: b"0" * 16}}]}
        ),
    ],
    ids=["bytes", "session", "reference", "run", "mark"],
)
def test_what_is_no_ledger_is_refused(damage: Any) -> None:
    plain = msgspec.msgpack.decode(encode_pool(full_pool()), strict=False)

    with pytest.raises(UnreadableSnapshotError):
        decode_pool(damage(plain), FORMAT)


def test_an_earlier_format_is_read_by_its_upcaster(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = full_pool()
    plain = msgspec.msgpack.decode(encode_pool(pool))
    plain["ancient"] = plain.pop("policy")
    earlier = msgspec.msgpack.encode(plain)
    monkeypatch.setitem(
        formats.UPCASTERS, FORMAT - 1, lambda plain: {**plain, "policy": plain["ancient"]}
    )

    again = decode_pool(earlier, FORMAT - 1)

    assert whole_of(again) == whole_of(pool)

    with pytest.raises(UnreadableSnapshotError, match="no way leads from format 1 to 3"):
        decode_pool(earlier, FORMAT - 2)
