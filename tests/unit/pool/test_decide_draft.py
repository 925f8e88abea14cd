"""A draft: what is emitted joins the events and the pool, and what should never be goes nowhere."""

from typing import Any

import pytest

from contracts.base import SessionId
from contracts.pool import LeaseExpired, PoolEvent, SessionChanged
from services.pool.domain import state_hash
from services.pool.domain.decide.decision import Draft
from tests.unit.pool.builders import (
    AVATAR,
    NOON,
    after,
    folded,
    lease_granted,
    lease_named,
    session_added,
    usage,
)

LEASE = lease_granted(service_type=AVATAR)


def test_what_is_emitted_joins_the_events_and_the_pool() -> None:
    pool = folded(session_added())
    draft = Draft(pool, after(5))

    draft.emit(LEASE)

    assert draft.events == [LEASE]
    assert pool.leases[LEASE.lease_id].granted_at == after(5)
    assert Draft(pool, NOON).events == []


@pytest.mark.parametrize(
    "wrong",
    [
        lease_granted(service_type=AVATAR, request="r2"),
        LEASE,
        LeaseExpired(lease_id=lease_named("r9"), session_id=SessionId("one")),
        SessionChanged(session_id=SessionId("nobody")),
    ],
    ids=["above the limit", "granted twice", "never granted", "no such session"],
)
def test_no_decision_of_ours_is_a_violation(wrong: PoolEvent) -> None:
    pool = folded(session_added(), LEASE)
    before = state_hash(pool)

    pool.begin()

    with pytest.raises(AssertionError, match=f"about='{about(wrong)}'"):
        Draft(pool, NOON).emit(wrong)

    pool.rollback()

    assert (state_hash(pool), pool.violations) == (before, [])


def about(event: Any) -> str:
    return str(getattr(event, "lease_id", event.session_id))


def test_what_a_gateway_did_wrong_is_journalled_all_the_same() -> None:
    pool = folded(session_added(), LEASE)
    draft = Draft(pool, NOON)

    draft.emit(usage(LEASE, units=2))

    assert [violation.about for violation in pool.violations] == [LEASE.lease_id]
    assert len(draft.events) == 1
