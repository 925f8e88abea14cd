"""Questions to the projections, and their answers."""

from typing import Any

from contracts.base import Command, Failed, Reply


class NamedQuery(Command, frozen=True, kw_only=True, tag="named_query"):
    """Run `sql/queries/<name>.sql` with these parameters."""

    name: str
    parameters: dict[str, Any] = {}


class SqlQuery(Command, frozen=True, kw_only=True, tag="sql_query"):
    """Run one read-only statement on the sandboxed connection."""

    query: str
    rows_max: int = 10_000


class Rows(Reply, frozen=True, kw_only=True, tag="rows"):
    """What a question found; true up to log sequence `sequence`, `lag` messages behind."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool = False
    sequence: int = 0
    lag: int = 0


AnalyticsReply = Rows | Failed
