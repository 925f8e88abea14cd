"""How a rule is written (`failure_rate > 0.2 for 60s`), and when its measure speaks for it."""

import re
from typing import Literal, get_args

import msgspec

from runtime.quantities import parse_seconds
from runtime.texts import as_quoted

Measure = Literal["failure_rate", "p99_s", "load", "out"]
"""What a rule may look at, by service type.

`failure_rate`  share of the last minute's attempts for which a server was to blame, 0 to 1
`p99_s`         seconds to the first byte of an answer that 99 of 100 of that minute did not exceed
`load`          exchanges in flight by what the servers that are well may carry; 1: none is
`out`           share of the servers that can do it which are down, ejected or drained, 0 to 1
"""
MEASURES: tuple[Measure, ...] = get_args(Measure)
_SHARES: frozenset[Measure] = frozenset({"failure_rate", "out"})
_WRITTEN = re.compile(r"\s*([a-z0-9_]+)\s*([<>])\s*([0-9.]+)\s+for\s+(\S+)\s*")
_EXPECTED = "expected such as `failure_rate > 0.2 for 60s`"
_RELIEF_BELOW, _RELIEF_ABOVE = 0.8, 1.25
_SPAN_MAX_S = 86_400.0


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says of a measure."""

    measure: Measure
    above: bool
    """Whether it holds above `bound`, or below."""
    bound: float
    span_s: float
    """For so long it is beyond the bound before the rule holds, and within before it rests."""

    def is_beyond(self, value: float) -> bool:
        """Whether a value speaks for the rule."""
        return value > self.bound if self.above else value < self.bound

    def is_within(self, value: float) -> bool:
        """Whether a value is so far within that it speaks against a rule that holds."""
        if self.above:
            return value < self.bound * _RELIEF_BELOW
        return value > self.bound * _RELIEF_ABOVE


def parse_condition(written: str) -> Condition:
    """Read a condition. Raises `ValueError`, naming what is wrong and what was expected."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise ValueError(f"{_EXPECTED}, got {as_quoted(written)}")
    name, sign, number, span = match.groups()
    measure = next((one for one in MEASURES if one == name), None)
    if measure is None:
        raise ValueError(f"expected one of {', '.join(MEASURES)}, got {as_quoted(name)}")
    try:
        bound = float(number)
    except ValueError:
        raise ValueError(f"expected a number behind `{sign}`, got {as_quoted(number)}") from None
    if bound <= 0:
        # Nothing is below 0, and of 0 there is no 0.8: the rule would never be taken back.
        raise ValueError(f"expected more than 0 behind `{sign}`, got {as_quoted(number)}")
    # A share beyond which nothing is, in per cent maybe, or behind which no rule is taken back.
    whole = 1.0 if sign == ">" else 1.0 / _RELIEF_ABOVE
    if measure in _SHARES and bound >= whole:
        raise ValueError(
            f"expected less than {whole:g} behind `{sign}`, got {as_quoted(number)}:"
            f" {measure} is a share, 0 to 1"
        )
    span_s = parse_seconds(span)
    if not 0 < span_s <= _SPAN_MAX_S:
        raise ValueError(f'expected a span from more than "0s" to "1d", got {as_quoted(span)}')
    return Condition(measure=measure, above=sign == ">", bound=bound, span_s=span_s)
