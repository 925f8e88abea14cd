"""One commit of the log: an envelope is what is stored, acknowledged and fenced as a whole.

The chain: `previous_hash` is the SHA-256 of the subject's previous envelope exactly as stored,
`number` is its number plus one, across writers. The first envelope of a subject has number 1
and the hash of nothing (64 zeros).
"""

import hashlib
from collections.abc import Sequence

import msgspec

from contracts.base import Instant, WriterId
from contracts.events import AnyEvent, UnknownEvent, decode_event

VERSION = 1
COMMANDS_MAX = 256
BYTES_MAX = 256 * 1024
GENESIS_HASH = "0" * 64


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A group commit of one writer. An event's id is `<stream sequence>.<index>`."""

    v: int = VERSION
    writer: WriterId
    epoch: int
    number: int
    time: Instant
    previous_hash: str
    events: list[AnyEvent | UnknownEvent]


class _Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The same with its events still raw."""

    v: int
    writer: WriterId
    epoch: int
    number: int
    time: Instant
    previous_hash: str
    events: list[msgspec.Raw]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)
_frames = msgspec.json.Decoder(_Frame)


def encode_envelope(envelope: Envelope) -> bytes:
    """Encode as stored."""
    return _encoder.encode(envelope)


def decode_envelope(stored: bytes) -> Envelope:
    """Decode a stored envelope; events with unknown tags become `UnknownEvent`.

    Raises `msgspec.DecodeError`, and nothing else, when the bytes are no envelope.
    """
    try:
        try:
            return _decoder.decode(stored)
        except msgspec.ValidationError:
            return _of_frame(_frames.decode(stored))
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from None
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deep") from None


def _of_frame(frame: _Frame) -> Envelope:
    return Envelope(
        v=frame.v,
        writer=frame.writer,
        epoch=frame.epoch,
        number=frame.number,
        time=frame.time,
        previous_hash=frame.previous_hash,
        events=[decode_event(raw) for raw in frame.events],
    )


def hash_of(stored: bytes) -> str:
    """Hex SHA-256 of an envelope as stored."""
    return hashlib.sha256(stored).hexdigest()


class Link(msgspec.Struct, frozen=True):
    """Where a subject's chain stands: what the next envelope must follow."""

    sequence: int = 0
    """Stream sequence of the last envelope: the fence."""
    number: int = 0
    hash: str = GENESIS_HASH
    epoch: int = 0
    time: Instant | None = None


def chain_break(link: Link, envelope: Envelope) -> str | None:
    """Say what breaks the chain between `link` and `envelope`; None when it holds."""
    if envelope.number != link.number + 1:
        return f"number {envelope.number} follows {link.number}"
    if envelope.previous_hash != link.hash:
        return f"number {envelope.number} names a previous hash that is not the stored one"
    if link.time is not None and envelope.time < link.time:
        return f"number {envelope.number} is earlier than the one before it"
    return None


def repeat_break(number: int, envelope: Envelope) -> str | None:
    """Say that `envelope` is a stray, behind an envelope of its subject of `number` (0: none).

    It bears a number that was there already, so that it came in by the answer to somebody's
    question (ADR 10): nobody folds it. None when it is none.
    """
    if envelope.number > number:
        return None
    return f"number {envelope.number} was there already: the last is {number}"


def link_to(sequence: int, stored: bytes, envelope: Envelope) -> Link:
    """Where the chain stands after `envelope`."""
    return Link(sequence, envelope.number, hash_of(stored), envelope.epoch, envelope.time)


def seal_events(
    link: Link,
    writer: WriterId,
    epoch: int,
    time: Instant,
    events: Sequence[AnyEvent] | Sequence[msgspec.Raw],
) -> bytes:
    """Encode the envelope that follows `link`; events may come already encoded."""
    return _encoder.encode(
        {
            "v": VERSION,
            "writer": writer,
            "epoch": epoch,
            "number": link.number + 1,
            "time": time,
            "previous_hash": link.hash,
            "events": events,
        }
    )
