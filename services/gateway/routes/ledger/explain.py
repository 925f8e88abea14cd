"""One request's whole story, as the projections have it."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from contracts.analytics import Rows
from runtime.eventlog import LogUnavailableError
from runtime.texts import as_quoted
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures.shapes import FigureRow, rows_of
from services.gateway.routes.ledger.lane import LifeLane, lane_of

_ID_MAX = 500
_LOOK_EVERY_S = 0.1
_VERSION = 7
_TOLD_WITHIN = timedelta(seconds=75)
"""A gateway's count is told a minute after its first call, a pool's after ten seconds."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the log has it; instants are UTC, times of the leader's clock.

    `asked` has a row for every lease number, `leases` one for every grant with its end and
    settlement, `attempts` every try with its candidates and why each was refused, `refusals`
    what was refused (`count` above 1: it stands for so many equal ones since `since`),
    `consequences` what the request did to sessions.
    """

    request_id: str
    asked: list[FigureRow]
    leases: list[FigureRow]
    attempts: list[FigureRow]
    refusals: list[FigureRow]
    consequences: list[FigureRow]
    lane: LifeLane | None
    """Its life on a time axis; null where nobody said when it asked."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Every request that the id names: one, or those to which a client gave the same id."""

    data: list[Story]
    sequence: int
    lag: int
    at: str | None = None
    """When the call of an id without a trace came, as the id says it."""
    counted: list[FigureRow] = []
    """Of an id without a trace: the counts, by key and code, of one of which it may be a part."""


@get("/requests/{request_id:str}/explain", tags=["analysis"], summary="One request's whole story")
async def explain(doors: NamedDependency[Doors], request_id: FromPath[str]) -> Explanation:
    """Tell everything the log knows of a request, by our id or its client's own.

    A call that was refused when so many were has no trace of its own: then the counts are told
    that were being made when it came.
    """
    if len(request_id) > _ID_MAX:
        raise GatewayError("not_found", "there is no request of so long an id")
    rows = await _current_rows(doors, request_id)
    stories = [_as_story(row) for row in rows_of(rows)]
    if stories:
        return Explanation(data=stories, sequence=rows.sequence, lag=rows.lag)
    return await _counted_explanation(doors, request_id, rows)


async def _counted_explanation(doors: Doors, request_id: str, found: Rows) -> Explanation:
    """Tell of which counts an id without a trace may be a part. Raises `GatewayError` for none."""
    moment = minted_at(request_id)
    if moment is None:
        message = (
            f"the log knows no request {as_quoted(request_id)}, up to sequence {found.sequence}"
        )
        raise GatewayError("not_found", message)
    at = moment.isoformat(timespec="milliseconds").removesuffix("+00:00")
    rows = rows_of(await doors.named_query("explain_counted", at=at))
    if not rows:
        young = datetime.now(UTC) - moment < _TOLD_WITHIN
        later = "; what is only counted is told within about a minute: ask again" if young else ""
        message = (
            f"the log keeps nothing of {as_quoted(request_id)}, a call of {at}Z, alone or in a"
            f" count, up to sequence {found.sequence}{later}"
        )
        raise GatewayError("not_found", message)
    return Explanation(data=[], sequence=found.sequence, lag=found.lag, at=f"{at}Z", counted=rows)


def minted_at(request_id: str) -> datetime | None:
    """Read when a UUIDv7 was minted (RFC 9562 §5.7); None of any other id."""
    try:
        parsed = uuid.UUID(request_id)
        if parsed.version != _VERSION or str(parsed) != request_id.lower():
            return None
        return datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def _current_rows(doors: Doors, request_id: str) -> Rows:
    """Ask until the projections have what the log had when this was asked, or for a while."""
    try:
        upto = (await doors.log.stream_state()).last_sequence
    except LogUnavailableError:
        upto = 0
    deadline = asyncio.get_running_loop().time() + doors.patience_s
    while True:
        rows = await doors.named_query("explain", request_id=request_id)
        if rows.sequence >= upto or asyncio.get_running_loop().time() >= deadline:
            return rows
        await asyncio.sleep(_LOOK_EVERY_S)


def _as_story(row: FigureRow) -> Story:
    """Read the candidates and details, which the projections keep as JSON."""
    attempts, consequences = row["attempts"] or [], row["consequences"] or []
    for attempt in attempts:
        attempt["candidates"] = msgspec.json.decode(attempt["candidates"] or "[]")
    for event in consequences:
        event["detail"] = msgspec.json.decode(event["detail"])
    asked, leases, refusals = row["asked"] or [], row["leases"] or [], row["refusals"] or []
    return Story(
        request_id=row["request_id"],
        asked=asked,
        leases=leases,
        attempts=attempts,
        refusals=refusals,
        consequences=consequences,
        lane=lane_of(asked, leases, attempts, refusals),
    )
