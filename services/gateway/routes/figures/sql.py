"""Questions of an operator's own: one read-only statement."""

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.analytics import Rows, SqlQuery
from services.gateway.routes.doors import Doors

ROWS_MAX = 10_000
_QUERY_MAX = 100_000


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One SELECT-type statement."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=_QUERY_MAX)]
    rows_max: Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)] = ROWS_MAX


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; true up to log sequence `sequence`, which is `lag` envelopes behind."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    sequence: int
    lag: int


@post("/sql", status_code=200, tags=["analysis"], summary="Read-only SQL")
async def sql(doors: NamedDependency[Doors], data: JSONBody[Question]) -> Table:
    """Run one statement over a copy of the projections, in a process with bounds of its own."""
    return as_table(await doors.run_sql(SqlQuery(query=data.query, rows_max=data.rows_max)))


def as_table(answer: Rows) -> Table:
    """Show rows."""
    return Table(
        columns=answer.columns,
        rows=answer.rows,
        truncated=answer.truncated,
        sequence=answer.sequence,
        lag=answer.lag,
    )
