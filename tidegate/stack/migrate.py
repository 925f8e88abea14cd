"""`tidegate migrate`: secrets first, then streams and the first keys; both only what is absent."""

import asyncio
import sys
from pathlib import Path

import typer

from runtime.environment import read_environment
from tidegate.configuration import load
from tidegate.stack.home import owners
from tidegate.stack.home.migration import Made, make, write_secrets


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
    found = read_environment()
    configuration = load(found)
    if homes_in is not None and not secrets_only:
        raise typer.BadParameter("expected --secrets with it", param_hint="--homes")
    if secrets_only:
        made = Made(write_secrets(found), {})
    else:
        made = asyncio.run(make(found, configuration))
    names = ", ".join(made.names)
    print(f"made {names}" if names else "nothing to make: everything is there")
    for advice in made.dead_keys.values():
        print(f"tidegate: {advice}", file=sys.stderr)
    if homes_in is not None:
        furnished = owners.furnish(found, homes_in, demo_url)
        print(f"configuration: {found.config or 'the defaults'}; homes of {', '.join(furnished)}")
