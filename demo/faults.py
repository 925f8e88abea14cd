"""What may go wrong at a demo server: which fault, for whom, how often."""

import random
from enum import StrEnum

import msgspec


class FaultKind(StrEnum):
    """What a fault does; the fields it reads stand behind it."""

    LATENCY = "latency"
    """Answer later: `latency_ms`, `jitter_ms`. Another fault may apply as well."""
    STATUS = "status"
    """Answer `status` with an error body."""
    RATE_LIMITED = "rate_limited"
    """429, with `retry_after_s`."""
    UNAUTHORIZED = "unauthorized"
    CODE = "code"
    """HTTP 200 with `code`, `message` and no data."""
    EMPTY = "empty"
    """HTTP 200 with an empty `data`."""
    NO_RESULT = "no_result"
    """HTTP 200 without `data`."""
    REDIRECT = "redirect"
    """302 to `location`."""
    GZIP = "gzip"
    """The true answer, compressed though nobody asked."""
    DRIP = "drip"
    """The true answer in `pieces` pieces, over `seconds`."""
    REFUSE = "refuse"
    """Connections are refused for `seconds` (0: until the faults are set again)."""
    CUT_BEFORE = "cut_before"
    """Read the request, then close."""
    CUT_BODY = "cut_body"
    """Promise the whole body, send half of it, then close."""
    CUT_STREAM = "cut_stream"
    """The same in the middle of a streamed answer; others are left alone."""
    GARBAGE = "garbage"
    """Bytes that are no HTTP."""


_SERVES = frozenset(
    (
        FaultKind.GZIP,
        FaultKind.DRIP,
        FaultKind.CUT_BEFORE,
        FaultKind.CUT_BODY,
        FaultKind.CUT_STREAM,
        FaultKind.GARBAGE,
    )
)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault. It falls on generation requests, or on any whose path has `path` in it."""

    kind: FaultKind
    times: int | None = None
    """How many of the next requests; None: all of them."""
    probability: float = 1.0
    credential: str = ""
    """Only requests whose credential's hash begins so."""
    path: str = ""
    accepted: bool | None = None
    """Whether the ledger counts the work; by default where the true answer was made."""
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    status: int = 500
    retry_after_s: int | None = None
    code: int = -2009
    message: str = "a fault of the demo server"
    echo: bool = False
    """Repeat the credential behind the message, as careless servers do."""
    location: str = "/elsewhere"
    seconds: float = 0.0
    pieces: int = 10

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if not 0 <= self.probability <= 1:
            raise ValueError("probability: expected 0 to 1")
        if self.times is not None and self.times < 0:
            raise ValueError("times: expected 0 or more")
        if not 100 <= self.status <= 999:  # noqa: PLR2004 (RFC 9110, 15)
            raise ValueError("status: expected 100 to 999")
        if self.pieces < 1 or min(self.latency_ms, self.jitter_ms, self.seconds) < 0:
            raise ValueError("pieces: at least 1; latency_ms, jitter_ms, seconds: 0 or more")

    @property
    def serves(self) -> bool:
        """Whether the ledger counts a request it falls on."""
        return self.kind in _SERVES if self.accepted is None else self.accepted


class Faults:
    """The faults in force, in order: the first that fits falls."""

    def __init__(self, faults: list[Fault], seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
        self.faults = list(faults)

    def take_fault(
        self, path: str, credential: str, *, generation: bool, streamed: bool
    ) -> Fault | None:
        """Take the fault that falls on this request, if any; it is one less of its `times`."""
        for place, fault in enumerate(self.faults):
            if fault.kind in {FaultKind.LATENCY, FaultKind.REFUSE}:
                continue
            if fault.kind is FaultKind.CUT_STREAM and not streamed:
                continue
            if _fits_request(fault, path, credential, generation=generation) and self._draw(fault):
                self._use_up(place)
                return fault
        return None

    def latency_s(self, path: str, credential: str, *, generation: bool) -> float:
        """Find how much later the answer shall come."""
        total = 0.0
        for place, fault in enumerate(self.faults):
            if fault.kind is not FaultKind.LATENCY:
                continue
            if _fits_request(fault, path, credential, generation=generation) and self._draw(fault):
                self._use_up(place)
                total += self.jittered_s(fault.latency_ms, fault.jitter_ms)
        return total

    def jittered_s(self, latency_ms: float, jitter_ms: float) -> float:
        """Draw a latency."""
        return (latency_ms + (self._chance.random() * jitter_ms if jitter_ms else 0)) / 1000

    def _draw(self, fault: Fault) -> bool:
        """Let chance decide, for a request that fits: others must not move it along."""
        return fault.probability >= 1 or self._chance.random() < fault.probability

    def _use_up(self, place: int) -> None:
        """Have one time less of a fault, if it has a number of them."""
        fault = self.faults[place]
        if fault.times is not None:
            assert fault.times > 0, "one that is used up falls on nothing"
            self.faults[place] = msgspec.structs.replace(fault, times=fault.times - 1)


def _fits_request(fault: Fault, path: str, credential: str, *, generation: bool) -> bool:
    """Tell whether a fault may fall on a request."""
    if fault.times == 0 or not (fault.path in path if fault.path else generation):
        return False
    return credential.startswith(fault.credential)
