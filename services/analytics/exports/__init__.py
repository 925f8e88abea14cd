"""Answers too long for a message: written into a file, fetched part by part, removed.

files    rows as CSV, JSON, NDJSON, Parquet, XLSX, batch by batch in constant memory
spool    the files there are: started, fetched, dropped, forgotten when nobody asks for them

The file is whole before its first part leaves. So an answer that fails does so before the first
byte, the database is held no longer than the question takes however slow the reader is, and any
part may be asked for twice (ADR 17).
"""

from services.analytics.exports.spool import ExportBounds, ExportSpool

__all__ = ["ExportBounds", "ExportSpool"]
"""What the doors need."""
