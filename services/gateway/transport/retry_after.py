"""How long a server asks to be left alone (RFC 9110 §10.2.3)."""

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

_RETRY_AFTER_MAX_S = 86_400.0
"""A day: a header can name any number, and whoever counts with it must be able to."""


def retry_after(header: Callable[[bytes], str]) -> float | None:
    """Read how long to wait, given in seconds or as a date (RFC 9110 §10.2.3); None: not said.

    `header` looks one up. A date counts from the server's own, so that a clock of its own does not
    matter.
    """
    text = header(b"retry-after").strip()
    if text.isdecimal():
        return min(float(text), _RETRY_AFTER_MAX_S)
    # A negative number is none, and no date either: it says nothing.
    until = _parse_instant(text)
    if until is None:
        return None
    since = _parse_instant(header(b"date"))
    seconds = until - (time.time() if since is None else since)
    return min(max(seconds, 0.0), _RETRY_AFTER_MAX_S)


def _parse_instant(text: str) -> float | None:
    """Read an HTTP date, in seconds since 1970; None when it is none."""
    if not text:
        return None
    try:
        said = parsedate_to_datetime(text)
        # The oldest of the three forms (asctime) names no zone; all are in UTC.
        return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
