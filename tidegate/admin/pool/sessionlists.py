"""Sessions as an operator looks for them: the options of a filter."""

from typing import Any

import typer

LABEL_HELP = "At most 64 printable characters, for operators alone; no personal data."
UNRETIRED = "active,cooling,suspect,draining,disabled"
"""Every status but that of sessions that are gone."""
STATUS = typer.Option(
    "",
    help="Only of these, with commas between them: active, cooling, suspect, draining, disabled,"
    " retired.",
)
SERVICE_TYPE = typer.Option(
    "", "--type", help="Only with a daily limit above 0 for this service type."
)
LABEL = typer.Option("", help="Only with exactly this label.")
TEXT = typer.Option(
    "",
    "--find",
    "-q",
    help="Only with this in id, label, region, origin, reason, account or tier, in any letter"
    " case.",
)
ORDER = typer.Option(
    "added",
    help="added, id, status, label, region, last_used, open_leases, remaining or used (of --type,"
    " else of all together); `-` before it: the last one first. Those that retired come last.",
)


OPTIONS = {
    "status": "--status",
    "service_type": "--type",
    "label": "--label",
    "q": "--find",
    "sort": "--order",
    "cursor": "--cursor",
    "offset": "--offset",
}
"""By what they are called where the gateway is asked."""


def filter_query(
    status: str = "", service_type: str = "", label: str = "", text: str = ""
) -> dict[str, Any]:
    """Write a filter as the API's parameters: what is not said is left out."""
    given = {"status": status, "service_type": service_type, "label": label, "q": text}
    return {name: value for name, value in given.items() if value}


def read_limit(text: str) -> tuple[str, int]:
    """Read `image=50`. Raises `BadParameter`."""
    name, equals, units = text.rpartition("=")
    if not (name and equals and units.isascii() and units.isdecimal()):
        raise typer.BadParameter(f"expected such as image=50, got {text!r}", param_hint="--limit")
    return name, int(units)
