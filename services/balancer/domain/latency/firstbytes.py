"""How long a fleet's answers take to begin, in buckets of fixed width: what is long for them."""

from collections.abc import Sequence
from math import ceil, log2

_PER_OCTAVE = 4
_BUCKETS = 30 * _PER_OCTAVE
_LONGEST_MS = 2.0**30
"""12 days."""
_COUNTED_MAX = 2000
"""Beyond it all counts are halved: what is old fades."""


class FirstBytes:
    """A histogram of milliseconds to the first byte; each bucket ends 19 % above the one before."""

    __slots__ = ("_counts", "counted")

    def __init__(self, counts: Sequence[int] = ()) -> None:
        """Go on from these counts, by bucket; without any, nothing was seen."""
        self._counts = [*counts, *[0] * _BUCKETS][:_BUCKETS]
        self.counted = sum(self._counts)

    def counts(self) -> list[int]:
        """What was counted, by bucket, up to the last that is not empty."""
        last = max((at for at, count in enumerate(self._counts) if count), default=-1)
        return self._counts[: last + 1]

    def count(self, first_byte_ms: float) -> None:
        """Count one answer."""
        told_ms = min(first_byte_ms, _LONGEST_MS)  # as a log says it, which may be anything
        bucket = ceil(_PER_OCTAVE * log2(told_ms)) if told_ms > 1 else 0
        self._counts[min(bucket, _BUCKETS - 1)] += 1
        self.counted += 1
        if self.counted > _COUNTED_MAX:
            self._counts = [count // 2 for count in self._counts]
            self.counted = sum(self._counts)

    def quantile_ms(self, share: float) -> float:
        """Tell below which time this share of the answers began; 0 while none was counted."""
        rank, below = ceil(share * self.counted), 0
        for bucket, count in enumerate(self._counts):
            below += count
            if count and below >= rank:
                return float(2 ** (bucket / _PER_OCTAVE))
        return 0.0
