"""When a leader journals the hash of its ledger, and where in its envelope."""

from contracts.base import ServiceType, SessionId
from contracts.pool import ChangeSession, PoolCheckpointed, SessionAdded
from services.pool.commits.batches import ADMIN, LEASE, CommandBatch
from services.pool.commits.rounds import CHECKPOINT_EVENTS, CHECKPOINT_EVERY_S, Checkpoints, Queue
from services.pool.domain import state_hash
from tests.unit.pool.builders import NOON, folded, lease_wanted, policy_changed, session_added

HASHED = PoolCheckpointed(state_hash="x", hash_version=1)
ADDED = session_added()


class Term:
    """A term's checkpoints under a clock of the test's own."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.checkpoints = Checkpoints(lambda: self.seconds)

    def due_after(self, *events: SessionAdded | PoolCheckpointed, seconds: float = 0) -> bool:
        self.checkpoints.note_journalled(events)
        self.seconds += seconds
        return self.checkpoints.is_due


def test_a_checkpoint_is_due_after_so_many_events() -> None:
    term = Term()

    assert not term.due_after(*[ADDED] * (CHECKPOINT_EVENTS - 1))
    assert term.due_after(ADDED)
    assert not term.due_after(HASHED, ADDED)
    assert not term.due_after(*[ADDED] * (CHECKPOINT_EVENTS - 2))
    assert term.due_after(ADDED)


def test_a_checkpoint_is_due_after_so_many_minutes_if_anything_happened() -> None:
    term = Term()

    assert not term.due_after(seconds=CHECKPOINT_EVERY_S)
    assert term.due_after(ADDED)
    assert not term.due_after(HASHED, seconds=CHECKPOINT_EVERY_S)
    assert term.due_after(ADDED)


def test_at_the_end_of_a_term_a_checkpoint_is_due_for_anything_not_yet_in_one() -> None:
    term = Term()
    term.checkpoints.ending = True

    assert not term.due_after()
    assert term.due_after(ADDED)
    assert term.due_after(HASHED, ADDED)
    assert not term.due_after(HASHED)


def test_an_envelope_begins_with_its_checkpoint_which_a_failed_append_leaves_due() -> None:
    pool = folded(session_added())
    queue = Queue(pool, lambda: 0.0)
    queue.add_batch(CommandBatch(LEASE, [lease_wanted()]))
    queue.checkpoints.note_journalled([ADDED])
    queue.checkpoints.ending = True
    hashed = state_hash(pool)

    for _ in range(2):
        pool.begin()
        made = queue.decide_round(NOON)
        first, *others = made.events
        assert isinstance(first, PoolCheckpointed)
        assert first.state_hash == hashed
        assert len(others) == 2
        pool.rollback()
        queue.put_back(decided.queued for decided in made.decided)
        assert queue.checkpoints.is_due

    queue.checkpoints.note_journalled(made.events)
    pool.begin()
    assert isinstance(queue.decide_round(NOON).events[0], PoolCheckpointed)


def test_closing_a_session_is_given_room_for_an_event_of_every_service_type() -> None:
    names = [ServiceType(f"type-{number}") for number in range(300)]
    limits = dict.fromkeys(names, 1)
    pool = folded(policy_changed(daily_limits=limits), session_added())
    command = ChangeSession(session_id=SessionId("one"), used_up=True, by="me")
    batch = CommandBatch(ADMIN, [command])
    queue = Queue(pool, lambda: 0.0)
    queue.add_batch(batch)

    made = queue.decide_round(NOON)

    assert len(made.events) == 300
    assert made.size <= min(batch.item_weight(0), batch.weight_max)
