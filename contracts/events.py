"""Every event of the log, and the forbearance of a reader towards tags it does not know."""

import msgspec

from contracts.balancer import BalancerEvent
from contracts.base import Event
from contracts.gateway import KeyEvent
from contracts.pool import PoolEvent

AnyEvent = PoolEvent | BalancerEvent | KeyEvent


class UnknownEvent(Event, frozen=True, kw_only=True, tag="unknown_event"):
    """An event of a later version: kept raw, skipped and counted, never written."""

    tag: str
    raw: bytes


class _Tagged(msgspec.Struct):
    type: str


_known = msgspec.json.Decoder(AnyEvent)
_tag = msgspec.json.Decoder(_Tagged)


def event_tags() -> dict[str, type[Event]]:
    """Every tag a writer may use, and its class."""
    classes = AnyEvent.__args__
    return {str(cls.__struct_config__.tag): cls for cls in classes}


_tags = frozenset(event_tags())


def decode_event(raw: msgspec.Raw | bytes) -> AnyEvent | UnknownEvent:
    """Decode one event; an unknown tag yields `UnknownEvent`.

    Raises `msgspec.ValidationError` for a known tag with a wrong body.
    """
    try:
        event: AnyEvent = _known.decode(raw)
    except msgspec.ValidationError:
        tag = _tag.decode(raw).type
        if tag in _tags:
            raise
        return UnknownEvent(tag=tag, raw=bytes(raw))
    return event
