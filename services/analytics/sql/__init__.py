"""Everything that is SQL, a statement a file.

sources    the files read, each with its header: parameters, and a section of the reports
schema/    migrations, in order of their names
macros/    what the others call
rollups/   sums kept with the rows they are of
views/     what is asked: facts, standings, the original's tables
queries/   the named queries
reports/   named queries that are sections of the reports, too
"""

from services.analytics.sql.sources import (
    Parameter,
    ReportSection,
    Source,
    SourceError,
    read_source,
    source_faults,
    sources_of,
)

__all__ = [
    "Parameter",
    "ReportSection",
    "Source",
    "SourceError",
    "read_source",
    "source_faults",
    "sources_of",
]
