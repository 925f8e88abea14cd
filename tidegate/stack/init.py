"""`tidegate init`: a configuration with your servers, each with the dialect that it speaks."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import typer

from contracts.balancer import PLAIN
from runtime.environment import read_environment
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.probing import asking
from tidegate.probing.asking import Probed

_NAME = "tidegate.toml"


def init(
    *,
    servers: list[str] = typer.Option(
        [], "--server", help="A server's address, such as http://10.0.0.7:8000; repeatable."
    ),
    file: Path | None = typer.Option(
        None, "--file", help="Where to; by default what TIDEGATE_CONFIG names, or ./tidegate.toml."
    ),
    force: bool = typer.Option(False, "--force", help="Write it, though it is there."),
    as_json: bool = output.JSON,
) -> None:
    """Ask your servers which dialect they speak, and write a configuration that names them.

    A server that does not answer is written without a dialect, and told.

    Example: tidegate init --server http://127.0.0.1:8000 --server http://10.0.0.7:8000
    """
    for url in servers:
        if wrong := asking.wrong_url(url):
            raise typer.BadParameter(wrong, param_hint="--server")
    if not servers:
        raise typer.BadParameter("expected at least one address", param_hint="--server")
    if len(set(servers)) < len(servers):
        raise typer.BadParameter("expected every address once", param_hint="--server")
    path = file or read_environment().config or Path(_NAME)
    try:
        if path.exists() and not force:
            raise CommandError(f"{path} is there already: expected another --file, or --force")
        said = asyncio.run(asking.probed(servers))
        path.write_text(written(said))
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror})") from None
    if as_json:
        output.as_json({"file": str(path), "servers": said})
    else:
        columns = ("server", "url", "dialect", "models", "answer")
        rows = [[_id(n), one.url, one.dialect, one.models, one.why] for n, one in _numbered(said)]
        output.table(columns, rows)
        output.say(f"\nwrote {path}; `tidegate config check` reads it, `tidegate up` runs by it")
    for _, one in _numbered(said):
        if one.why:
            output.note(f"{one.url} did not answer ({one.why}): its dialect is left to you")


def written(said: Sequence[Probed]) -> str:
    """Write the configuration; everything that it does not say has its default."""
    tables = []
    for number, one in _numbered(said):
        lines = ["[[servers]]", f'id = "{_id(number)}"', f"url = {json.dumps(one.url)}"]
        if one.why:
            lines.append(
                '# dialect = "…"  # it did not answer: `tidegate servers probe` asks again'
            )
        elif one.dialect != PLAIN:
            lines.append(f'dialect = "{one.dialect}"')
        tables.append("\n".join(lines))
    head = "# Made by `tidegate init`; every setting stands in docs/reference/settings.md."
    return "\n\n".join([head, *tables]) + "\n"


def _numbered(said: Sequence[Probed]) -> list[tuple[int, Probed]]:
    return list(enumerate(said, 1))


def _id(number: int) -> str:
    return f"server-{number}"
