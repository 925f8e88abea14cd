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
        if wrong := asking.url_objection(url):
            raise typer.BadParameter(wrong, param_hint="--server")
    if not servers:
        raise typer.BadParameter("expected at least one address", param_hint="--server")
    if len(set(servers)) < len(servers):
        raise typer.BadParameter("expected every address once", param_hint="--server")
    path = file or read_environment().config or Path(_NAME)
    try:
        if path.exists() and not force:
            raise CommandError(f"{path} is there already: expected another --file, or --force")
        said = asyncio.run(asking.probe_servers(servers))
        path.write_text(configuration_text(said))
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror})") from None
    if as_json:
        output.print_json({"file": str(path), "servers": said})
    else:
        columns = ("server", "url", "dialect", "models", "answer")
        rows = [
            [_server_id(n), server.url, server.dialect, server.models, server.why]
            for n, server in _number_servers(said)
        ]
        output.print_table(columns, rows)
        output.print_text(
            f"\nwrote {path}; `tidegate config check` reads it, `tidegate up` runs by it"
        )
    for _, server in _number_servers(said):
        if server.why:
            output.print_note(
                f"{server.url} did not answer ({server.why}): its dialect is left to you"
            )


def configuration_text(said: Sequence[Probed]) -> str:
    """Write the configuration; everything that it does not say has its default."""
    tables = []
    for number, server in _number_servers(said):
        lines = ["[[servers]]", f'id = "{_server_id(number)}"', f"url = {json.dumps(server.url)}"]
        if server.why:
            lines.append(
                '# dialect = "…"  # it did not answer: `tidegate servers probe` asks again'
            )
        elif server.dialect != PLAIN:
            lines.append(f'dialect = "{server.dialect}"')
        tables.append("\n".join(lines))
    head = "# Made by `tidegate init`; every setting stands in docs/reference/settings.md."
    return "\n\n".join([head, *tables]) + "\n"


def _number_servers(said: Sequence[Probed]) -> list[tuple[int, Probed]]:
    return list(enumerate(said, 1))


def _server_id(number: int) -> str:
    return f"server-{number}"
