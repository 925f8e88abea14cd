"""What names a part of the file: equal digests, equal words."""

import hashlib
from collections.abc import Sequence

import msgspec

from contracts.balancer import CONFIGURATION, Server, StrategyRule
from contracts.base import ServerId

_LENGTH = 32
_DEFAULTS = msgspec.structs.asdict(Server(server_id=ServerId(""), url=""))


def entry_digest(said: Server | str | Sequence[StrategyRule]) -> str:
    """Name what the file says of a server, a strategy or the rules.

    What is as it is by default is left out: a field that a later version adds changes no digest.
    """
    said = plain_server(said) if isinstance(said, Server) else said
    return digest_of(msgspec.json.encode(said, order="deterministic"))


def plain_server(server: Server) -> Server:
    """Leave out what is as it is by default: an encoder knows only the default itself, no equal."""
    every = msgspec.structs.asdict(server)
    return Server(**{name: value for name, value in every.items() if value != _DEFAULTS.get(name)})


def digest_of(said: bytes) -> str:
    """Name some bytes."""
    return CONFIGURATION + hashlib.sha256(said).hexdigest()[:_LENGTH]
