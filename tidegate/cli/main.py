"""`tidegate`: the verbs, each in a file of its own, imported only when it is used."""

import importlib
import sys

import typer

from runtime.settings import SettingsError
from tidegate.cli.errors import CommandError

VERBS = {
    "up": "Run the whole stack in the foreground.",
    "migrate": "Make secrets (--secrets), or streams and the first keys.",
    "gateway": "Run one gateway.",
    "pool": "Run one pool process.",
    "balancer": "Run one balancer process.",
    "analytics": "Run the analytics process.",
    "demo": "Run a demo server, or traffic.",
    "audit": "Replay the log and name every violation.",
    "replay": "Fold the log again and show the state.",
    "backup": "Back up log, credentials, DuckDB, keys and configuration.",
    "restore": "Restore a backup, and prove it.",
    "tail": "Show the log as it grows.",
    "explain": "Tell everything the log knows of one request.",
    "keys": "Issue, list, rotate and revoke API keys.",
    "sessions": "List, add and administer sessions.",
    "servers": "List, add, change and remove servers.",
    "leases": "List open and unknown leases, settle unknown ones.",
    "stats": "Show the last days' figures.",
    "export": "Write statistics into a file.",
    "report": "Show what a day or a week was like.",
    "sql": "Ask the projections in SQL.",
    "doctor": "Look at everything, say what is wrong and how to cure it.",
    "config": "Check or show the configuration.",
}
"""Every verb, and what it does in one line."""

_SERVICES = ("gateway", "pool", "balancer", "analytics")
_WRONG = 1
_USAGE = 2


def application(wanted: str) -> typer.Typer:
    """Make the command line with the verb that is wanted; the others are only named."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Tidegate: sessions pooled, servers balanced, quota proved.",
    )
    for name, summary in VERBS.items():
        if name != wanted:
            app.command(name, help=summary)(_not_called)
            continue
        module = importlib.import_module(f"tidegate.cli.{'service' if name in _SERVICES else name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=summary)
        else:
            app.command(name)(getattr(module, name))
    return app


def main() -> None:
    """Run a verb: exit 0 when fine, 1 when it found something wrong, 2 for wrong usage."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        if sys.argv[1:] == [wanted] and wanted in _SERVICES:
            # Called by Typer, a service would carry pydantic through its life: 8 MB.
            getattr(importlib.import_module("tidegate.cli.service"), wanted)()
        else:
            application(wanted)(prog_name="tidegate")
    except SettingsError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        sys.exit(_USAGE)
    except CommandError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        sys.exit(_WRONG)


def _not_called() -> None:
    """Stand for a verb that was not asked for."""


if __name__ == "__main__":
    main()
