"""`tidegate migrate`: secrets first, then streams and the first keys; both only what is absent."""

import asyncio
import sys
from pathlib import Path

import typer

from runtime.environment import read_environment
from tidegate.configuration import load_configuration
from tidegate.stack.home import owners
from tidegate.stack.home.migration import MigrationResult, migrate_log, write_secrets


def migrate(
    *,
    secrets_only: bool = typer.Option(
        False, "--secrets", help="Write users, passwords and keys that are absent."
    ),
    homes_in: Path | None = typer.Option(
        None,
        "--homes",
        help="With --secrets: a folder with one for each owner (gateway, pool, …, nats, operator)"
        " that runs in a container; each gets the configuration and its own secrets alone.",
    ),
    demo_url: str = typer.Option(
        "",
        help="With --homes: the address of the demo servers, which are the servers there are"
        " when the configuration names none; {id} stands for a server's name.",
    ),
) -> None:
    """Make what Tidegate needs and does not find; run it as often as you like.

    Example: tidegate migrate --secrets && tidegate migrate
    """
    here = read_environment()
    configuration = load_configuration(here)
    if homes_in is not None and not secrets_only:
        raise typer.BadParameter("expected --secrets with it", param_hint="--homes")
    if secrets_only:
        result = MigrationResult(write_secrets(here), {})
    else:
        result = asyncio.run(migrate_log(here, configuration))
    names = ", ".join(result.names)
    print(f"made {names}" if names else "nothing to make: everything is there")
    for advice in result.dead_keys.values():
        print(f"tidegate: {advice}", file=sys.stderr)
    if homes_in is not None:
        furnished = owners.furnish_homes(here, homes_in, demo_url)
        print(f"configuration: {here.config or 'the defaults'}; homes of {', '.join(furnished)}")
