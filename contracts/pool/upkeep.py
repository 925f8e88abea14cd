"""How the pool keeps itself filled and healthy: growth, and checks of accounts."""

from contracts.base import Command, Count, Event, Instant, Reply, ServerId, SessionId


class GrowthHeld(Event, frozen=True, kw_only=True, tag="growth_held"):
    """The pool lacks sessions and asks its provisioner for none, until `GrowthResumed`.

    `logins_refused`: every session is suspect or disabled; `new_ones_bad`: so are more than half
    of those that joined in the last hour; `day_used_up`: `max_size` were added on this day.
    """

    reason: str
    wanted: Count = 0
    """How many it would have asked for."""
    until: Instant | None = None
    """When it ends by itself, where that is known."""


class GrowthResumed(Event, frozen=True, kw_only=True, tag="growth_resumed"):
    """What held growth is over, or nothing is lacking any more."""

    reason: str
    """Why it was held."""


class CheckRecorded(Event, frozen=True, kw_only=True, tag="check_recorded"):
    """A backend was asked whether a session's account lives; authored by the gateway that asked.

    What comes of it stands behind it: a suspicion, or the end of one; never more.
    """

    session_id: SessionId
    judged: str
    """`alive`, `dead` (it said that the login expired) or `unknown`."""
    server_id: ServerId = ServerId("")
    dialect: str = ""
    asked: list[str] = []
    """Methods and paths, in order; never what went with them."""
    message: str = ""
    """What the backend said, its credential concealed."""
    by: str = ""
    """Who had it checked: the key of an operator, or `pool`."""


class RecordCheck(Command, frozen=True, kw_only=True, tag="record_check"):
    """Journal what a check showed, and suspect or clear the session by it."""

    recorded: CheckRecorded


class CheckSession(Command, frozen=True, kw_only=True, tag="check_session"):
    """Have a gateway ask a backend, by `/token/check`, whether a session's account lives."""

    session_id: SessionId
    region: str = ""


class SessionChecked(Reply, frozen=True, kw_only=True, tag="session_checked"):
    """What came of it, for the pool to record."""

    recorded: CheckRecorded
