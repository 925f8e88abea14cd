"""How often, and how many at once: the bounds of a key within one gateway process, pure.

The rate is a sliding window, kept exactly: a request is admitted when fewer than the bound were
admitted in the 60 seconds before it. So no 60 seconds, wherever they begin, ever hold more than
the bound. GCRA and token buckets let up to twice the bound through (a burst, then the refill),
and fixed windows do at their edges. The price is one float for each admitted request of the last
minute. A refusal takes nothing from the window.

Time comes in as monotonic seconds. Keys without bounds cost nothing; one that is idle and has
nothing open is forgotten within `_SWEEP_EVERY_S`.
"""

from collections import deque

import msgspec

from contracts.base import KeyId
from services.gateway.clients.keys import Key

WINDOW_S = 60.0
_SWEEP_EVERY_S = 60.0
_BUSY_RETRY_S = 1.0


class RateFigures(msgspec.Struct, frozen=True):
    """How a key stands within its rate; `limit` 0: it has none."""

    limit: int = 0
    remaining: int = 0
    reset_s: float = 0.0
    """Until the whole bound is free again, if nothing more is asked."""

    def as_headers(self) -> dict[str, str]:
        """Make the `x-ratelimit-*` headers; none for a key without a rate."""
        if not self.limit:
            return {}
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": seconds_text(self.reset_s),
        }


class Admitted(RateFigures, frozen=True):
    """The request may go on."""


class Throttled(RateFigures, frozen=True, kw_only=True):
    """It may not: the key is over its rate or its concurrency."""

    retry_after_s: float
    """When to ask again; of a rate it is exact, of a concurrency a guess."""


FREE = Admitted()


class _Use:
    """What one key did in the last minute, and what it has open."""

    __slots__ = ("admitted", "open")

    def __init__(self) -> None:
        self.admitted: deque[float] = deque()
        self.open = 0
        """Requests of a key with a concurrency that are under way."""

    def forget_before(self, moment: float) -> None:
        while self.admitted and self.admitted[0] <= moment:
            self.admitted.popleft()


class KeyLimits:
    """Admits the requests of every key of this process."""

    def __init__(self) -> None:
        self._uses: dict[KeyId, _Use] = {}
        self._now_s = 0.0
        self._swept_s = 0.0

    def admit_request(self, key: Key, now_s: float) -> Admitted | Throttled:
        """Admit one request, or say when to ask again.

        Whoever is admitted must `leave_request` with the very same key.
        """
        bounds = key.bounds
        rate, concurrency = bounds.requests_per_minute, bounds.concurrency
        if not rate and not concurrency:
            return FREE
        now_s = self._forward_moment(now_s)
        use = self._uses.get(key.key_id)
        if use is None:
            use = self._uses[key.key_id] = _Use()
        use.forget_before(now_s - WINDOW_S)
        if concurrency and use.open >= concurrency:
            return _throttled(rate, use, _BUSY_RETRY_S, now_s)
        if rate and len(use.admitted) >= rate:
            # Lowered meanwhile, a rate may be exceeded already: the last `rate` of them count.
            return _throttled(rate, use, use.admitted[-rate] + WINDOW_S - now_s, now_s)
        use.open += bool(concurrency)
        if not rate:
            return FREE
        use.admitted.append(now_s)
        return Admitted(rate, rate - len(use.admitted), WINDOW_S)

    def leave_request(self, key: Key) -> None:
        """End one admitted request; `key` is the one it was admitted with."""
        if key.bounds.concurrency:
            use = self._uses[key.key_id]
            assert use.open > 0
            use.open -= 1

    def __len__(self) -> int:
        """Count the keys that are remembered."""
        return len(self._uses)

    def _forward_moment(self, now_s: float) -> float:
        """Never go back, and now and then forget who is idle."""
        now_s = self._now_s = max(now_s, self._now_s)
        if now_s - self._swept_s >= _SWEEP_EVERY_S:
            self._swept_s = now_s
            for use in self._uses.values():
                use.forget_before(now_s - WINDOW_S)
            self._uses = {
                key_id: use for key_id, use in self._uses.items() if use.open or use.admitted
            }
        return now_s


def _throttled(rate: int, use: _Use, retry_after_s: float, now_s: float) -> Throttled:
    """Refuse a request, with the figures of a rate if the key has one."""
    if not rate:
        return Throttled(retry_after_s=retry_after_s)
    reset_s = use.admitted[-1] + WINDOW_S - now_s if use.admitted else 0.0
    remaining = max(0, rate - len(use.admitted))
    return Throttled(rate, remaining, reset_s, retry_after_s=retry_after_s)


def seconds_text(seconds: float) -> str:
    """Spell a duration as OpenAI does: `1m0s`, `12s`, `350ms`, `0s`."""
    milliseconds = max(0, round(seconds * 1000))
    if 0 < milliseconds < 1000:  # noqa: PLR2004
        return f"{milliseconds}ms"
    minutes, rest = divmod(-(-milliseconds // 1000), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
