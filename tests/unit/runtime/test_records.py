"""Events as they are shown, and which are wanted."""

import msgspec

from contracts.gateway import KeyIssued, Scope
from runtime.eventlog import Stored
from runtime.eventlog.records import UNREADABLE, Wanted, records_of, types_matching
from tests.moments import NOON
from tests.unit.analytics.builders import Story, granted, renewed, used


def test_a_record_is_flat_and_says_where_it_stands() -> None:
    (stored,) = Story().tell(granted("r1")).stored
    (record,) = records_of(stored)

    assert list(record)[:4] == ["event", "time", "subject", "type"]
    assert (record["event"], record["time"]) == ("1.0", "2026-01-01T12:00:00Z")
    assert (record["type"], record["lease_id"]) == ("lease_granted", "r1.1")


def test_the_hash_of_a_key_is_left_out() -> None:
    issued = KeyIssued(key_id="k", key_hash="hush", name="n", scope=Scope.CLIENT)  # type: ignore[arg-type]
    (stored,) = Story().tell(issued, subject="evt.keys").stored

    assert "hush" not in str(list(records_of(stored)))


def test_an_event_of_a_later_version_is_shown_as_it_is() -> None:
    (stored,) = Story().tell(granted("r1")).stored
    body = stored.body.replace(b"lease_granted", b"lease_invented")
    (record,) = records_of(msgspec.structs.replace(stored, body=body))

    assert (record["type"], record["units"]) == ("lease_invented", 1)


def test_bytes_that_are_no_envelope_are_named() -> None:
    (record,) = records_of(Stored(7, NOON, "evt.pool.0", b"garbage"))

    assert (record["event"], record["type"]) == ("7.0", UNREADABLE)


def test_a_session_is_known_by_its_leases_too() -> None:
    wanted = Wanted(session="s1")
    story = Story().tell(granted("r1"), renewed("r1", NOON), renewed("r2", NOON))
    shown = [
        record["event"] for one in story.stored for record in records_of(one) if wanted(record)
    ]

    assert shown == ["1.0", "1.1"]


def test_a_request_is_known_by_its_clients_id_from_then_on() -> None:
    wanted = Wanted(["usage_*", "lease_*"], request="mine")
    story = Story().tell(granted("r1"), used("r1", client_request_id="mine"), renewed("r1", NOON))
    shown = [
        record["event"] for one in story.stored for record in records_of(one) if wanted(record)
    ]

    assert shown == ["1.1", "1.2"]


def test_patterns_name_the_types_they_fit() -> None:
    assert types_matching("server_e*") == ["server_ejected"]
    assert types_matching("tea*") == []
