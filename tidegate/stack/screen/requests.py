"""Requests as a person reads them: pure. A line each, and where they are many, what they come to.

An operator's requests have no line unless they fail here: what they change has one of its own.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tidegate.stack.screen.words import Mood, ShownEvent

_LINES_PER_S = 10
_PERIOD_S = 1.0
_BAD = 400
_WORSE = 500
_SECOND_MS = 1000


def request_words(event: Mapping[str, Any]) -> ShownEvent | None:
    """Put a request into words; None for one that nobody needs to see."""
    status = int(event.get("status") or 0)
    if "method" in event:
        asked_by_client = str(event.get("path", "")).startswith("/v1/")
        if status < (_BAD if asked_by_client else _WORSE):
            return None
        said = f"{event['method']} {event['path']}"
        return ShownEvent(_request_mood(status), "  ".join([*_columns(event, ""), said]))
    service_type = str(event.get("service_type") or "")
    parts = _columns(event, service_type)
    if (event.get("attempts") or 0) > 1:
        parts.append(f"{event['attempts']} attempts")
    if event.get("gone"):
        parts.append(f"broken off: {event['gone']}")
    elif event.get("error"):
        parts.append(str(event["error"]))
    if not service_type:
        parts.append(str(event.get("path", "")))
    return ShownEvent(_request_mood(status), "  ".join(parts))


def _columns(event: Mapping[str, Any], service_type: str) -> list[str]:
    """Write what every request's line begins with."""
    status = int(event.get("status") or 0)
    return [
        f"{status or '---'}  {service_type or '-':<6}",
        f"{milliseconds_words(float(event.get('ms') or 0)):>7}",
        f"{event.get('server_id') or '-':<10}",
        str(event.get("key_id") or "no key"),
    ]


def _request_mood(status: int) -> Mood:
    if 0 < status < _BAD:
        return Mood.PLAIN
    return Mood.ERROR if status >= _WORSE else Mood.WARNING


def milliseconds_words(milliseconds: float) -> str:
    """Write how long a request took: `8 ms`, `2.4 s`."""
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / _SECOND_MS:.1f} s"


class RequestCounter:
    """Lets so many lines through in a second, and counts the others."""

    def __init__(self) -> None:
        """None were there yet."""
        self._began_s = 0.0
        self._lines = 0
        self._uncounted: Counter[str] = Counter()

    def admits(self, event: Mapping[str, Any], now_s: float) -> bool:
        """Tell whether this request has a line; one that has none is counted."""
        if now_s - self._began_s >= _PERIOD_S and not self._uncounted:
            self._began_s, self._lines = now_s, 0
        self._lines += 1
        if self._lines <= _LINES_PER_S:
            return True
        self._uncounted[str(event.get("error") or "fine")] += 1
        return False

    def take_summary(self, now_s: float) -> ShownEvent | None:
        """Say once a second what those come to that had no line; None: all had."""
        if not self._uncounted or now_s - self._began_s < _PERIOD_S:
            return None
        total, fine = self._uncounted.total(), self._uncounted.pop("fine", 0)
        counts = [f"{fine} fine", *(f"{n} {code}" for code, n in self._uncounted.most_common())]
        mood = Mood.WARNING if self._uncounted else Mood.PLAIN
        self._uncounted.clear()
        self._began_s, self._lines = now_s, _LINES_PER_S  # under load it goes on with counts
        return ShownEvent(mood, f"… {total} more requests: {', '.join(counts)}")


class Repeats:
    """Lets the same line through once a minute, and says how often it was there meanwhile."""

    PERIOD_S = 60.0

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said: dict[str, tuple[float, int]] = {}

    def passed(self, text: str, now_s: float) -> str | None:
        """Return the text to show; None: it was shown a moment ago."""
        said_s, again = self._said.get(text, (float("-inf"), 0))
        if now_s - said_s < self.PERIOD_S:
            self._said[text] = (said_s, again + 1)
            return None
        self._forget_old(now_s)
        self._said[text] = (now_s, 0)
        return f"{text} ({again} times more since)" if again else text

    def _forget_old(self, now_s: float) -> None:
        """Drop what was said long ago, so that texts that never come back take no room."""
        long_ago_s = now_s - 10 * self.PERIOD_S
        self._said = {text: last for text, last in self._said.items() if last[0] > long_ago_s}
