"""What an operator may turn at analytics (`[analytics]`)."""

from runtime.quantities import Seconds, Size
from runtime.settings import Section

_DAY_S = 86_400
_MEMORY_MIN = 64_000_000
_SQL_MEMORY_MIN = 800_000_000


class AnalyticsSection(Section, frozen=True, kw_only=True):
    """Bounds of the projections.

    `retention` and `request_log_retention` are read and checked, but nothing is deleted yet:
    rows go only once they are archived to Parquet, and the archive is not built.
    """

    retention: Seconds = Seconds(30 * _DAY_S)
    """Usage rows."""
    request_log_retention: Seconds = Seconds(7 * _DAY_S)
    """The detailed ones: requests and attempts."""
    memory: Size = Size(1_000_000_000)
    """What DuckDB may hold in memory, ingest and questions of ours together. Read at the start
    alone."""
    sql_memory: Size = Size(1_500_000_000)
    """Address space of the process that answers SQL; some 400 MB of it are its code. DuckDB may
    take half, texts and lists what is left. It begins with the first question, and ends when
    nobody has asked for five minutes."""
    sql_timeout: Seconds = Seconds(10)
    """A question that takes longer is interrupted; in SQL, which is answered one statement at a
    time, the process is killed, and one that waits 5 s longer for its turn is told so."""
    export_timeout: Seconds = Seconds(300)
    """The same of an export, until its file is written."""
    export_rows_max: int = 1_000_000
    """Rows of one export; one with more is cut, and says so. A sheet (XLSX) holds 1,048,575."""
    export_bytes_max: Size = Size(1_000_000_000)
    """Bytes of one export's file, which lies in the home until it is fetched."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.retention < _DAY_S:
            raise ValueError('retention: expected at least "1d"')
        if self.request_log_retention > self.retention:
            raise ValueError("request_log_retention: expected at most retention")
        if self.memory < _MEMORY_MIN:
            raise ValueError('memory: expected at least "64MB"')
        if self.sql_memory < _SQL_MEMORY_MIN:
            raise ValueError('sql_memory: expected at least "800MB"')
        if self.sql_timeout <= 0:
            raise ValueError("sql_timeout: expected more than 0")
        if self.export_timeout <= 0:
            raise ValueError("export_timeout: expected more than 0")
        if self.export_rows_max < 1:
            raise ValueError("export_rows_max: expected at least 1")


class Settings(Section, frozen=True, kw_only=True):
    """The tables analytics reads."""

    analytics: AnalyticsSection = AnalyticsSection()
