"""Which ciphertexts are to go, and when."""

from contracts.base import SessionId
from contracts.pool import SessionAdded, SessionLabelled, SessionRetired, SessionRevived
from services.pool.domain.leading.shredding import SHREDDED_AFTER_S, DueShreds

ONE, TWO = SessionId("one"), SessionId("two")


def test_what_has_no_session_goes_after_a_while_the_longest_expected_first() -> None:
    shreds = DueShreds()
    shreds.expect([ONE, TWO], 10.0)
    shreds.expect([ONE], 11.0)

    assert shreds.due(10.0 + SHREDDED_AFTER_S) == [TWO]
    assert shreds.due(11.0 + SHREDDED_AFTER_S) == [TWO, ONE]
    assert not shreds.is_due(ONE, 10.0 + SHREDDED_AFTER_S)
    assert shreds.is_due(TWO, 10.0 + SHREDDED_AFTER_S)


def test_who_is_added_or_comes_back_keeps_it_and_who_is_removed_does_not() -> None:
    shreds, late = DueShreds(), SHREDDED_AFTER_S
    shreds.expect([ONE, TWO], 0.0)
    shreds.note_journalled(
        [SessionAdded(session_id=ONE, region="us"), SessionRevived(session_id=TWO)], 0.0
    )
    shreds.note_journalled([SessionLabelled(session_id=ONE, label="x")], 0.0)

    assert shreds.due(late) == []
    shreds.note_journalled([SessionRetired(session_id=ONE, reason="x")], 0.0)
    assert shreds.due(late) == [ONE]
    shreds.forget(ONE)
    assert not shreds.is_due(ONE, late)
