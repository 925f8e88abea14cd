"""Whatever a log holds folds: no event of it may stop the pool, or an audit."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base import RequestId, ServerId, ServiceType, SessionId, WriterId
from contracts.envelope import Envelope
from contracts.events import decode_event
from contracts.pool import PoolStatus, SessionSuspected
from services.pool.domain import (
    Pool,
    checkpoint_ledger,
    decide_growth,
    decide_lease,
    fold_envelope,
    growth_of,
    next_wakeup,
    pool_status,
    sweep_overdue,
)
from tests.anyevent import ANY_EVENT, ANY_MOMENT
from tests.contract.test_golden import golden_lines
from tests.unit.pool.builders import NOON, WrittenLog, audited, lease_wanted, session_added


@settings(deadline=None)
@given(events=st.lists(ANY_EVENT, max_size=12), at=st.just(NOON) | ANY_MOMENT)
def test_any_event_folds(events: list[Any], at: datetime) -> None:
    state = Pool()

    writer = WriterId("w")
    seen = Envelope(writer=writer, epoch=1, number=1, time=at, previous_hash="", events=events)
    fold_envelope(state, 1, seen)

    assert state.sequence == 1
    led(state)


def test_a_suspicion_at_the_end_of_the_calendar_folds() -> None:
    state = Pool()
    suspected = SessionSuspected(
        session_id=SessionId("one"), server_id=ServerId("x"), request_id=RequestId("r")
    )

    seen = Envelope(
        writer=WriterId("w"),
        epoch=1,
        number=1,
        time=datetime.max.replace(tzinfo=UTC),
        previous_hash="",
        events=[session_added("one"), suspected],
    )
    fold_envelope(state, 1, seen)

    led(state)


def led(state: Pool) -> None:
    """Do with a state what its leader does all day."""
    for service_type in ("image", "a"):
        state.commit()
        decide_lease(state, lease_wanted(ServiceType(service_type), asked_at=NOON), NOON)
    sweep_overdue(state, NOON)
    next_wakeup(state, NOON)
    growth_of(state, NOON)
    state.commit()
    decide_growth(state, False, NOON)
    pool_status(state, PoolStatus(sessions=True, leases="open"), NOON, 1, 1)
    checkpoint_ledger(state, NOON)


def test_golden_lines_fold_and_are_audited() -> None:
    events = [decode_event(line) for line in golden_lines("pool")]
    log = WrittenLog()
    log.write(events)
    state = Pool()
    for sequence, _, one in log.envelopes:
        fold_envelope(state, sequence, one)

    led(state)

    assert audited(log).events == len(events) + 1


@settings(deadline=None, max_examples=50)
@given(events=st.lists(ANY_EVENT, min_size=1, max_size=12), at=st.just(NOON) | ANY_MOMENT)
def test_any_event_is_audited(events: list[Any], at: datetime) -> None:
    log = WrittenLog()
    log.write(events, at)

    assert audited(log).events == len(events) + 1
