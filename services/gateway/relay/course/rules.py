"""Which rule holds for which happening at which stage."""

from collections.abc import Callable
from typing import Any

from services.gateway.relay.course import asking, leaving, trying
from services.gateway.relay.course.facts import CallFacts, Trail
from services.gateway.relay.course.happenings import (
    Answered,
    BrokenOff,
    Chosen,
    CredentialRead,
    CredentialUnreadable,
    Entered,
    Happening,
    Judged,
    LeaseUnanswered,
    NoServerFound,
    NotAsked,
    NotYet,
    Passed,
    Paused,
    SelectionUnanswered,
)
from services.gateway.relay.course.moves import Next, go_for_lease
from services.gateway.relay.course.stages import (
    Asking,
    AskingLast,
    AwaitingGrant,
    Entering,
    FetchingCredential,
    Passing,
    Pausing,
    Selecting,
    Sending,
    Stage,
)
from services.gateway.relay.course.steps import Steps


def begin(call: CallFacts) -> tuple[Entering, Steps]:
    """Open the course of a request."""
    return go_for_lease(call, Trail())


def advance(stage: Stage, happening: Happening, now_s: float) -> Next:
    """Say what follows at `stage` when this happens at `now_s` (of the clock of `started_s`).

    The steps are carried out in their order; the last is waited for, or ends the request.
    """
    rule = _RULES.get((type(stage), type(happening)))
    assert rule is not None, f"{type(happening).__name__} at {type(stage).__name__}"
    return rule(stage, happening, now_s)


_RULES: dict[tuple[type[Any], type[Any]], Callable[[Any, Any, float], Next]] = {
    (Entering, Entered): asking.on_entered,
    (Entering, NotAsked): asking.on_not_asked,
    (Entering, BrokenOff): leaving.on_broken_off_entering,
    (Asking, NotAsked): asking.on_not_asked,
    (Asking, LeaseUnanswered): asking.on_lease_unanswered,
    (Asking, Answered): asking.on_answered,
    (Asking, BrokenOff): leaving.on_broken_off_asking,
    (AwaitingGrant, Answered): asking.on_answered,
    (AwaitingGrant, NotYet): asking.on_not_yet,
    (AwaitingGrant, NotAsked): asking.on_wait_refused,
    (AwaitingGrant, BrokenOff): leaving.on_broken_off_asking,
    (AskingLast, NotAsked): asking.on_not_asked,
    (AskingLast, LeaseUnanswered): asking.on_lease_unanswered,
    (AskingLast, Answered): asking.on_answered_last,
    (AskingLast, BrokenOff): leaving.on_broken_off_asking,
    (FetchingCredential, CredentialRead): trying.on_credential_read,
    (FetchingCredential, CredentialUnreadable): trying.on_credential_unreadable,
    (FetchingCredential, BrokenOff): leaving.on_broken_off_in_hand,
    (Selecting, Chosen): trying.on_chosen,
    (Selecting, NoServerFound): trying.on_no_server_found,
    (Selecting, SelectionUnanswered): trying.on_selection_unanswered,
    (Selecting, BrokenOff): leaving.on_broken_off_in_hand,
    (Sending, Judged): trying.on_judged,
    (Sending, BrokenOff): leaving.on_broken_off_in_hand,
    (Pausing, Paused): trying.on_paused,
    (Pausing, BrokenOff): leaving.on_broken_off_in_hand,
    (Passing, Passed): leaving.on_passed,
    (Passing, BrokenOff): leaving.on_broken_off_passing,
}
