"""Clients' calls, one row each, the latest first."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures.shapes import FigureRow, rows_of
from services.gateway.routes.parameters import Cursor, cursor_text, parse_cursor

_PAGE_MAX = 1000
_TEXT_MAX = 200
_OFFSET_MAX = 1_000_000_000
_REQUESTS = "requests"
_OUTCOMES = (
    "settled",
    "released",
    "unknown",
    "cancelled",
    "expired",
    "open",
    "waiting",
    "refused",
)

OfKey = Annotated[str, QueryParameter(description="Only of the key of this id.")]
OfType = Annotated[str, QueryParameter(description="Only of this service type.")]
AtServer = Annotated[str, QueryParameter(description="Only those that this server had last.")]
OfSession = Annotated[str, QueryParameter(description="Only those that this session had last.")]
OfOutcome = Annotated[
    str, QueryParameter(description=f"Only those that are {', '.join(_OUTCOMES)}.")
]
OfCode = Annotated[
    str,
    QueryParameter(
        description="Only those answered this error code; `none`: no error; `any`: those that"
        " failed as their clients saw it."
    ),
]
OfModel = Annotated[str, QueryParameter(description="Only of this model, as the client named it.")]
Since = Annotated[str, QueryParameter(description="Only those that asked from this moment on.")]
Until = Annotated[str, QueryParameter(description="Only those that asked before this moment.")]
EndedSince = Annotated[
    str, QueryParameter(description="Only those that came to an end after this moment.")
]
WithCount = Annotated[
    bool,
    QueryParameter(
        name="count",
        description="Also say how many fit in all, and what of them is only counted.",
    ),
]
Searched = Annotated[
    str,
    QueryParameter(description="Part of an id, a model, a session, a key's name or a message."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=_PAGE_MAX, description="At most so many rows.")]

Offset = Annotated[
    int,
    QueryParameter(
        ge=0,
        le=_OFFSET_MAX,
        description="So many are passed over first: of the whole list, or of what is behind"
        " `cursor`.",
    ),
]


class ListedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A client's call; times are null while it is under way.

    `outcome` is that of its last lease, `waiting` for one or `refused` it; `code` what its client
    was answered, empty for no error. `latency_ms` is what it took at its gateway, waiting included,
    as in all figures. A `count` above 1: it stands for so many equal calls.
    """

    request_id: str
    client_request_id: str
    at: str
    key_id: str
    key_name: str
    service_type: str
    model: str
    path: str
    outcome: str
    code: str
    status: int
    message: str
    server_id: str
    session_id: str
    session_label: str
    latency_ms: float | None
    waited_ms: float | None
    attempts: int
    units: int
    count: int = 1


class CountedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that the log only counts: what a gateway refused itself, and equal refusals."""

    key_id: str
    key_name: str
    service_type: str
    code: str
    status: int
    calls: int
    since: str
    until: str


class RequestCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many fit: `rows` have one each, `calls` are those with what is only `counted`."""

    rows: int
    calls: int
    counted: list[CountedCalls]
    sequence: int


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, and where the next page begins; `next` is null at the end."""

    data: list[ListedRequest]
    next: str | None
    sequence: int
    lag: int
    count: RequestCount | None = None
    """Where it was asked for."""


@get("/requests", tags=["analysis"], summary="Clients' calls, one row each")
async def list_requests(
    *,
    doors: NamedDependency[Doors],
    key: OfKey = "",
    service_type: OfType = "",
    server: AtServer = "",
    session: OfSession = "",
    outcome: OfOutcome = "",
    code: OfCode = "",
    model: OfModel = "",
    since: Since = "",
    until: Until = "",
    ended_since: EndedSince = "",
    q: Searched = "",
    with_count: WithCount = False,
    cursor: Cursor = "",
    offset: Offset = 0,
    limit: Limit = 100,
) -> RequestPage:
    """List calls, the latest first; those that are only counted have no row (see `count`)."""
    if outcome and outcome not in _OUTCOMES:
        message = f"outcome: expected one of {', '.join(_OUTCOMES)}, got {as_quoted(outcome)}"
        raise GatewayError("invalid_request", message, "outcome")
    filters = {
        "key": key,
        "service_type": service_type,
        "server": server,
        "session": session,
        "code": code,
        "model": model,
        "q": q,
    }
    for name, text in filters.items():
        if len(text) > _TEXT_MAX:
            message = f"{name}: expected at most {_TEXT_MAX} characters, got {len(text)}"
            raise GatewayError("invalid_request", message, name)
    before_at, before_id = parse_cursor(_REQUESTS, cursor, tuple[str, str]) or ("", "")
    wanted = {
        **filters,
        "outcome": outcome,
        "since": _parse_moment("since", since),
        "until": _parse_moment("until", until),
    }
    if ended_since:  # analytics of an earlier version does not know it
        wanted["ended_since"] = _parse_moment("ended_since", ended_since)
    passed = {"skip": offset} if offset else {}  # nor this
    rows = await doors.named_query(
        "requests",
        **wanted,
        **passed,
        before_at=_parse_moment("cursor", before_at),
        before_id=before_id,
        limit=limit + 1,
    )
    listed = rows_of(rows)
    more = len(listed) > limit or rows.truncated
    listed = listed[:limit]
    return RequestPage(
        data=[_as_row(row) for row in listed],
        next=_end_of(listed[-1]) if more and listed else None,
        sequence=rows.sequence,
        lag=rows.lag,
        count=await _count_of(doors, wanted) if with_count else None,
    )


async def _count_of(doors: Doors, wanted: dict[str, str]) -> RequestCount:
    """Count all that fit. Raises `GatewayError`."""
    rows = await doors.named_query("requests_counted", **wanted)
    (row,) = rows_of(rows)
    counted = [CountedCalls(**kind) for kind in row["counted"] or []]
    return RequestCount(
        rows=row["rows"], calls=row["calls"], counted=counted, sequence=rows.sequence
    )


def _as_row(row: FigureRow) -> ListedRequest:
    """Say it as pages do; what an earlier version did not write down is empty."""
    texts = {
        name: row[name] or ""
        for name in ListedRequest.__struct_fields__
        if isinstance(row.get(name), str | None) and name in row
    }
    return ListedRequest(
        **{
            **texts,
            "at": row["asked_at"],
            "status": row["status"] or 0,
            "session_label": row.get("session_label") or "",
            "latency_ms": row["latency_ms"],
            "count": row.get("count") or 1,
            "waited_ms": row["waited_ms"],
            "attempts": row["attempts"] or 0,
            "units": row["units"] or 0,
        }
    )


def _parse_moment(name: str, text: str) -> str:
    """Read an RFC 3339 moment as UTC, the way DuckDB takes it; empty is none.

    Raises `GatewayError`.
    """
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        pass
    message = f"{name}: expected a moment such as 2026-01-31T12:00:00Z, got {as_quoted(text)}"
    raise GatewayError("invalid_request", message, name)


def _end_of(row: FigureRow) -> str:
    """Name a row so that the next page begins behind it."""
    return cursor_text(_REQUESTS, [row["asked_at"], row["request_id"]])
