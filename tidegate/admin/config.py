"""`tidegate config`: the configuration checked, or shown as it is in force."""

import typer

from runtime.environment import environment
from tidegate.admin.shown import shown, toml, variables
from tidegate.configuration import load
from tidegate.console import output

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def check(*, as_json: bool = output.JSON) -> None:
    """Say whether the configuration is one; exit 2 naming the file, key and expectation if not.

    Example: tidegate config check
    """
    found = environment()
    load(found)
    file = str(found.config) if found.config else None
    if as_json:
        output.as_json({"ok": True, "file": file, "variables": sorted(found.overrides)})
    else:
        output.say(" and ".join(["ok: " + (file or "the defaults"), *sorted(found.overrides)]))


@app.command()
def show(*, as_json: bool = output.JSON) -> None:
    """Show the configuration in force: file, variables and defaults together, secrets hidden.

    Example: tidegate config show > tidegate.toml
    """
    configuration = load(environment())
    tables = shown(configuration)
    if as_json:
        output.as_json({"environment": variables(), **tables})
        return
    for name, value in variables().items():
        output.say(f"# {name}={value}")
    output.document("\n".join(toml(tables)) + "\n")
