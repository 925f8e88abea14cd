"""What accounts used, as SQL has it: by several sessions, and as operators said."""

from pathlib import Path

from contracts.base import AccountId, QuotaDay, ServiceType, SessionId
from contracts.pool import AccountChanged, SessionJoined
from tests.integration.analytics.parts import stored
from tests.unit.analytics.builders import Story, policy, session, used


def into_shop(name: str) -> SessionJoined:
    """A session comes into the account `shop`."""
    return SessionJoined(session_id=SessionId(name), account=AccountId("shop"))


def units_told(name: str, **units: int) -> AccountChanged:
    """So many units are used at least, on the day of the story."""
    named = {ServiceType(service_type): count for service_type, count in units.items()}
    return AccountChanged(
        session_id=SessionId(name), used=named, quota_day=QuotaDay("2026-01-01"), by="me"
    )


def test_an_account_has_what_its_sessions_used_and_what_was_said_of_it(tmp_path: Path) -> None:
    """Two sessions share one, the third has its own; the greatest that was said stands."""
    story = Story().tell(
        policy(), *map(session, ("s1", "s2", "s3")), into_shop("s1"), into_shop("s2")
    )
    story.tell(units_told("s1", image=6), units_told("s2", image=4, video=1), units_told("s3"))
    story.lease("a", used("a")).lease("b", used("b", session_id="s2"), session_id="s2")
    story.lease("c", used("c", session_id="s3"), session_id="s3")

    with stored(tmp_path / "a.duckdb", story) as readers:
        query = "from account_usage order by account, service_type"
        rows = [row[1:] for row in readers.ask_rows(query, 9).rows]

    assert rows == [
        ["s3", "image", 1, 1, 0, None],
        ["shop", "image", 2, 2, 0, 6],
        ["shop", "video", 0, 0, 0, 1],
    ]
