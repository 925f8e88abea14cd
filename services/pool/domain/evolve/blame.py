"""What speaks for and against sessions, into state: nobody is blamed here (`decide.blame`)."""

from contracts.base import KeyId
from contracts.pool import SessionDoubted, UsageRecorded
from services.pool.domain.evidence import KEYS_KEPT, NOTED_EVERY, Evidence, KeySuccess
from services.pool.domain.records import KeyFailure, Session
from services.pool.domain.state import Pool


def note_success(state: Pool, session: Session, event: UsageRecorded) -> None:
    """Note that a key's call succeeded with a session; what spoke against that counts no longer."""
    if session.doubts or session.failures:
        clear_doubts(state, session)
    noted = state.evidence.successes.get(event.key_id)
    if (
        noted is not None
        and state.at - noted.at < NOTED_EVERY
        # Every request comes through here: one session more teaches nothing for a while.
        and (noted.other_at is not None or noted.session_id == session.session_id)
    ):
        return
    _note_key(state, session, event.key_id, noted)


def _note_key(state: Pool, session: Session, key_id: KeyId, noted: KeySuccess | None) -> None:
    """Note the key's success beside its last one with another session."""
    if not key_id:
        return
    session_id, evidence = session.session_id, state.evidence
    if noted is None:
        success = KeySuccess(session_id, state.at)
        if len(evidence.successes) >= KEYS_KEPT:
            _forget_older_half(state, evidence)
    elif noted.session_id == session_id:
        success = KeySuccess(session_id, state.at, noted.other_id, noted.other_at)
    else:
        success = KeySuccess(session_id, state.at, noted.session_id, noted.at)
    state.put_entry(evidence.successes, key_id, success)


def _forget_older_half(state: Pool, evidence: Evidence) -> None:
    """Forget the keys that succeeded longest ago; by their names where that is the same."""
    by_age = sorted(evidence.successes.items(), key=lambda entry: (entry[1].at, entry[0]))
    state.set_field(evidence, "successes", dict(by_age[KEYS_KEPT // 2 :]))


def note_failure(state: Pool, session: Session, key_id: KeyId) -> None:
    """Note a failure that may be the session's fault, beside the last one of another key."""
    others = [failure for failure in session.failures if failure.key_id != key_id]
    failures = (*others[-1:], KeyFailure(key_id, state.at))
    state.set_field(session, "failures", failures)


def on_session_doubted(state: Pool, session: Session, event: SessionDoubted) -> None:
    """Count a failure that speaks against the session."""
    state.set_field(session, "doubts", max(1, event.failures))
    state.put_entry(state.evidence.doubted, session.session_id, None)


def clear_doubts(state: Pool, session: Session) -> None:
    """Drop what speaks against a session: it succeeded, or somebody has decided about it."""
    if state.index is not None:
        # Registered first: the session is placed again once its fields are as they were.
        state.on_rollback(state.index.place_session, session)
    state.set_field(session, "doubts", 0)
    state.set_field(session, "failures", ())
    state.drop_entry(state.evidence.doubted, session.session_id)
    state.place_session(session)
