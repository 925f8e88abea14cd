"""`tidegate config`: the configuration checked, shown as it is in force, or accepted."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import typer

from runtime import texts
from runtime.environment import Environment, read_environment
from runtime.settings import SettingsError
from tidegate.admin.shown import shown, toml, variables
from tidegate.configuration import files as named_files
from tidegate.configuration import is_demo, load, placed
from tidegate.console import api, files, output
from tidegate.console.errors import CommandError

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def check(*, as_json: bool = output.JSON) -> None:
    """Say whether the configuration is one; exit 2 naming the file, key and expectation if not.

    Files that it names are told as they were found: relative ones lie beside it.

    Example: tidegate config check
    """
    found = read_environment()
    named = named_files(found, load(found))
    file = str(found.config) if found.config else None
    if as_json:
        told = {"ok": True, "file": file, "variables": sorted(found.overrides)}
        places = {setting: str(path) for setting, path in named.items()}
        output.as_json({**told, "files": places} if places else told)
        return
    output.say(" and ".join(["ok: " + (file or "the defaults"), *sorted(found.overrides)]))
    for setting, path in named.items():
        output.say(f"{setting}: {path}{'' if path.exists() else ' (it is not there)'}")


@app.command()
def show(
    *,
    file: str = typer.Option(
        files.STDOUT,
        "--output",
        "-o",
        help="A file to write, which must not exist; `-` is standard output.",
    ),
    as_json: bool = output.JSON,
) -> None:
    """Show the configuration in force: file, variables and defaults together, secrets hidden.

    A setting with a secret in it stands there as a comment: what is written sets all the others.

    Example: tidegate config show -o tidegate.toml
    """
    found = read_environment()
    _refuse_to_destroy(found)
    tables = shown(placed(found, load(found)))
    if as_json:
        text = output.json_text({"environment": variables(), **tables})
    else:
        text = "\n".join(_lines(tables, demo=is_demo(found)))
    with files.made(file) as into:
        into.write(f"{text}\n".encode())


@app.command()
def accept(
    digest: str = typer.Argument("", help="Of the configuration that is held; else whichever is."),
    *,
    as_json: bool = output.JSON,
) -> None:
    """Let a configuration be applied that is held because it would take servers away.

    Example: tidegate config accept
    """
    held = api.get("/api/config")["held"]
    if held is None:
        raise CommandError("no configuration is held: the one there is is in force")
    told = api.post("/api/config/accept", {"digest": digest or held["digest"]})
    if as_json:
        output.as_json({**told, "removes": held.get("removes", [])})
    else:
        gone = ", ".join(held.get("removes", [])) or "no server"
        output.say(f"accepted {told['accepted']}: {gone} removed")


def _lines(tables: dict[str, Any], *, demo: bool) -> Iterator[str]:
    """Write it as a file that means the same; the demo's servers are nobody's configuration."""
    yield from (f"# {name}={texts.as_shown(value)}" for name, value in variables().items())
    if demo:
        for server in tables.pop("servers"):
            yield f"# server of the demo, while no [[servers]] are named: {server['url']}"
    yield from toml(tables)


def _refuse_to_destroy(found: Environment) -> None:
    """Say what a shell does that is told to write into the very file that is to be read."""
    if found.config is None:
        return
    with suppress(OSError):
        if os.path.samestat(os.fstat(sys.stdout.fileno()), found.config.stat()):
            raise SettingsError(
                f"{found.config}: the shell has emptied it before it could be read; put it back,"
                " and name another file by `tidegate config show -o`"
            )
