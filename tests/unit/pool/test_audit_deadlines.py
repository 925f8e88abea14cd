"""A lease that is still open after its deadline: whose fault it is, and whose it is not."""

from contracts.base import LeaderElected
from contracts.pool import LeaseRenewed, PoolEvent
from services.pool.audit import ViolationKind
from services.pool.domain.decide.upkeep import SWEPT_MAX
from tests.unit.pool.builders import (
    LEADER,
    WrittenLog,
    after,
    audited,
    lease_expired,
    lease_granted,
    policy_changed,
    session_added,
)

LEASE = lease_granted(units=2)
EXPIRED = lease_expired(LEASE)


def written(*events: PoolEvent) -> WrittenLog:
    log = WrittenLog()
    log.write([policy_changed(), session_added("one"), *events])
    return log


def overdue(*times: float, events: tuple[PoolEvent, ...] = ()) -> list[ViolationKind]:
    log = written(LEASE, *events)
    for seconds in times:
        log.write([], after(seconds))
    return [violation.kind for violation in audited(log).violations]


def test_a_lease_still_open_a_sweep_after_its_deadline_never_ended() -> None:
    assert overdue(900, 909) == []
    assert overdue(900, 910) == [ViolationKind.NEVER_ENDED]
    assert overdue(900, 910, 950) == [ViolationKind.NEVER_ENDED]


def test_a_leader_that_slept_past_a_deadline_has_one_sweep() -> None:
    assert overdue(5000, 5005) == []
    log = written(LEASE)
    log.write([], after(5000))
    log.write([EXPIRED], after(5001))
    log.write([], after(6000))

    assert audited(log).violations == []


def test_a_renewed_lease_has_its_new_deadline() -> None:
    renewed = LeaseRenewed(lease_id=LEASE.lease_id, expires_at=after(2000))

    assert overdue(900, 1999, events=(renewed,)) == []
    assert overdue(900, 2000, 2010, events=(renewed,)) == [ViolationKind.NEVER_ENDED]


def test_a_lease_renewed_while_overdue_is_no_longer_overdue() -> None:
    log = written(LEASE)
    log.write([], after(900))
    log.write([LeaseRenewed(lease_id=LEASE.lease_id, expires_at=after(2000))], after(905))
    log.write([], after(950))

    assert audited(log).violations == []


def elected(epoch: int) -> LeaderElected:
    return LeaderElected(writer=LEADER, epoch=epoch)


def test_a_leader_killed_before_its_first_commit_had_no_chance_to_sweep() -> None:
    log = written(LEASE)
    for epoch, seconds in ((2, 1000), (3, 1060), (4, 1120)):
        log.write([elected(epoch)], after(seconds), epoch=epoch)
    log.write([EXPIRED], after(1121), epoch=4)

    assert audited(log).violations == []


def test_a_new_leader_has_one_sweep_from_its_election_and_no_more() -> None:
    log = written(LEASE)
    log.write([], after(905))
    log.write([elected(2)], after(950), epoch=2)
    log.write([], after(959), epoch=2)

    assert audited(log).violations == []

    log.write([], after(960), epoch=2)

    (violation,) = audited(log).violations
    assert (violation.kind, violation.about) == (ViolationKind.NEVER_ENDED, LEASE.lease_id)


def test_an_election_does_not_excuse_the_leader_before_it() -> None:
    log = written(LEASE)
    log.write([], after(900))
    log.write([], after(911))
    log.write([elected(2)], after(912), epoch=2)

    assert [violation.kind for violation in audited(log).violations] == [ViolationKind.NEVER_ENDED]


def test_a_sweep_as_large_as_they_get_is_not_the_last_one() -> None:
    leases = [lease_granted(request=f"r{number}", units=0) for number in range(SWEPT_MAX + 1)]
    ends = [lease_expired(one) for one in leases]
    log = written()
    log.write(leases)
    log.write([elected(2)], after(1000), epoch=2)
    log.write(ends[:-1], after(1015), epoch=2)

    assert audited(log).violations == []

    log.write([], after(1025), epoch=2)

    assert [one.about for one in audited(log).violations] == [leases[-1].lease_id]


def test_a_sweep_that_had_room_for_more_leaves_none_behind() -> None:
    first, second = LEASE, lease_granted(request="r2")
    log = written(first, second)
    log.write([elected(2)], after(1000), epoch=2)
    log.write([EXPIRED], after(1015), epoch=2)

    assert [one.about for one in audited(log).violations] == [second.lease_id]
