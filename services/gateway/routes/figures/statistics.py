"""Any measure by any dimensions, as rows or as a file; named queries the same way."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.datastructures import MultiDict
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from contracts.analytics import FileFormat, NamedQuery, StartExport, Statistics, Word
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures import downloads
from services.gateway.routes.figures.sql import ROWS_MAX, Table, as_table
from services.gateway.routes.guard import (
    LET_THROUGH,
    PARAMETERS,
    refuse_repeated,
    unknown_parameter,
)
from services.gateway.routes.parameters import one_of

MEDIA_TYPES = {
    FileFormat.CSV: "text/csv",
    FileFormat.JSON: "application/json",
    FileFormat.NDJSON: "application/x-ndjson",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_LISTS = ("measures", "dimensions", "order")
_WORDS = frozenset({*_LISTS, "from", "to", "filter", "query", "compare"})
_BEFORE = "before"

Measures = Annotated[
    str | None, QueryParameter(description="Names of measures with commas between them.")
]
Dimensions = Annotated[
    str | None, QueryParameter(description="Names of dimensions with commas between them.")
]
From = Annotated[str | None, QueryParameter(name="from", description="First quota day.")]
To = Annotated[str | None, QueryParameter(name="to", description="Last quota day, included.")]
Filters = Annotated[
    list[str] | None,
    QueryParameter(
        name="filter",
        description="`service:image,video`: any of these; `outcome:!settled`: none of these.",
    ),
]
Order = Annotated[
    str | None, QueryParameter(description="Measures or dimensions; `-` before one: greatest first")
]
Compare = Annotated[
    str | None,
    QueryParameter(
        description="`before`: each measure is followed by what it was in as many days before."
    ),
]
Named = Annotated[
    str | None,
    QueryParameter(name="query", description="A named query instead, with its own parameters."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=ROWS_MAX, description="At most so many rows.")]
Format = Annotated[str, QueryParameter(name="format", description=f"{', '.join(FileFormat)}.")]
_NOT_OF_QUERIES = {"query", "format", *LET_THROUGH}
Given = MultiDict[str]


async def the_given(
    *,
    request: Request[Any, Any, Any],
    measures: Measures = None,
    dimensions: Dimensions = None,
    since: From = None,
    until: To = None,
    filters: Filters = None,
    order: Order = None,
    compare: Compare = None,
    named: Named = None,
) -> Given:
    """Provide what both endpoints may be asked, as it was given (Litestar's dependency `given`)."""
    del measures, dimensions, since, until, filters, order, compare, named
    return request.query_params


@get(
    "/stats/query",
    tags=["analysis"],
    summary="Any measure by any dimensions",
    dependencies={"given": the_given},
    opt={PARAMETERS: None},
)
async def query(
    *,
    doors: NamedDependency[Doors],
    given: NamedDependency[Given],
    limit: Limit = ROWS_MAX,
) -> Table:
    """Sum up leases, attempts and refusals; without days: the last seven, today included."""
    return as_table(await doors.ask_analytics(_question_of(given, "limit", limit)))


@get(
    "/stats/export",
    tags=["analysis"],
    summary="The same as a file: csv, json, ndjson, parquet, xlsx",
    dependencies={"given": the_given},
    opt={PARAMETERS: None},
)
async def export(
    *,
    doors: NamedDependency[Doors],
    given: NamedDependency[Given],
    form: Format = FileFormat.CSV,
) -> Stream:
    """Stream a file; `X-Truncated` says whether there were more rows than an export may have."""
    wanted = one_of("format", form, FileFormat)
    command = StartExport(question=_question_of(given, "format"), format=wanted)
    download = await downloads.start_download(doors, command)
    name = f"tidegate-{given.get('query') or 'statistics'}.{wanted}"
    return Stream(
        download.stream_parts(),
        media_type=MEDIA_TYPES[wanted],
        headers={
            "content-length": str(download.size),
            "content-disposition": f'attachment; filename="{name}"',
            "x-rows": str(download.row_count),
            "x-truncated": str(download.is_truncated).lower(),
            "x-log-sequence": str(download.as_of_sequence),
        },
    )


class WordsOfStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Every measure and dimension that may be asked for, in the order in which they are told."""

    measures: list[Word]
    dimensions: list[Word]


@get("/stats/words", tags=["analysis"], summary="Which measures and dimensions there are")
async def words(doors: NamedDependency[Doors]) -> WordsOfStatistics:
    """List the words that `/api/stats/query` and `/api/stats/export` understand."""
    answer = await doors.ask_words()
    return WordsOfStatistics(measures=answer.measures, dimensions=answer.dimensions)


def _question_of(given: Given, own: str, rows_max: int = ROWS_MAX) -> Statistics | NamedQuery:
    """Read the question out of the parameters; `own` is that of the endpoint alone.

    Raises `GatewayError` naming a parameter there is not, or is twice and no list.
    """
    name = given.get("query")
    if name is not None:
        refuse_repeated(given)
        parameters = {key: given[key] for key in given if key not in _NOT_OF_QUERIES}
        return NamedQuery(name=name, parameters=parameters)
    for key in given:
        if key not in {*_WORDS, own, *LET_THROUGH}:
            raise unknown_parameter(key, {*_WORDS, own})
    refuse_repeated(given, {*_LISTS, "filter"})
    lists = {
        key: [
            word.strip()
            for text in given.getall(key, [])
            for word in text.split(",")
            if word.strip()
        ]
        for key in _LISTS
    }
    compare = given.get("compare", "")
    if compare not in {"", _BEFORE}:
        message = f"compare: expected {_BEFORE}, got {as_quoted(compare)}"
        raise GatewayError("invalid_request", message, "compare")
    return Statistics(
        **lists,
        compare=bool(compare),
        since=given.get("from", ""),
        until=given.get("to", ""),
        filters=given.getall("filter", []),
        rows_max=rows_max,
    )
