"""What the stack that runs has beside its file: servers and strategies changed by the API."""

import os
from typing import Any

import msgspec

from contracts.balancer import Server
from runtime.environment import Environment
from runtime.settings import SettingsError
from services.balancer.settings import ServerSection
from tidegate.console import api
from tidegate.console.errors import CommandError
from tidegate.console.shown import settings_tables_of

_SECTION = tuple(ServerSection.__struct_fields__)


def put_in_force(environment: Environment, tables: dict[str, Any], *, demo: bool) -> list[str]:
    """Put the servers and the strategy in force into the tables of a file; what to say of it.

    Nothing is asked where no stack is known to run: then the tables are what the file says.
    """
    if not (environment.home.run.exists() or os.environ.get("TIDEGATE_API")):
        return []
    try:
        answer = api.get("/api/servers")
    except (CommandError, SettingsError) as error:
        return [f"servers and strategy as the file has them: {error}"]
    remarks = [f"servers and strategy are those in force at sequence {answer['sequence']}"]
    if not demo:
        views = [msgspec.convert(view["server"], Server) for view in answer["data"]]
        tables["servers"] = [_as_entry(server) for server in views]
    if answer.get("pinned"):
        remarks.append(f"{answer['pinned']} is pinned: it chooses, whatever stands below")
    elif answer["strategy"] != tables["balancer"]["strategy"]:
        tables["balancer"]["strategy"] = answer["strategy"]
    return remarks


def _as_entry(server: Server) -> dict[str, Any]:
    """Write a server as its entry in a file would."""
    fields = {name: getattr(server, name) for name in _SECTION}
    return settings_tables_of(ServerSection(**fields))
