"""What names a part of the file: equal digests, equal words."""

import hashlib
from collections.abc import Sequence

import msgspec

from contracts.balancer import CONFIGURATION, Server, StrategyRule

_LENGTH = 32


def entry_digest(said: Server | str | Sequence[StrategyRule]) -> str:
    """Name what the file says of a server, a strategy or the rules.

    What is as it is by default is left out: a field that a later version adds changes no digest.
    """
    return digest_of(msgspec.json.encode(said, order="deterministic"))


def digest_of(said: bytes) -> str:
    """Name some bytes."""
    return CONFIGURATION + hashlib.sha256(said).hexdigest()[:_LENGTH]
