"""Servers, and who chooses among them, as people read of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from runtime.texts import count_phrase
from tidegate.console import output
from tidegate.console.listing import ListedColumn


def _load_text(view: Mapping[str, Any]) -> str:
    return f"{view.get('connections', 0)}/{view['server'].get('max_sessions', 100)}"


COLUMNS = (
    ListedColumn("id", lambda view: view["server"]["server_id"]),
    ListedColumn("state", lambda view: view.get("state") or view["health"]),
    ListedColumn("url", lambda view: view["server"]["url"], short=True),
    ListedColumn("region", lambda view: view["server"].get("region")),
    ListedColumn("load", lambda view: view.get("connections", 0), _load_text, right=True),
    ListedColumn(
        "avg_ms",
        lambda view: view.get("avg_response_ms") or None,
        lambda view: f"{view['avg_response_ms']:.0f}",
    ),
    ListedColumn(
        "success",
        lambda view: view.get("success_rate", 1.0) if view.get("attempts") else None,
        lambda view: f"{view['success_rate']:.0%}",
        right=True,
    ),
    ListedColumn("weight", lambda view: view["server"].get("weight", 1)),
    ListedColumn("priority", lambda view: view["server"].get("priority", 1)),
    ListedColumn("level", lambda view: view["server"].get("level", 1)),
    ListedColumn("capabilities", lambda view: view["server"].get("capabilities")),
    ListedColumn("dialect", lambda view: view["server"].get("dialect", "plain")),
    ListedColumn("serves", lambda view: view["server"].get("serves")),
    ListedColumn("why", lambda view: view.get("words")),
)
"""Of a list of servers, as the balancer has them."""


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
    lines.append(
        f"{_units_text(answer)}, first byte after {answer['first_byte_ms']:.0f} ms,"
        f" {answer['bytes_out']} bytes in {answer['total_ms']:.0f} ms"
    )
    program = output.program_name()
    if answer.get("units_held"):
        lines.append(
            f"once that is known: {program} leases reconcile {answer['lease_id']} --units 0"
            " --reason WHY (or --units 1)"
        )
    lines.append(f"the whole story: {program} explain {answer['request_id']}")
    return "\n".join(lines)


def _units_text(answer: Mapping[str, Any]) -> str:
    """Say what became of the units: used, given back, or held where nobody knows."""
    if stay_used := answer.get("units_held", 0):
        units = count_phrase(stay_used, "unit stays", "units stay")
        return f"{units} used, for nobody knows whether the work was done ({answer['outcome']})"
    units = count_phrase(answer["units"], "unit")
    return f"{units} used ({answer['outcome']})"


def trouble_text(views: Iterable[Mapping[str, Any]]) -> str:
    """Say of each server that is not simply up what it is, and why; empty where all are."""
    return "".join(
        f"\n{view['server']['server_id']}: {view['words']}" for view in views if view.get("words")
    )
