"""The form of the hash before this one: what an audit compares old checkpoints with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from contracts.base import RequestId, ServerId, SessionId
from contracts.envelope import decode_envelope
from contracts.pool import PoolCheckpointed, SessionCooled, SessionSuspected
from services.pool.audit import Auditor
from services.pool.audit.version2 import VERSION_2, SecondVersion
from services.pool.domain import Pool, ViolationKind
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    NOON,
    after,
    lease_cancelled,
    lease_expired,
    lease_granted,
    policy_changed,
    session_added,
    usage,
)

GOLDEN = Path(__file__).parent / "golden" / "version2.jsonl"
ONE = SessionId("one")
LEASE, OPEN, OVERDUE = (lease_granted(request=name) for name in ("r1", "r2", "r3"))
SUSPECTED = SessionSuspected(session_id=ONE, server_id=ServerId("s"), request_id=RequestId("r0"))
DAYS_8 = 8 * 86_400


def cooled_by(request: str, session_id: str = "one") -> SessionCooled:
    return SessionCooled(
        session_id=SessionId(session_id),
        until=after(9),
        reason="x",
        request_id=RequestId(request),
    )


def followed(*history: tuple[Any, datetime]) -> SecondVersion:
    """The form as it follows these events, each with its moment."""
    pool = Pool()
    second = SecondVersion(pool)
    for event, at in history:
        second.drop_due(at)
        evolve(pool, event, at, 1)
        second.follow_event(event, at)
    return second


def laid_out(second: SecondVersion) -> dict[str, Any]:
    """The parts of the form that are followed, not read from the fold."""
    form = msgspec.json.decode(second.canonical_json())
    return {name: form[name] for name in ("leases", "forbidden", "penalised")}


def test_the_form_is_what_the_release_before_hashed() -> None:
    ends = [usage(LEASE), lease_expired(OVERDUE)]
    troubles = [SUSPECTED, cooled_by("r9"), lease_cancelled(LEASE, "")]
    history = [policy_changed(), session_added(), LEASE, OPEN, OVERDUE, *ends, *troubles]
    second = followed(*((event, NOON) for event in history))

    expected = "200186a26429f3aa8458251d5213d7403d666d28f661098faead659339220c3a"
    assert (second.is_comparable, second.state_hash()) == (True, expected)


def test_every_checkpoint_of_a_log_of_the_release_before_is_compared_and_holds() -> None:
    """Ten days of it, as its leader wrote them: leases, refusals and penalties come and go."""
    auditor = Auditor("evt.pool.0")
    for sequence, stored in enumerate(GOLDEN.read_bytes().splitlines(), 1):
        auditor.audit_envelope(sequence, stored, decode_envelope(stored))
    auditor.finish_audit()

    assert (auditor.violations, auditor.checkpoints) == ([], 19)


def test_a_checkpoint_of_that_version_that_differs_is_a_violation() -> None:
    auditor = Auditor("evt.pool.0")
    lines = GOLDEN.read_bytes().splitlines()
    last = decode_envelope(lines[-1])
    wrong = PoolCheckpointed(state_hash="0" * 64, hash_version=VERSION_2)
    forged = msgspec.json.encode(msgspec.structs.replace(last, events=[wrong]))

    for sequence, stored in enumerate([*lines[:-1], forged], 1):
        auditor.audit_envelope(sequence, stored, decode_envelope(stored))

    kinds = [violation.kind for violation in auditor.violations]
    assert kinds == [ViolationKind.STATE_HASH_DIFFERS]


def test_leases_forbidden_ids_and_penalties_leave_that_form_each_by_itself() -> None:
    forbidden = lease_cancelled(lease_granted(request="r5"), "")
    history = [
        (session_added(), NOON),
        (LEASE, NOON),
        (OPEN, NOON),
        (usage(LEASE), NOON),
        (cooled_by("r1"), after(60)),
        (cooled_by("r1"), after(70)),
        (cooled_by("", "one"), after(70)),
        (cooled_by("r7", "nobody"), after(70)),
        (forbidden, after(120)),
    ]
    second = followed(*history)

    whole = {"leases": 2, "forbidden": {"r5.1": "2025-03-01T12:02:00Z"}, "penalised": {"r1": ONE}}
    assert laid_out(second) == whole

    second.drop_due(after(DAYS_8))

    assert laid_out(second) == whole | {"leases": 1}

    second.drop_due(after(DAYS_8 + 60))

    assert laid_out(second) == whole | {"leases": 1, "penalised": {}}

    second.drop_due(after(DAYS_8 + 120))

    assert laid_out(second) == {"leases": 1, "forbidden": {}, "penalised": {}}


def test_at_the_end_of_the_calendar_nothing_leaves_that_form() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    second = followed((session_added(), NOON), (LEASE, NOON), (usage(LEASE), end))

    second.drop_due(end)

    assert laid_out(second)["leases"] == 1


def test_a_lease_on_no_session_and_other_events_are_not_in_that_form() -> None:
    second = followed((LEASE, NOON), (PoolCheckpointed(state_hash="x", hash_version=2), NOON))

    assert laid_out(second)["leases"] == 0
