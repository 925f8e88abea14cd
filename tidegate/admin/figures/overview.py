"""`tidegate overview`: how everything is, on one page."""

from collections.abc import Iterator
from typing import Any

from tidegate.console import api, output

_SPANS = (("minute", "last minute"), ("hour", "last hour"))


def overview(*, as_json: bool = output.JSON) -> None:
    """Show units left, calls as clients saw them, sessions, servers, what needs attention.

    Example: tidegate overview
    """
    answer: dict[str, Any] = api.get("/api/overview")
    if as_json:
        output.print_json(answer)
        return
    for line in _silence_lines(answer):
        output.print_line(line)
    _print_units(answer)
    _print_calls(answer)
    for line in [*_state_lines(answer), *_attention_lines(answer), *_error_lines(answer)]:
        output.print_line(line)
    sequences = answer["sequences"].items()
    named = ", ".join(f"{name} {number}" for name, number in sequences if number is not None)
    output.print_note(f"true at these sequences of the log: {named or 'none'}")


def _silence_lines(answer: dict[str, Any]) -> Iterator[str]:
    for silent in answer["silent"]:
        yield f"no answer of {silent['service']}: {silent['reason']}"


def _print_units(answer: dict[str, Any]) -> None:
    columns = ["service_type", "remaining", "reserved", "used", "limit", "resets_at"]
    if answer["units"] is not None:
        output.print_records(columns, answer["units"], "no service type has a quota")
        output.print_text()


def _print_calls(answer: dict[str, Any]) -> None:
    if answer["calls"] is None:
        return
    columns = ["calls", "per_s", "failed", "gone", "latency_p50_ms", "latency_p95_ms"]
    rows = ([words, *(answer["calls"][span][name] for name in columns)] for span, words in _SPANS)
    output.print_table(["", *columns], rows)
    output.print_text()


def _state_lines(answer: dict[str, Any]) -> Iterator[str]:
    """Say how many are in which state."""
    if (queue := answer["queue"]) is not None:
        yield f"requests: {queue['open_leases']} under way, {queue['waiting']} wait for a session"
    for name in ("sessions", "servers"):
        if (counts := answer[name]) is not None:
            by_state = [
                f"{entry['count']} {entry['state']}" for entry in counts["states"] if entry["count"]
            ]
            yield f"{name}: {', '.join(by_state) or 'none'}"
    if (doubt := answer["in_doubt"]) is not None and doubt["leases"]:
        yield f"in doubt: {doubt['units']} units of {doubt['leases']} leases since {doubt['since']}"


def _by_state(counts: dict[str, Any]) -> str:
    there = (entry for entry in counts["states"] if entry["count"])
    return ", ".join(f"{entry['count']} {entry['state']}" for entry in there) or "none"


def _attention_lines(answer: dict[str, Any]) -> Iterator[str]:
    for finding in answer["attention"]:
        yield f"{finding['state']}: {finding['message']} ({finding['code']})"
        yield f"  {finding['cure']}"


def _error_lines(answer: dict[str, Any]) -> Iterator[str]:
    for error in answer["errors"] or []:
        words = f": {error['message']}" if error["message"] else ""
        key = error["key_name"] or error["key_id"]
        yield f"{error['at']}  {error['status']} {error['code']} to {key}{words}"
        yield f"  tidegate explain {error['request_id']}"
