"""What a strategy is given, and what it returns."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from contracts.base import ServerId


class EligibleServer(Protocol):
    """One eligible server, as far as a strategy may know it; read only."""

    @property
    def server_id(self) -> ServerId:
        """Its name."""
        ...

    @property
    def priority(self) -> int:
        """Lower is preferred."""
        ...

    @property
    def weight(self) -> int:
        """Its share, at least 1."""
        ...

    @property
    def breadth(self) -> int:
        """How many service types it can do: a specialist has few."""
        ...

    @property
    def max_sessions(self) -> int:
        """Exchanges it may carry at once."""
        ...

    @property
    def in_flight(self) -> int:
        """Exchanges it carries, fewer than `max_sessions`."""
        ...

    @property
    def turn(self) -> int:
        """When it was last chosen, as a count of all selections; 0 for never."""
        ...

    @property
    def credit(self) -> int:
        """What smooth weighting remembered of it; 0 at first."""
        ...


class Ranking(msgspec.Struct, frozen=True, gc=False):
    """Servers best first, each with the score it was ranked by (its meaning is the policy's)."""

    servers: Sequence[EligibleServer]
    scores: Sequence[float]
    credits: Sequence[int] = ()
    """New credits, one for each eligible server in the order given; empty: as they were."""
