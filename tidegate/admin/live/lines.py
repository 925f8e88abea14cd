"""How things stand in a line each, from what `GET /api/overview` and `/api/servers` say: pure.

What a silent service would have said is missing, and that it is silent stands first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from rich.text import Text

from runtime.texts import as_shown, count_phrase
from tidegate.console.moments import duration_words, moment_words, parsed_moment

Part = Mapping[str, Any]
LABEL_WIDTH = 13
_SLOW_ATTEMPTS = 5
_SLOW_TIMES = 2.0
_SLOW_LEAST_MS = 500.0
_SECOND_MS = 1000
_ERRORS_SHOWN = 1
_WRONG = "wrong"


def status_lines(overview: Part, servers: Sequence[Part]) -> list[Text]:
    """Write how things stand; what needs doing stands last, with its cure."""
    now = parsed_moment(overview["at"])
    assert now is not None, "the gateway's clock"
    return [
        *_silence_lines(overview),
        *_unit_lines(overview),
        *_call_lines(overview),
        *_queue_lines(overview),
        *_session_lines(overview),
        *_server_lines(overview, servers),
        *_doubt_lines(overview, now),
        *_error_lines(overview, now),
        *attention_lines(overview),
    ]


def is_well(overview: Part) -> bool:
    """Whether nothing is wrong; what is only worth knowing is not."""
    return not overview["silent"] and not any(
        finding["state"] == _WRONG for finding in overview["attention"]
    )


def labelled(label: str, text: str, style: str = "") -> Text:
    """Write a line: what it is about, then what it says."""
    line = Text(f"{label:<{LABEL_WIDTH}}", style="dim")
    return line.append(as_shown(text), style=f"not dim {style}")


def latency_words(milliseconds: float | None) -> str:
    """Write a latency: `410 ms`, `1.8 s`; a dash where nothing is known."""
    if milliseconds is None:
        return "–"  # noqa: RUF001 (a dash)
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / _SECOND_MS:.1f} s"


def counted_states(states: Iterable[Part]) -> str:
    """Write how many are in which state: `47 active, 2 cooling`."""
    return ", ".join(f"{entry['count']} {entry['state']}" for entry in states if entry["count"])


def slow_servers(servers: Sequence[Part]) -> list[str]:
    """Name the servers that take at least twice as long as the others' median, and how long."""
    tried = {
        view["server"]["server_id"]: float(view.get("avg_response_ms", 0.0))
        for view in servers
        if view.get("attempts", 0) >= _SLOW_ATTEMPTS
    }
    slow = []
    for name, own_ms in tried.items():
        others = [other_ms for other, other_ms in tried.items() if other != name]
        if others and own_ms >= max(_SLOW_LEAST_MS, _SLOW_TIMES * median(others)):
            usual = latency_words(median(others))
            slow.append(f"{name} takes {latency_words(own_ms)}, the others {usual}")
    return slow


def attention_lines(overview: Part) -> Iterator[Text]:
    """Say what needs doing, worst first, each with its cure."""
    label = "to do"
    for finding in overview["attention"]:
        style = "red" if finding["state"] == _WRONG else "yellow"
        yield labelled(label, finding["message"], style)
        yield labelled("", finding["cure"])
        label = ""
    if overview["attention"] or overview["silent"]:
        return
    doubt = overview["in_doubt"]
    if doubt is not None and doubt["leases"]:
        units = count_phrase(doubt["units"], "unit")
        yield labelled(label, f"find out what became of the {units} in doubt: they stay used")
        yield labelled("", "tidegate leases reconcile --help")
    else:
        yield labelled(label, "nothing", "green")


def _silence_lines(overview: Part) -> Iterator[Text]:
    for silent in overview["silent"]:
        yield labelled("silent", f"{silent['service']}: {silent['reason']}", "red")


def _unit_lines(overview: Part) -> Iterator[Text]:
    """Say what is left of every service type, and when all of it comes back."""
    units = overview["units"]
    if units is None:
        return
    if not units:
        yield labelled("left today", "no service type has a quota")
        return
    parts = []
    for of_type in units:
        of = "" if of_type["limit"] is None else f" of {of_type['limit']}"
        parts.append(f"{of_type['service_type']} {of_type['remaining']}{of}")
    empty = any(of_type["remaining"] == 0 for of_type in units)
    resets = duration_words(min(of_type["resets_in_s"] for of_type in units))
    yield labelled(
        "left today", f"{', '.join(parts)}; resets in {resets}", "yellow" if empty else ""
    )


def _call_lines(overview: Part) -> Iterator[Text]:
    calls = overview["calls"]
    if calls is None:
        return
    hour, minute = calls["hour"], calls["minute"]
    text = f"{count_phrase(hour['calls'], 'call')}, {hour['failed']} failed"
    if hour["failure_rate"]:
        text += f" ({hour['failure_rate']:.1%})"
    if hour["calls"]:
        median_ms, late_ms = hour["latency_p50_ms"], hour["latency_p95_ms"]
        text += f"; half within {latency_words(median_ms)}, 95 % within {latency_words(late_ms)}"
    yield labelled("last hour", text, "yellow" if hour["failed"] else "")
    text = f"{count_phrase(minute['calls'], 'call')}, {minute['failed']} failed"
    yield labelled("last minute", text)


def _queue_lines(overview: Part) -> Iterator[Text]:
    queue = overview["queue"]
    if queue is not None:
        waiting = count_phrase(queue["waiting"], "waits for a session", "wait for a session")
        yield labelled("now", f"{queue['open_leases']} under way, {waiting}")


def _session_lines(overview: Part) -> Iterator[Text]:
    sessions = overview["sessions"]
    if sessions is None:
        return
    bounds = f"between {sessions['min_size']} and {sessions['max_size']} are wanted"
    yield labelled("sessions", f"{counted_states(sessions['states']) or 'none'}; {bounds}")


def _server_lines(overview: Part, servers: Sequence[Part]) -> Iterator[Text]:
    """Say how servers do: how many in which state, then those that are unwell or slow."""
    counts = overview["servers"]
    if counts is None:
        return
    yield labelled("servers", counted_states(counts["states"]) or "none")
    for unwell in counts["unwell"]:
        text = f"{unwell['id']}: {unwell['words'] or unwell['state']}"
        yield labelled("", text, "yellow")
    for slow in slow_servers(servers):
        yield labelled("", slow, "yellow")


def _doubt_lines(overview: Part, now: datetime) -> Iterator[Text]:
    doubt = overview["in_doubt"]
    if doubt is None or not doubt["leases"]:
        return
    since = parsed_moment(doubt["since"])
    age = f", the oldest {moment_words(since, now)}" if since else ""
    units, leases = count_phrase(doubt["units"], "unit"), count_phrase(doubt["leases"], "lease")
    yield labelled("in doubt", f"{units} of {leases}{age}", "yellow")
    yield labelled("", "tidegate leases list --state unknown, and --state expired")


def _error_lines(overview: Part, now: datetime) -> Iterator[Text]:
    for error in (overview["errors"] or [])[:_ERRORS_SHOWN]:
        yield labelled("last error", error_words(error, now), "yellow")
        yield labelled("", f"tidegate explain {error['request_id']}")


def error_words(error: Part, now: datetime) -> str:
    """Say which error whom met, and when."""
    moment = parsed_moment(error["at"])
    age = moment_words(moment, now) if moment else error["at"]
    key = error["key_name"] or error["key_id"] or "no key"
    message = f": {error['message']}" if error["message"] else ""
    return f"{age} {error['status']} {error['code']} to {key}{message}"
