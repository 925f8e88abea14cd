"""`tidegate export`: any measure by any dimensions, or a named query, as a file."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import typer

from runtime.texts import count_phrase
from tidegate.console import api, files, output


class ExportFormat(StrEnum):
    """What the file is written as."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    XLSX = "xlsx"


_BINARY = frozenset({ExportFormat.PARQUET, ExportFormat.XLSX})
_OPTIONS = {
    "measures": "--measures",
    "dimensions": "--by",
    "from": "--from",
    "to": "--to",
    "filter": "--filter",
    "order": "--order",
    "query": "--query",
}
"""By what they are called where the gateway is asked."""


def export(
    *,
    measures: str = typer.Option("requests,units_used,failure_rate", help="Names, with commas."),
    dimensions: str = typer.Option("day,service", "--by", help="Dimensions, with commas."),
    since: str = typer.Option("", "--from", help="First quota day; by default six before `--to`."),
    until: str = typer.Option("", "--to", help="Last quota day; by default today."),
    filters: list[str] = typer.Option(
        [], "--filter", help="`service:image,video`, or `outcome:!settled`; repeatable."
    ),
    order: str = typer.Option("", help="What comes first; `-units_used`: the greatest."),
    before: bool = typer.Option(
        False, "--before", help="Beside each measure, what it was in as many days before."
    ),
    words: bool = typer.Option(
        False, "--words", help="List the measures and dimensions there are instead."
    ),
    query: str = typer.Option("", help="A named query instead."),
    parameter: list[str] = typer.Option([], help="`name=value` of the named query; repeatable."),
    form: ExportFormat | None = typer.Option(
        None, "--format", help="What to write; by default as the file is named, else CSV."
    ),
    file: str = typer.Option(
        files.STDOUT,
        "--output",
        "-o",
        help="A file to write, which must not exist; `-` is standard output.",
    ),
    as_json: bool = typer.Option(False, "--json", help="The same as --format json."),
) -> None:
    """Write statistics into a file: CSV, JSON, NDJSON, Parquet or XLSX, as it is named.

    Example: tidegate export --by day,server --measures attempts,attempt_p95_ms -o servers.csv
    """
    if words:
        _print_words(as_json=as_json)
        return
    form = ExportFormat.JSON if as_json else form or format_of(file)
    if file == files.STDOUT and form in _BINARY and sys.stdout.isatty():
        raise typer.BadParameter(f"expected a file for {form}", param_hint="--output")
    asked: dict[str, Any] = {"format": form.value}
    if query:
        asked |= {"query": query, **_query_parameters(parameter)}
    else:
        asked |= {"measures": measures, "dimensions": dimensions, "from": since, "to": until}
        asked |= {"order": order, "filter": filters, "compare": "before" if before else ""}
    given = {name: value for name, value in asked.items() if value not in ("", [])}
    with (
        files.open_output(file) as into,
        api.options_for(**_OPTIONS),
        api.download("/api/stats/export", **given) as answer,
    ):
        _copy_answer(answer, into, shown=file != files.STDOUT)
        if answer.headers.get("x-truncated") == "true":
            rows = count_phrase(int(answer.headers["x-rows"]), "row")
            output.print_note(f"cut: only the first {rows}, see export_rows_max")


def _print_words(*, as_json: bool) -> None:
    """List what may be asked for, as the gateway tells it."""
    answer = api.get("/api/stats/words")
    if as_json:
        output.print_json(answer)
        return
    rows = [
        [word["name"], kind.removesuffix("s"), word["meaning"]]
        for kind in ("dimensions", "measures")
        for word in answer[kind]
    ]
    output.print_table(["name", "is a", "meaning"], rows, hint="--json")


def format_of(file: str) -> ExportFormat:
    """Tell what is written into a file by how it is named. Raises `typer.BadParameter`."""
    suffix = Path(file).suffix.lower().removeprefix(".")
    if not suffix or file == files.STDOUT:
        return ExportFormat.CSV
    try:
        return ExportFormat(suffix)
    except ValueError:
        known = ", ".join(f".{form}" for form in ExportFormat)
        message = f"expected a name that ends with {known}, or --format; got {file!r}"
        raise typer.BadParameter(message, param_hint="--output") from None


def _query_parameters(given: list[str]) -> dict[str, str]:
    parameters = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise typer.BadParameter(f"expected name=value, got {text!r}", param_hint="--parameter")
        parameters[name] = value
    return parameters


def _copy_answer(answer: Any, into: IO[bytes], *, shown: bool) -> None:
    """Copy an answer; with a bar on a terminal, when it goes into a file."""
    size = int(answer.headers["content-length"])
    with output.progress_bar("exporting", size, in_bytes=True, shown=shown) as moved:
        for piece in answer.iter_bytes():
            into.write(piece)
            moved(len(piece))
