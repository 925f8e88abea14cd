"""The DuckDB file: one process owns it, one thread writes it, locked-down cursors read it.

database   open, migrate, make the views, lock the configuration, copy
ledger     the writer: a batch and its checkpoint in one transaction; what a new fold remembers
readers    questions of ours: read only, bounded in time and rows, answers safe for JSON
faults     what DuckDB raises of its file, sorted; a damaged one is put aside

Errors: `StoreError` (the file cannot be used as it is) ← `RowsRefusedError` (rows it does not
take), `LostError` (to be opened again) ← `DamagedError` (to be put aside).
"""

from services.analytics.reading.statement import QueryResult, QuestionError, Stream
from services.analytics.reading.values import rows_of
from services.analytics.store.database import Database
from services.analytics.store.faults import DamagedError, LostError, RowsRefusedError, StoreError
from services.analytics.store.ledger import LedgerWriter, Progress
from services.analytics.store.readers import Readers

__all__ = [
    "DamagedError",
    "Database",
    "LedgerWriter",
    "LostError",
    "Progress",
    "QueryResult",
    "QuestionError",
    "Readers",
    "RowsRefusedError",
    "StoreError",
    "Stream",
    "rows_of",
]
