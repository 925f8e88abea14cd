"""Sessions looked for by what they are, and changed: a bounded number at a time.

For the pool's leader does it. Nobody keeps anything between two looks, or changes: each says where
it stopped, and the next begins there.
"""

from contracts.base import Command, Count, Part, Reply, ServiceType, SessionId
from contracts.pool.words import SessionStatus

LOOKED_MAX = 2000
"""Sessions that are looked at at once: meanwhile nothing is granted."""


class SessionFilter(Part, frozen=True, kw_only=True):
    """Which sessions: those that fit all that is said; without a word, all of them."""

    statuses: list[str] = []
    """Any of these, as a session is shown: what cools is `cooling`, not `active`."""
    service_type: ServiceType = ServiceType("")
    """With a daily limit above 0 for it."""
    label: str = ""
    """With exactly this label."""
    text: str = ""
    """With this in their id, label, region, origin or reason, in either letter case."""


class FindSessions(Command, frozen=True, kw_only=True, tag="find_sessions"):
    """Look at the next `LOOKED_MAX` sessions, and name the first of those that fit.

    A list has two parts, each in order: those that stand, and behind them the `retired` ones.
    """

    wanted: SessionFilter = SessionFilter()
    retired: bool = False
    """Which of the parts."""
    sort: str = "added"
    """A name of `services.pool.domain.listing`; `remaining` and `used` count the service type of
    `wanted`, or all of them together."""
    descending: bool = False
    start: Count | None = None
    """Where the look before stopped (`next`); None: at the beginning."""
    beyond: tuple[str | float, Count] | None = None
    """Only what comes behind this key and place, in order."""
    limit: Count = 100


class FoundSession(Part, frozen=True, kw_only=True):
    """A session that fits: by what it is sorted, and its place among all that were ever added."""

    session_id: SessionId
    key: str | float
    place: Count


class SessionsFound(Reply, frozen=True, kw_only=True, tag="sessions_found"):
    """The first that fit, of those that were looked at, as the fold has them at `sequence`."""

    sequence: int
    items: list[FoundSession] = []
    next: Count | None = None
    """Where to look on; None: all of this part were looked at."""


class ChangeSessions(Command, frozen=True, kw_only=True, tag="change_sessions"):
    """Change those that fit of the next `LOOKED_MAX` sessions, as `ChangeSession` changes one.

    Which these are is decided with the change. Those that retired are left alone, and so is what is
    so already.
    """

    wanted: SessionFilter = SessionFilter()
    status: SessionStatus | None = None
    cool_s: float | None = None
    label: str | None = None
    reason: str = ""
    by: str
    start: Count = 0
    """Where the change before stopped (`next`)."""
    dry_run: bool = False
    """Only say how many would be changed."""


class SessionsChanged(Reply, frozen=True, kw_only=True, tag="sessions_changed"):
    """It is in the log, for those that were looked at."""

    fitting: Count = 0
    """Of them, those that fit."""
    changed: Count = 0
    """Of these, those that were not so before; on a dry run, those that would be changed."""
    next: Count | None = None
    """Where to go on; None: all sessions were looked at."""
