"""Instants and durations as people say them: pure. What is exact stands in `--json`."""

from datetime import UTC, datetime

_NOW_S = 2
_UNITS = ((1, 90, "s"), (60, 5400, "min"), (3600, 172_800, "h"))
"""Seconds of a unit, up to how many it is counted in, its name."""
_DAY_S = 86_400


def duration_words(seconds: float) -> str:
    """Write a duration by its greatest fitting unit: `45 s`, `12 min`, `30 h`, `3 days`."""
    for unit_s, most_s, name in _UNITS:
        if seconds < most_s:
            return f"{seconds / unit_s:.0f} {name}"
    return f"{seconds / _DAY_S:.0f} days"


def moment_words(moment: datetime, now: datetime) -> str:
    """Say how long ago something was, or in how long it will be."""
    away_s = (now - moment).total_seconds()
    if abs(away_s) < _NOW_S:
        return "now"
    return f"{duration_words(away_s)} ago" if away_s > 0 else f"in {duration_words(-away_s)}"


def parsed_moment(text: object) -> datetime | None:
    """Read an instant of the API; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
