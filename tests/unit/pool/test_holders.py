"""Who has which master keys, as the pool's leader hears it with the pings."""

from contracts.base import Ping
from contracts.pool import KeyHolder
from runtime.secrets import Sealer, key_id_of
from services.pool.keys.holders import HEARD_S, LISTENED_MIN_S, KeyHolders

OLD, NEW = key_id_of("old"), key_id_of("new")


class Room:
    """A leader that has just begun to listen, and its clock."""

    def __init__(self, text: str = "new\nold") -> None:
        self.now = 100.0
        self.holders = KeyHolders("pool-1", Sealer(text), lambda: self.now)

    def hear(self, process: str, *key_ids: str, inbox: str = "_INBOX_gateway.x.y") -> None:
        self.holders.note_ping(Ping(process=process, key_ids=[*key_ids]), inbox)


def test_leader_itself_and_everybody_who_pings_are_holders() -> None:
    room = Room()
    room.hear("gw-1@host", OLD)
    room.now += 2
    room.hear("pool-2", NEW, OLD, inbox="_INBOX_pool.x.y")

    assert room.holders.list_holders() == [
        KeyHolder(process="pool-1", key_ids=[NEW, OLD]),
        KeyHolder(process="gw-1@host", key_ids=[OLD], heard_s=2.0),
        KeyHolder(process="pool-2", key_ids=[NEW, OLD]),
    ]


def test_process_of_an_earlier_version_is_known_by_its_inbox() -> None:
    room = Room()
    room.hear("", inbox="_INBOX_gateway.abc.1")
    room.hear("", inbox="_INBOX_gateway.abc.2")
    room.hear("", inbox="_INBOX_auditor.def.1")
    room.hear("", inbox="_INBOX.def.1")

    others = room.holders.list_holders()[1:]

    assert others == [KeyHolder(process="a gateway of an earlier version (abc)", key_ids=[])]


def test_who_is_silent_for_long_counts_as_gone() -> None:
    room = Room()
    room.hear("gw-1", OLD)
    room.now += HEARD_S

    assert len(room.holders.list_holders()) == 2

    room.now += 0.1
    assert [holder.process for holder in room.holders.list_holders()] == ["pool-1"]


def test_everybody_seals_under_a_key_only_after_they_were_listened_for() -> None:
    room = Room()
    room.hear("gw-1", OLD, NEW)

    assert not room.holders.all_seal_under(NEW), "it may not have heard everybody"

    room.now += LISTENED_MIN_S

    assert not room.holders.all_seal_under(NEW), "one of them seals under another"

    room.hear("gw-1", NEW, OLD)

    assert room.holders.all_seal_under(NEW)
    assert not room.holders.all_seal_under(OLD)


def test_new_term_begins_with_nobody_heard() -> None:
    room = Room()
    room.hear("gw-1", NEW)
    room.now += LISTENED_MIN_S

    room.holders.begin_term()

    assert room.holders.listened_s == 0
    assert [holder.process for holder in room.holders.list_holders()] == ["pool-1"]


def test_leader_that_pinged_as_a_standby_is_not_named_twice() -> None:
    room = Room()
    room.hear("pool-1", OLD, inbox="_INBOX_pool.x.y")

    assert room.holders.list_holders() == [KeyHolder(process="pool-1", key_ids=[NEW, OLD])]
