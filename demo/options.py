"""What the operator of a demo server may turn."""

from pathlib import Path

import msgspec

from demo.dialects import BACKENDS
from demo.faults import Fault


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One demo server. Raises `ValueError` naming what is wrong."""

    host: str = "127.0.0.1"
    port: int = 9001
    """0: any free one."""
    control_port: int = 0
    """A second port that a `refuse` fault leaves open; 0: none."""
    region: str = ""
    public_url: str = ""
    """How clients reach its pictures; by default its own address."""
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    """Up to this much more, evenly."""
    stream_interval_ms: float = 20.0
    """Between two chunks of a streamed answer."""
    ledger: Path | None = None
    """Where the ledger is kept across restarts."""
    limits: dict[str, int] = {}
    """Units a credential gets per service type and day; what is not named has no limit."""
    timezone: str = "UTC"
    """Whose days the ledger counts."""
    dialect: str = ""
    """Which backend it is: one of `dialects.BACKENDS`; empty: a lenient one of its own."""
    request_within_s: float = 300.0
    """A backend of `dialect` answers 408 to what is not whole so long after it began."""
    units: str = "request"
    """`request`: a call is one unit; `n`: it is as many as its field `n` says."""
    faults: list[Fault] = []
    seed: int = 0
    seen_max: int = 1000
    """Requests it remembers."""
    clock_offset_file: Path | None = None
    """By default what `TIDEGATE_CLOCK_OFFSET_FILE` names."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.units not in {"request", "n"}:
            raise ValueError('units: expected "request" or "n"')
        if self.dialect and self.dialect not in BACKENDS:
            raise ValueError(f"dialect: expected one of {', '.join(BACKENDS)}")
        if self.request_within_s <= 0:
            raise ValueError("request_within_s: expected more than 0")
        if min(self.latency_ms, self.jitter_ms, self.stream_interval_ms) < 0:
            raise ValueError("latency_ms, jitter_ms, stream_interval_ms: expected 0 or more")


def parse_limits(text: str) -> dict[str, int]:
    """Read `image=10,video=2`. Raises `ValueError`."""
    bounds = {}
    for item in filter(None, text.split(",")):
        name, equals, number = item.partition("=")
        if not equals or not number.strip().isdecimal():
            raise ValueError(f'limit: expected "image=10,video=2", got {text!r}')
        bounds[name.strip()] = int(number)
    return bounds
