"""Questions to the projections, and their answers."""

from enum import StrEnum
from typing import Any

from contracts.base import Command, Count, Failed, Part, Reply


class NamedQuery(Command, frozen=True, kw_only=True, tag="named_query"):
    """Run `sql/queries/<name>.sql` or `sql/reports/<name>.sql` with these parameters."""

    name: str
    parameters: dict[str, Any] = {}


class Statistics(Command, frozen=True, kw_only=True, tag="statistics"):
    """Any measures by any dimensions, over quota days.

    `since` and `until` are included; empty `until` is today, empty `since` six days before it.
    """

    measures: list[str]
    dimensions: list[str] = []
    since: str = ""
    until: str = ""
    filters: list[str] = []
    """`<dimension>:<value>[,<value>…]`: any of these; `<dimension>:!…`: none of these."""
    order: list[str] = []
    """Measures or dimensions asked for; `-` before one puts the greatest first."""
    compare: bool = False
    """Whether each measure `m` is followed by `m_before`: the same of as many days before."""
    rows_max: int = 10_000


class AskWords(Command, frozen=True, kw_only=True, tag="ask_words"):
    """Ask in which words statistics may be asked."""


class Word(Part, frozen=True, kw_only=True):
    """A measure or a dimension by its name, and what it says."""

    name: str
    meaning: str


class Words(Reply, frozen=True, kw_only=True, tag="words"):
    """Every measure and every dimension that `Statistics` may name."""

    measures: list[Word]
    dimensions: list[Word]


class SqlQuery(Command, frozen=True, kw_only=True, tag="sql_query"):
    """Run one read-only statement over a copy of the projections, in a process of its own."""

    query: str
    rows_max: int = 10_000


class Rows(Reply, frozen=True, kw_only=True, tag="rows"):
    """What a question found; true up to log sequence `sequence`, `lag` messages behind."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool = False
    sequence: int = 0
    lag: int = 0


# ---------------------------------------------------------------------------- files


class FileFormat(StrEnum):
    """What a file of rows is written as."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    XLSX = "xlsx"


class StartExport(Command, frozen=True, kw_only=True, tag="start_export"):
    """Have the rows that answer `question` written into a file, to be fetched part by part."""

    question: Statistics | NamedQuery
    format: FileFormat


class ExportStarted(Reply, frozen=True, kw_only=True, tag="export_started"):
    """The question is understood, and its file is being written."""

    export_id: str


class FetchExport(Command, frozen=True, kw_only=True, tag="fetch_export"):
    """Read the file from `offset` on; whoever asks sets the pace."""

    export_id: str
    offset: Count = 0


class ExportPart(Reply, frozen=True, kw_only=True, tag="export_part"):
    """A piece of the file. While it is being written, `size` is None and there is no piece."""

    content: bytes = b""
    size: int | None = None
    """Bytes of the whole file."""
    rows: int = 0
    truncated: bool = False
    """Whether there were more rows than an export may have."""
    sequence: int = 0


class DropExport(Command, frozen=True, kw_only=True, tag="drop_export"):
    """Remove the file; dropping one that is not there is no error."""

    export_id: str


class ExportDropped(Reply, frozen=True, kw_only=True, tag="export_dropped"):
    """The file is gone."""


# -------------------------------------------------------------------------- reports


class ReportPeriod(StrEnum):
    """How much time a report is about: one quota day, or the seven that end with it."""

    DAILY = "daily"
    WEEKLY = "weekly"


class ReportFormat(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


class WriteReport(Command, frozen=True, kw_only=True, tag="write_report"):
    """Write the report of the period that ends with `day`; an empty one is today."""

    period: ReportPeriod
    day: str = ""
    format: ReportFormat = ReportFormat.MARKDOWN


class Document(Reply, frozen=True, kw_only=True, tag="document"):
    """A whole text, true up to log sequence `sequence`."""

    text: str
    sequence: int = 0


AnalyticsQuestion = NamedQuery | Statistics | AskWords
Export = StartExport | FetchExport | DropExport
AnalyticsReply = Rows | Words | Failed
ExportReply = ExportStarted | ExportPart | ExportDropped | Failed
ReportReply = Document | Failed
