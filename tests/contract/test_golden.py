"""Golden lines: what was once written must be read for ever. The files only grow at their end."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contracts import envelope
from contracts.events import UnknownEvent, decode_event, event_tags

GOLDEN = Path(__file__).parent / "golden"


def golden_lines(name: str) -> Iterator[bytes]:
    yield from (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()


EVENTS = [line for name in ("pool", "balancer", "keys") for line in golden_lines(name)]


def type_of(line: bytes) -> str:
    return str(msgspec.json.decode(line)["type"])


@pytest.mark.parametrize("line", EVENTS, ids=type_of)
def test_golden_event_is_read_and_written_as_it_was(line: bytes) -> None:
    event = decode_event(line)

    assert type(event) is event_tags()[type_of(line)]
    assert msgspec.json.decode(msgspec.json.encode(event)) == msgspec.json.decode(line)


def test_every_tag_has_a_golden_line() -> None:
    assert {type_of(line) for line in EVENTS} == set(event_tags())


@pytest.mark.parametrize("tag", sorted(event_tags()))
def test_golden_lines_of_a_tag_show_every_field_that_has_no_default(tag: str) -> None:
    fields = [field for field in msgspec.structs.fields(event_tags()[tag]) if field.required]
    shown = {name for line in EVENTS if type_of(line) == tag for name in msgspec.json.decode(line)}

    assert {field.encode_name for field in fields} <= shown


def test_golden_envelopes_are_one_chain() -> None:
    link = envelope.Link()
    for sequence, stored in enumerate(golden_lines("envelopes"), 1):
        found = envelope.decode_envelope(stored)
        assert envelope.chain_break(link, found) is None
        link = envelope.link_to(sequence, stored, found)

    assert link.number == 2


def test_event_of_a_later_version_is_kept_raw_between_its_neighbours() -> None:
    *_, stored = golden_lines("envelopes")

    events = envelope.decode_envelope(stored).events

    assert [type(event).__name__ for event in events] == [
        "SessionRequested",
        "UnknownEvent",
        "LeaseGranted",
    ]
    unknown = events[1]
    assert isinstance(unknown, UnknownEvent)
    assert unknown.tag == "session_sang"
    assert msgspec.json.decode(unknown.raw)["song"] == "of a later version"


def test_unknown_field_of_a_known_tag_is_passed_over() -> None:
    line = b'{"type":"server_readmitted","server_id":"server-1","since":"later"}'

    event = decode_event(line)

    assert msgspec.json.encode(event) == b'{"type":"server_readmitted","server_id":"server-1"}'


def test_known_tag_with_a_wrong_body_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="server_id"):
        decode_event(b'{"type":"server_readmitted"}')


def test_naive_instant_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        decode_event(
            b'{"type":"lease_renewed","lease_id":"x.1","expires_at":"2026-03-01T09:45:00"}'
        )
