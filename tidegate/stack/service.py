"""`tidegate gateway | pool | balancer | analytics`: one process of one service."""

import importlib
from functools import partial

from runtime.environment import read_environment
from runtime.process import lifecycle
from tidegate.configuration import load_configuration, settings_loader
from tidegate.console.errors import CommandError
from tidegate.console.inforce import settings_in_force


def gateway() -> None:
    """Run one gateway until it is told to stop.

    Example: TIDEGATE_PORT=8081 tidegate gateway
    """
    _run_service("gateway")


def pool() -> None:
    """Run one pool process: it follows the log, and leads when nobody does.

    Example: tidegate pool
    """
    _run_service("pool")


def balancer() -> None:
    """Run one balancer process: it follows the log, and leads when nobody does.

    Example: tidegate balancer
    """
    _run_service("balancer")


def analytics() -> None:
    """Run the analytics process, the one that owns the DuckDB file.

    Example: tidegate analytics
    """
    from services.analytics.store import StoreError  # noqa: PLC0415 (DuckDB is no other verb's)

    try:
        _run_service("analytics")
    except StoreError as error:
        raise CommandError(f"analytics.duckdb cannot be used: {error}") from None


def _run_service(name: str) -> None:
    here = read_environment()
    load_configuration(here)
    app = importlib.import_module(f"services.{name}.app")
    settings = importlib.import_module(f"services.{name}.settings").Settings
    run = partial(app.run, environment=here, load=settings_loader(here, settings))
    if name == "gateway":
        # It answers for the whole configuration, of which it reads two tables itself.
        run = partial(run, describe=partial(settings_in_force, here))
    lifecycle.run(run)
