"""What a batch is made of, by table of schema `ledger`.

Rows of `APPENDED` are facts, and those of `LEASES` too, until a correction replaces them. Rows
of `REPLACED` are last states, replaced by their key. `ADDED` is what no row of a batch can be
asked for. `ROLLUPS` are the sums that the store keeps of all these (`sql/rollups`).
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from services.analytics.domain.rows import (
    AnomalyRow,
    AttemptRow,
    CallsRefusedRow,
    ConfigRow,
    EntityEventRow,
    KeyRow,
    LeaseRow,
    PeakRow,
    RefusalRow,
    RequestRow,
    Row,
    ServerRow,
    SessionRow,
    UnknownTagRow,
)

APPENDED: dict[str, type[Row]] = {
    "requests": RequestRow,
    "attempts": AttemptRow,
    "refusals": RefusalRow,
    "calls_refused": CallsRefusedRow,
    "entity_events": EntityEventRow,
    "anomalies": AnomalyRow,
}
LEASES: dict[str, type[Row]] = {"leases": LeaseRow, "open_leases": LeaseRow}
REPLACED: dict[str, type[Row]] = {
    "sessions": SessionRow,
    "servers": ServerRow,
    "keys": KeyRow,
    "config": ConfigRow,
}
ADDED: dict[str, type[Row]] = {"peaks": PeakRow, "unknown_tags": UnknownTagRow}
TABLES: dict[str, type[Row]] = {**APPENDED, **LEASES, **REPLACED, **ADDED}
ROLLUPS = ("usage_by_day", "session_activity", "server_days", "days", "unknown_tags")

_Some = TypeVar("_Some", bound=Row)
Columns = dict[str, tuple[object, ...]]


def as_columns(kind: type[_Some], rows: Iterable[_Some]) -> Columns:
    """Turn rows of one table into its columns, in field order."""
    # Turned round once, here: Arrow takes columns.
    values = zip(*map(msgspec.structs.astuple, rows), strict=True)
    return dict(zip(kind.__struct_fields__, values, strict=True))
