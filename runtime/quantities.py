"""Durations and sizes as people write them, bounded: no calendar and no counter overflows."""

import math
import re
from decimal import Decimal

from contracts.base import NUMBER_MAX


class Seconds(float):
    """A duration, written `"500ms"`, `"5s"`, `"10m"`, `"2h"` or `"1d"`; held in seconds."""


class Size(int):
    """A size, written `"64KB"`, `"100MB"` or `"20GB"` (powers of 1000), or in bytes."""


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SECONDS_MAX = 36_500 * 86_400.0
"""A hundred years: no calendar overflows by it."""
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_seconds(text: object) -> Seconds:
    """Read a duration. Raises `ValueError`."""
    number = -1.0
    if isinstance(text, (int, float)) and not isinstance(text, bool) and text < math.inf:
        number = min(text, _SECONDS_MAX + 1)
    elif match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", str(text), re.ASCII):
        number = float(match[1]) * _UNITS[match[2] or "s"]
    if number > _SECONDS_MAX:
        raise ValueError(f'expected a duration of at most "36500d", got {text!r}')
    if not number >= 0:
        raise ValueError(f'expected a duration such as "500ms", "5s" or "10m", got {text!r}')
    return Seconds(number)


def parse_size(text: object) -> Size:
    """Read a size in bytes. Raises `ValueError`."""
    number = Decimal(-1)
    if isinstance(text, int) and not isinstance(text, bool):
        number = Decimal(text)
    # A part of a byte is nothing: a fraction needs a unit greater than one.
    elif match := re.fullmatch(
        r"(\d+(?:\.\d+(?=\s*[KMGT]))?)\s*([KMGT]?B)?", str(text), re.IGNORECASE | re.ASCII
    ):
        number = Decimal(match[1]) * _SIZES[(match[2] or "B").upper()]
    if number > NUMBER_MAX:
        raise ValueError(f'expected a size of at most "9000TB", got {text!r}')
    if number < 0:
        raise ValueError(f'expected a size such as "64KB" or "100MB", got {text!r}')
    return Size(number)
