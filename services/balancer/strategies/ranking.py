"""What a strategy is given, and what it returns."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from contracts.base import ServerId, ServiceType


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

    def peak_ewma_ms(self, criteria: "Criteria") -> float:
        """Its average time to first byte for such calls, which remembers peaks, in ms."""
        ...

    def median_at_ms(self, in_flight: int, criteria: "Criteria") -> float:
        """The median time to first byte it had with about so many exchanges, in ms."""
        ...

    @property
    def region(self) -> str:
        """Where it stands, as `runtime.geography` names it; empty: nobody said."""
        ...

    @property
    def turn(self) -> int:
        """When it was last chosen, as a count of all selections; 0 for never."""
        ...

    @property
    def credit(self) -> int:
        """What smooth weighting remembered of it; 0 at first."""
        ...


def no_chance() -> float:
    """Let nothing be left to chance."""
    return 0.0


class Criteria(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """For which call a server is looked for."""

    service_type: ServiceType = ServiceType("")
    client_region: str = ""
    """Where the client is, as `runtime.geography` names it; empty: nobody knows."""
    session_region: str = ""
    """The region that the session is bound to; empty: none."""
    now_s: float = 0.0
    """Seconds since the epoch, by the log's clock."""
    median_ms: float = 0.0
    """Of the fleet's times to first byte for this service type; 0: nobody has answered yet."""
    picked: ServerId = ServerId("")
    """The server that an operator's own strategy named; empty: none."""
    chance: Callable[[], float] = no_chance
    """From 0 up to 1, anew each time; tests bring their own."""


ANY_CALL = Criteria()
"""For strategies that rank alike whatever the call."""


class Ranking(msgspec.Struct, frozen=True, gc=False):
    """Servers best first, each with the score it was ranked by (its meaning is the policy's)."""

    servers: Sequence[EligibleServer]
    scores: Sequence[float]
    credits: Sequence[int] = ()
    """New credits, one for each eligible server in the order given; empty: as they were."""
    why: str = ""
    """What decided, in words for an operator, where the scores do not say it."""
    by: str = ""
    """The strategy that ranked them instead of the one in force; `why` says what that one did."""
