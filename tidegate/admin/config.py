"""`tidegate config`: the configuration checked, shown as it is in force, or accepted."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from runtime import texts
from runtime.environment import Environment, read_environment
from runtime.settings import SettingsError
from tidegate.admin.foreseen import Foreseen, foreseen_troubles, refuse_what_up_refuses
from tidegate.admin.running import put_in_force
from tidegate.configuration import (
    is_demo,
    load_configuration,
    named_files,
    with_absolute_paths,
)
from tidegate.console import api, files, output
from tidegate.console.errors import CommandError
from tidegate.console.shown import hidden_settings, settings_tables, tidegate_variables, toml_lines

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("check")
def check_configuration(
    *,
    config: str = typer.Option("", help="Another configuration file than would be read."),
    as_json: bool = output.JSON,
) -> None:
    """Say whether the configuration is one; exit 2 naming the file, key and expectation if not.

    Exit 1 where it is one and `up` would not start all the same.

    It is read as every service reads it, and what `up` would meet is told: a port that is taken,
    lines of the credentials' file that are none, servers that would be held. Files that it names
    are told as they were found: relative ones lie beside it.

    Example: tidegate config check
    """
    here = read_environment({**os.environ, "TIDEGATE_CONFIG": config} if config else None)
    whole = load_configuration(here)
    refuse_what_up_refuses(here)
    named = named_files(here, whole)
    troubles = list(foreseen_troubles(here, whole))
    starts = not any(trouble.stops for trouble in troubles)
    file = str(here.config) if here.config else None
    if as_json:
        report: dict[str, Any] = {
            "ok": True,
            "file": file,
            "variables": sorted(here.overrides),
            "starts": starts,
            "foreseen": [trouble.text for trouble in troubles],
        }
        places = {setting: str(path) for setting, path in named.items()}
        output.print_json({**report, "files": places} if places else report)
    else:
        _print_check(file, here, named, troubles)
    if not starts:
        raise typer.Exit(1)


def _print_check(
    file: str | None, here: Environment, named: dict[str, Path], troubles: Iterable[Foreseen]
) -> None:
    """Say which configuration is one, what it names, and what `up` would meet."""
    output.print_text(" and ".join(["ok: " + (file or "the defaults"), *sorted(here.overrides)]))
    for setting, path in named.items():
        output.print_text(f"{setting}: {path}{'' if path.exists() else ' (it is not there)'}")
    for trouble in troubles:
        output.print_note(trouble.text)


@app.command("show")
def show_configuration(
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

    Where the stack runs, servers and strategy are those in force: what was changed by the API
    since is in what is shown, and standard error says so. `config sources` says where each is from.

    A setting with a secret in it stands there as a comment, and is named on standard error: what
    is written sets all the others.

    Example: tidegate config show -o tidegate.toml
    """
    here = read_environment()
    _refuse_to_destroy(here)
    tables = settings_tables(with_absolute_paths(here, load_configuration(here)))
    demo = is_demo(here)
    remarks = put_in_force(here, tables, demo=demo)
    if as_json:
        text = output.json_text({"environment": tidegate_variables(), **tables})
    else:
        text = "\n".join(_file_lines(tables, demo=demo))
    with files.open_output(file) as into:
        into.write(f"{text}\n".encode())
    if (hidden := list(hidden_settings(tables))) and not as_json:
        output.print_note(_hidden_text(hidden))
    for remark in remarks:
        output.print_note(remark)


@app.command("sources")
def list_sources(*, as_json: bool = output.JSON) -> None:
    """List every setting that a gateway has in force, and where it came from.

    Example: tidegate config sources
    """
    answer = api.get("/api/config")
    if as_json:
        output.print_json(answer)
        return
    output.print_records(("name", "value", "from", "variable"), answer["settings"], "no setting")
    if answer["trouble"]:
        output.print_note(f"what is written is no configuration: {answer['trouble']}")
    output.print_note(f"gateway {answer['gateway_id']}, version {answer['version']}")


@app.command("accept")
def accept_configuration(
    digest: str = typer.Argument("", help="Of the configuration that is held; else whichever is."),
    *,
    as_json: bool = output.JSON,
) -> None:
    """Let a configuration be applied that is held because it would take servers away.

    Example: tidegate config accept
    """
    waiting = api.get("/api/config")["held"]
    if waiting is None:
        raise CommandError("no configuration is held: the one there is is in force")
    answer = api.post("/api/config/accept", {"digest": digest or waiting["digest"]})
    removes = waiting.get("removes", [])
    text = f"accepted {answer['accepted']}: {', '.join(removes) or 'no server'} removed"
    output.print_answer({**answer, "removes": removes}, text, as_json=as_json)


def _file_lines(tables: dict[str, Any], *, demo: bool) -> Iterator[str]:
    """Write it as a file that means the same; the demo's servers are nobody's configuration."""
    yield from (f"# {name}={texts.as_shown(value)}" for name, value in tidegate_variables().items())
    if hidden := list(hidden_settings(tables)):
        yield f"# {texts.as_shown(_hidden_text(hidden))}"
    if demo:
        for server in tables.pop("servers"):
            yield f"# server of the demo, while no [[servers]] are named: {server['url']}"
    yield from toml_lines(tables)


def _hidden_text(settings: list[str]) -> str:
    """Say which settings what is written does not set."""
    return (
        f"left out, for a secret is in it: {', '.join(settings)}; write it in before this is used"
    )


def _refuse_to_destroy(environment: Environment) -> None:
    """Say what a shell does that is told to write into the very file that is to be read."""
    if environment.config is None:
        return
    with suppress(OSError):
        if os.path.samestat(os.fstat(sys.stdout.fileno()), environment.config.stat()):
            raise SettingsError(
                f"{environment.config}: the shell has emptied it before it could be read;"
                " put it back, and name another file by `tidegate config show -o`"
            )
