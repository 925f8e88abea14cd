"""Sessions that a call does not want: those that disappointed it, those that no server serves."""

from collections.abc import Container, Mapping

from contracts.base import SessionId
from services.pool.domain.records import Session


class Avoided(Container[SessionId]):
    """The sessions of these names, and those of these regions.

    A shelf that holds none but these is looked through to its end.
    """

    def __init__(
        self,
        names: Container[SessionId],
        regions: Container[str],
        sessions: Mapping[SessionId, Session],
    ) -> None:
        self._names = names
        self._regions = regions
        self._sessions = sessions

    def __contains__(self, session_id: object) -> bool:
        """Tell whether a session of the index is to be avoided."""
        assert isinstance(session_id, str)
        session = self._sessions[SessionId(session_id)]
        return session.region in self._regions or session_id in self._names
