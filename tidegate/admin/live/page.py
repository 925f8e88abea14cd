"""A page of a terminal: how things stand, by parts, in as many lines as it has: pure.

What has no room is left out from below; what needs doing stands above the servers.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from runtime.texts import as_shown, count_phrase
from tidegate.admin.live.lines import (
    Part,
    attention_lines,
    counted_states,
    error_words,
    latency_words,
)
from tidegate.console.moments import duration_words, parsed_moment
from tidegate.console.tables import TableShape, lay_out, shortened

_BARS = "▁▂▃▄▅▆▇█"
_BAR_WIDTH = 20
_ATTENTION_MAX = 3
_SERVERS_MAX = 8
_MINUTES = 60
_UP = "up"


def top_page(
    url: str, overview: Part, servers: Sequence[Part], size: tuple[int, int], trouble: str = ""
) -> list[Text]:
    """Lay the page out in `size` columns and rows; `trouble` is why it is not of now."""
    columns, rows = size
    now = parsed_moment(overview["at"])
    assert now is not None, "the gateway's clock"
    lines = [_head_line(url, now, trouble)]
    for part in (
        _unit_part(overview),
        _call_part(overview),
        _attention_part(overview),
        _server_part(servers),
        _rest_part(overview, now),
    ):
        if part:
            lines += [Text(), *part]
    cut = lines[: rows - 1]
    for line in cut:
        line.truncate(columns, overflow="ellipsis")
    return cut


def _head_line(url: str, now: datetime, trouble: str) -> Text:
    line = Text("Tidegate ", style="bold").append(url)
    line.append(f"  {now.astimezone():%H:%M:%S}  ", style="dim")
    line.append("q leaves", style="dim")
    return line.append(f"  {trouble}", style="red") if trouble else line


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[Text]:
    """Lay out a table; all columns but those `left` are numbers."""
    right = [number for number in range(len(head)) if number not in left]
    layout = lay_out(head, rows, None, TableShape(right=right))
    return [*(Text(line, style="bold") for line in layout.head), *map(Text, layout.lines)]


def _unit_part(overview: Part) -> list[Text]:
    """Units by service type, with a bar of what is left."""
    units = overview["units"] or []
    if not units:
        return []
    rows = []
    for of_type in units:
        limit = of_type["limit"]
        share = of_type["remaining"] / limit if limit else 0.0
        full = round(share * _BAR_WIDTH)
        rows.append(
            [
                as_shown(of_type["service_type"]),
                str(of_type["remaining"]),
                str(of_type["reserved"]),
                "" if of_type["used"] is None else str(of_type["used"]),
                duration_words(of_type["resets_in_s"]),
                "█" * full + "░" * (_BAR_WIDTH - full) if limit else "",
            ]
        )
    head = ("units", "left", "reserved", "used", "resets in", "")
    return _table(head, rows, left=(0, 5))


def _call_part(overview: Part) -> list[Text]:
    """Calls as clients saw them, and a line that draws the hour."""
    calls = overview["calls"]
    if calls is None:
        return []
    rows = [
        [
            f"last {span}",
            str(figures["calls"]),
            f"{figures['per_s']:.1f}",
            str(figures["failed"]),
            str(figures["gone"]),
            latency_words(figures["latency_p50_ms"]),
            latency_words(figures["latency_p95_ms"]),
        ]
        for span, figures in (("minute", calls["minute"]), ("hour", calls["hour"]))
    ]
    part = _table(("calls", "ended", "per s", "failed", "gone", "p50", "p95"), rows, left=(0,))
    drawn = _drawn_minutes([minute["calls"] for minute in calls["by_minute"]])
    return [*part, Text(drawn, style="cyan")] if drawn else part


def _drawn_minutes(counts: Sequence[int]) -> str:
    """Draw the last hour, a character a minute; empty when nothing was called."""
    last = counts[-_MINUTES:]
    most = max(last, default=0)
    if not most:
        return ""
    return "".join(_BARS[min(len(_BARS) - 1, count * len(_BARS) // (most + 1))] for count in last)


def _attention_part(overview: Part) -> list[Text]:
    """What is wrong, in as few lines as can be: silences, then what needs doing."""
    silent = [
        Text(as_shown(f"{part['service']} is silent: {part['reason']}"), style="red")
        for part in overview["silent"]
    ]
    needed = list(attention_lines(overview))[: 2 * _ATTENTION_MAX]
    more = len(overview["attention"]) - _ATTENTION_MAX
    rest = [Text(f"{more} more: tidegate status", style="dim")] if more > 0 else []
    return [*silent, *needed, *rest]


def _server_part(servers: Sequence[Part]) -> list[Text]:
    """The servers, those that are unwell first, then by their load."""
    ordered = sorted(servers, key=lambda view: (_state(view) == _UP, -view.get("connections", 0)))
    rows = [
        [
            view["server"]["server_id"],
            _state(view),
            f"{view.get('connections', 0)}/{view['server'].get('max_sessions', 100)}",
            latency_words(view["avg_response_ms"]) if view.get("avg_response_ms") else "",
            f"{view['success_rate']:.0%}" if view.get("attempts") else "",
            as_shown(shortened(view.get("words", ""), 200)),
        ]
        for view in ordered[:_SERVERS_MAX]
    ]
    if not rows:
        return []
    part = _table(("server", "state", "load", "avg", "success", "why"), rows, left=(0, 1, 5))
    for line, view in zip(part[1:], ordered, strict=False):
        line.stylize("" if _state(view) == _UP else "yellow")
    more = len(servers) - len(rows)
    return [*part, Text(f"{more} more: tidegate servers list", style="dim")] if more > 0 else part


def _state(view: Part) -> str:
    return str(view.get("state") or view["health"])


def _rest_part(overview: Part, now: datetime) -> list[Text]:
    return list(_rest_lines(overview, now))


def _rest_lines(overview: Part, now: datetime) -> Iterator[Text]:
    """Sessions, what is under way, what is in doubt, and the last errors."""
    counts = []
    if overview["sessions"] is not None:
        counts.append(f"sessions: {counted_states(overview['sessions']['states']) or 'none'}")
    if (queue := overview["queue"]) is not None:
        waiting = count_phrase(queue["waiting"], "waits", "wait")
        counts.append(f"{queue['open_leases']} under way, {waiting}")
    if (doubt := overview["in_doubt"]) is not None and doubt["leases"]:
        counts.append(f"{count_phrase(doubt['units'], 'unit')} in doubt")
    if counts:
        yield Text("; ".join(counts))
    for error in overview["errors"] or []:
        yield Text(as_shown(error_words(error, now)), style="yellow")
