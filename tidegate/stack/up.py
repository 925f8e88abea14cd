"""`tidegate up`: NATS, the four services and, without servers of your own, four demo servers."""

import asyncio
import os

import typer

from runtime.environment import read_environment
from runtime.settings import SettingsError
from tidegate.configuration import load_configuration
from tidegate.stack import ports
from tidegate.stack.home import lock, migration
from tidegate.stack.leftovers import end_leftovers
from tidegate.stack.running import RunningStack


def up(config: str = typer.Option("", help="Configuration file (TIDEGATE_CONFIG).")) -> None:
    """Run the whole stack in the foreground until Ctrl-C; a second Ctrl-C does not wait.

    Example: tidegate up --config my.toml
    """
    if config:
        os.environ["TIDEGATE_CONFIG"] = config
    here = read_environment()
    configuration = load_configuration(here)
    lock.make_folder(here.home)
    with lock.lock_home(here.home):
        left = end_leftovers(here.home)
        wrong = ports.port_trouble(here.host, here.port)
        if wrong:
            raise SettingsError(f"TIDEGATE_HOST, TIDEGATE_PORT: {wrong}")
        migration.write_secrets(here)
        asyncio.run(RunningStack(here, configuration).run(left))
