"""Servers, and who chooses among them, as people read of them."""

from typing import Any

COLUMNS = (
    "id",
    "url",
    "region",
    "state",
    "why",
    "connections",
    "of",
    "avg_ms",
    "success_rate",
    "weight",
    "priority",
    "level",
    "capabilities",
    "dialect",
    "serves",
)


def strategies_text(answer: dict[str, Any]) -> str:
    """Say who chooses, for which service types another one, and by which rules."""
    text = f"strategy {answer['strategy']}, at sequence {answer['sequence']}"
    text += "".join(f"\n{name}: {own}" for name, own in answer.get("strategies", {}).items())
    if answer.get("pinned"):
        since = f" since {answer['pinned_at']}" if answer.get("pinned_at") else ""
        text += f"\n{answer['pinned']} is pinned{since}: it chooses for all until `unpin`"
    for rule in answer.get("rules", ()):
        of = f" ({rule['service_type']})" if rule.get("service_type") else ""
        text += f"\nrule{of}: {rule['use']} when {rule['when']}"
    return text


def test_text(answer: dict[str, Any]) -> str:
    """Write what came of a paid call, as people read it."""
    lines = [f"{answer['server_id']}: {answer['verdict']}, status {answer['status'] or 'none'}"]
    lines += [f"  {name}: {value}" for name, value in answer["headers"].items()]
    if answer["why"]:
        lines.append(f"why: {answer['why']}")
    units = f"{answer['units']} unit{'' if answer['units'] == 1 else 's'}"
    lines.append(
        f"{units} ({answer['outcome']}), first byte after"
        f" {answer['first_byte_ms']:.0f} ms, {answer['bytes_out']} bytes in"
        f" {answer['total_ms']:.0f} ms; tidegate explain {answer['request_id']}"
    )
    return "\n".join(lines)


def server_row(view: dict[str, Any]) -> list[Any]:
    """Write a server as a row of the table."""
    server = view["server"]
    return [
        server["server_id"],
        server["url"],
        server.get("region"),
        view.get("state") or view["health"],
        view.get("words"),
        view.get("connections", 0),
        server.get("max_sessions", 100),
        view.get("avg_response_ms", 0.0),
        view.get("success_rate", 1.0) if view.get("attempts") else None,
        server.get("weight", 1),
        server.get("priority", 1),
        server.get("level", 1),
        server.get("capabilities"),
        server.get("dialect", "plain"),
        server.get("serves"),
    ]
