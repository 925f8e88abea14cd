"""Where one is in the log, and which of its events are wanted: what pages and streams share."""

import re
from typing import Annotated, Any

from litestar.di import Provide
from litestar.params import QueryParameter

from runtime.eventlog import Stored
from runtime.eventlog.records import UNREADABLE, Wanted, records_of, types_matching
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError

LogPosition = tuple[int, int]
"""The sequence of an envelope in the log, and the index of an event within it."""
WHOLE = 1_000_000
"""Behind every event of an envelope."""
_POSITION = re.compile(r"(\d{1,18})(?:\.(\d{1,6}))?", re.ASCII)

After = Annotated[
    str, QueryParameter(description="Id of the last event seen, or a sequence of the log.")
]
Types = Annotated[
    str, QueryParameter(name="type", description="Types, or patterns such as `lease_*`.")
]
AboutSession = Annotated[
    str, QueryParameter(name="session", description="Only about this session.")
]
OfRequest = Annotated[
    str,
    QueryParameter(name="request", description="Only of this request: our id or its client's."),
]
AboutServer = Annotated[str, QueryParameter(name="server", description="Only about this server.")]
OfKey = Annotated[
    str,
    QueryParameter(name="key", description="Only about this key, and of requests by it."),
]


def parse_position(name: str, text: str) -> LogPosition:
    """Read `184467.3`, or `184467`: behind the whole envelope. Raises `GatewayError`."""
    match = _POSITION.fullmatch(text)
    if match is None:
        expected = "an event's id such as 184467.0, or a sequence"
        message = f"{name}: expected {expected}, got {as_quoted(text)}"
        raise GatewayError("invalid_request", message, name)
    return int(match[1]), WHOLE if match[2] is None else int(match[2])


def position_text(position: LogPosition) -> str:
    """Write a position so that it can be read again."""
    return str(position[0]) if position[1] == WHOLE else f"{position[0]}.{position[1]}"


def numbered_records(
    stored: Stored, begin: LogPosition = (0, 0)
) -> list[tuple[LogPosition, dict[str, Any]]]:
    """Name the position of each event of an envelope, those behind `begin` alone."""
    numbered = [
        ((stored.sequence, index), record) for index, record in enumerate(records_of(stored))
    ]
    return [(position, record) for position, record in numbered if position > begin]


def wanted_of(
    types: Types = "",
    session: AboutSession = "",
    of_request: OfRequest = "",
    server: AboutServer = "",
    key: OfKey = "",
) -> Wanted:
    """Make the filter. Raises `GatewayError` for types there are none of."""
    patterns = [pattern.strip() for pattern in types.split(",") if pattern.strip()]
    for pattern in patterns:
        if pattern != UNREADABLE and not types_matching(pattern):
            message = f"type: expected {', '.join(types_matching('*'))}, or a pattern"
            message = f"{message}, got {as_quoted(pattern)}"
            raise GatewayError("invalid_request", message, "type")
    return Wanted(patterns, session, of_request, server, key)


FILTER = {"wanted": Provide(wanted_of, sync_to_thread=False)}
"""The same parameters for the log by page and for the log live."""
