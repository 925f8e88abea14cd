"""What speaks for and against sessions and servers, into state: `decide.blame` draws conclusions.

A charge is opened by a first accusation, and rests on the sessions that one server alone accuses.
It ends when that server serves, or ten minutes after the first; an accusation more than a minute
after the last one opens another in its place.
"""

from contracts.base import ServerId
from contracts.pool import CredentialsRefused, SessionDoubted, SessionStatus, UsageRecorded
from services.pool.domain.evidence import (
    COMPARED_FOR,
    KEYS_KEPT,
    NOTED_EVERY,
    SERVERS_KEPT,
    Charge,
    Evidence,
    KeySuccess,
    place_names,
    place_of,
)
from services.pool.domain.index.choice import SUSPICION
from services.pool.domain.records import Accuser, KeyFailure, Session
from services.pool.domain.state import Pool

_IN_SERVICE = (SessionStatus.ACTIVE, SessionStatus.DRAINING)
FAILURES_KEPT = 8
"""Of one session: two keys at each of four servers."""


def note_success(state: Pool, session: Session, event: UsageRecorded) -> None:
    """Note that a key's call succeeded with a session; what spoke against that counts no longer."""
    evidence = state.evidence
    if (evidence.accused or evidence.charges) and event.attempts:
        _note_server(state, event.attempts[-1].server_id)
    note_standing(state)
    if session.failures or session.doubts:
        clear_doubts(state, session)
    if not event.key_id or not event.attempts:
        return
    for name in place_names(event.key_id, event.service_type, event.attempts[-1].server_id):
        noted = evidence.successes.get(name)
        # Every request comes through here: one session more teaches nothing for a while.
        if (
            noted is None
            or noted.other_at is None
            or state.at - noted.at >= NOTED_EVERY
            or state.sessions[noted.session_id].status not in _IN_SERVICE
            or state.sessions[noted.other_id].status not in _IN_SERVICE
        ):
            _note_key(state, session, name, event.path, noted)


def _note_key(
    state: Pool, session: Session, place: str, path: str, noted: KeySuccess | None
) -> None:
    """Note the key's success beside its last one with another session."""
    session_id, at, evidence = session.session_id, state.at, state.evidence
    if noted is None:
        success = KeySuccess(session_id, at, path)
        if len(evidence.successes) >= KEYS_KEPT:
            _forget_older_half(state, evidence)
    elif noted.session_id != session_id:
        success = KeySuccess(session_id, at, path, noted.session_id, noted.at, noted.path)
    elif at - noted.at < NOTED_EVERY:
        return
    else:
        success = KeySuccess(session_id, at, path, noted.other_id, noted.other_at, noted.other_path)
    state.put_entry(evidence.successes, place, success)


def _forget_older_half(state: Pool, evidence: Evidence) -> None:
    """Forget the keys that succeeded longest ago; by their names where that is the same."""
    by_age = sorted(evidence.successes.items(), key=lambda entry: (entry[1].at, entry[0]))
    state.set_field(evidence, "successes", dict(by_age[KEYS_KEPT // 2 :]))


def _note_server(state: Pool, server_id: ServerId) -> None:
    """Note that a server served: it is not at fault, and others are compared with it."""
    evidence = state.evidence
    for accused, charge in [*evidence.charges.items()]:
        if accused == server_id or state.at - charge.first_at > COMPARED_FOR:
            state.drop_entry(evidence.charges, accused)
            state.drop_entry(evidence.suspects, accused)
    if len(evidence.served_at) >= SERVERS_KEPT and server_id not in evidence.served_at:
        state.set_field(evidence, "served_at", {})
    state.put_entry(evidence.served_at, server_id, state.at)


def note_accusation(state: Pool, session: Session, server_id: ServerId) -> None:
    """Charge a server with calling a session's login expired, unless another one agrees with it."""
    if not server_id:
        return
    at, evidence = state.at, state.evidence
    others = [accuser for accuser in session.accusers if accuser.server_id != server_id]
    _withdraw(state, session)
    state.set_field(session, "accusers", (*others[-1:], Accuser(server_id, at)))
    state.put_entry(evidence.accused, session.session_id, None)
    if any(at - accuser.at <= COMPARED_FOR for accuser in others):
        return
    charge = evidence.charges.get(server_id)
    if charge is None or at - charge.last_at > SUSPICION or at - charge.first_at > COMPARED_FOR:
        state.put_entry(evidence.charges, server_id, Charge(at, at, session.session_id))
        state.put_entry(evidence.suspects, server_id, {session.session_id: None})
        return
    several = charge.several or charge.first_id != session.session_id
    again = Charge(charge.first_at, at, charge.first_id, several)
    state.put_entry(evidence.charges, server_id, again)
    suspects = evidence.suspects.get(server_id)
    if suspects is None:
        state.put_entry(evidence.suspects, server_id, {session.session_id: None})
    else:
        state.put_entry(suspects, session.session_id, None)


def drop_accusations(state: Pool, session: Session) -> None:
    """Forget who called a session's login expired: it is suspect no longer."""
    if session.accusers:
        _withdraw(state, session)
        state.set_field(session, "accusers", ())
        state.drop_entry(state.evidence.accused, session.session_id)


def _withdraw(state: Pool, session: Session) -> None:
    """Let no charge rest on this session any more."""
    for accuser in session.accusers:
        suspects = state.evidence.suspects.get(accuser.server_id)
        if suspects is None:
            continue
        state.drop_entry(suspects, session.session_id)
        if not suspects:
            state.drop_entry(state.evidence.suspects, accuser.server_id)


def on_credentials_refused(state: Pool, _: CredentialsRefused) -> None:
    """Know that it has been told."""
    state.set_field(state.evidence, "refused_at", state.at)


def note_standing(state: Pool) -> None:
    """See whether logins are believed again: a call succeeded, or a session's standing changed."""
    if state.evidence.refused_at is not None and not state.all_barred:
        state.set_field(state.evidence, "refused_at", None)


def note_failure(state: Pool, session: Session, event: UsageRecorded) -> None:
    """Note a failure that may be the session's fault, beside the last one of another key there."""
    place = place_of(event)
    if place is None:
        return
    here = (place.service_type, place.server_id)
    beside, elsewhere = [], []
    for failure in session.failures:
        if (failure.service_type, failure.server_id) != here:
            elsewhere.append(failure)
        elif failure.key_id != place.key_id:
            beside.append(failure)
    latest = KeyFailure(place.key_id, state.at, *here)
    failures = (*elsewhere, *beside[-1:], latest)
    state.set_field(session, "failures", failures[-FAILURES_KEPT:])


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
