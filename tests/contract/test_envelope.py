"""The commit envelope: numbers, chain, and what breaks them."""

from datetime import timedelta

import msgspec
import pytest

from contracts import envelope
from contracts.base import LeaderElected, RequestId, WriterId, lease_id
from contracts.envelope import GENESIS_HASH, Envelope, Link
from tests.moments import NOON

ELECTED = LeaderElected(writer=WriterId("w"), epoch=1)


def after_one() -> Link:
    stored = envelope.seal_events(Link(), WriterId("w"), 1, NOON, [ELECTED])
    return envelope.link_to(7, stored, envelope.decode_envelope(stored))


def second(link: Link, **changed: object) -> Envelope:
    stored = envelope.seal_events(link, WriterId("w"), 1, NOON, [ELECTED])
    return msgspec.structs.replace(envelope.decode_envelope(stored), **changed)


def test_first_envelope_has_number_one_and_the_hash_of_nothing() -> None:
    first = envelope.decode_envelope(
        envelope.seal_events(Link(), WriterId("w"), 1, NOON, [ELECTED])
    )

    assert (first.v, first.number, first.previous_hash) == (1, 1, GENESIS_HASH)
    assert envelope.chain_break(Link(), first) is None


def test_link_remembers_where_the_chain_stands() -> None:
    link = after_one()

    assert (link.sequence, link.number, link.epoch, link.time) == (7, 1, 1, NOON)
    assert envelope.chain_break(link, second(link)) is None


def test_missing_number_is_named() -> None:
    link = after_one()

    assert envelope.chain_break(link, second(link, number=3)) == "number 3 follows 1"


def test_changed_predecessor_breaks_the_chain() -> None:
    link = after_one()

    assert "not the stored one" in (
        envelope.chain_break(link, second(link, previous_hash="0" * 64)) or ""
    )


def test_time_never_goes_back() -> None:
    link = after_one()
    earlier = second(link, time=NOON - timedelta(seconds=1))

    broken = envelope.chain_break(link, earlier)

    assert broken is not None
    assert "earlier" in broken


def test_events_already_encoded_are_sealed_as_they_are() -> None:
    raw = msgspec.Raw(msgspec.json.encode(ELECTED))

    sealed = envelope.seal_events(Link(), WriterId("w"), 1, NOON, [raw])

    assert sealed == envelope.seal_events(Link(), WriterId("w"), 1, NOON, [ELECTED])
    assert msgspec.json.encode(envelope.decode_envelope(sealed)) == sealed


def test_what_is_no_envelope_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        envelope.decode_envelope(b'{"events":[]}')


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b"wXw", b"\xff"),
        (b"wXw", b"\xed\xa0\x80"),
        (b"leader_elected", b'later","x":' + b"[" * 100_000 + b"]" * 100_000 + b',"y":"'),
    ],
    ids=["no UTF-8", "half an emoji", "too deep"],
)
def test_bytes_that_nobody_can_read_are_no_envelope(part: bytes, instead: bytes) -> None:
    stored = envelope.seal_events(Link(), WriterId("wXw"), 1, NOON, [ELECTED])

    with pytest.raises(msgspec.DecodeError):
        envelope.decode_envelope(stored.replace(part, instead))


def test_known_event_with_a_wrong_body_makes_the_envelope_unreadable() -> None:
    sealed = envelope.seal_events(Link(), WriterId("w"), 1, NOON, [ELECTED])

    with pytest.raises(msgspec.ValidationError):
        envelope.decode_envelope(sealed.replace(b'"epoch":1}]', b'"epoch":"one"}]'))


def test_lease_is_named_after_its_request() -> None:
    assert lease_id(RequestId("r"), 2) == "r.2"
