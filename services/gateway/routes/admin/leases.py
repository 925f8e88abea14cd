"""Leases that are open, and those of which nobody knew what became."""

from enum import StrEnum
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from contracts.base import NUMBER_MAX, Instant, LeaseId
from contracts.pool import LeaseView, PoolStatus, ReconcileLease
from services.gateway.clients.keys import Key
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import Cursor, Limit, cursor_text, one_of, parse_cursor

_REASON_MAX = 500
_SHOWN_AT_ONCE = 1000
"""Leases that one answer of the pool shows: meanwhile it grants none."""


class LeaseState(StrEnum):
    """The states that an operator looks for."""

    OPEN = "open"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


Wanted = Annotated[str, QueryParameter(name="state", description="open, unknown or expired.")]
"""`state` alone is a reserved name of the framework's."""


class LeaseList(msgspec.Struct, frozen=True, kw_only=True):
    """Leases of one state, as the pool's fold has them at `sequence`, the oldest grant first.

    `next` is the `cursor` of the page behind this one; empty: there is none.
    """

    data: list[LeaseView]
    next: str
    state: LeaseState
    sequence: int


class Settlement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the lease really used (0 gives its units back), and how that is known."""

    units: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=_REASON_MAX)]


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """The settlement is in the log."""

    id: str
    units: int
    reason: str
    by: str


@get("/leases", tags=["leases"], summary="Leases of one state by page")
async def list_leases(
    doors: NamedDependency[Doors],
    wanted: Wanted = LeaseState.OPEN,
    limit: Limit = 1000,
    cursor: Cursor = "",
) -> LeaseList:
    """List leases that are open, unknown or expired.

    More than a thousand are asked for in parts: the sequence is the last part's.
    """
    state = one_of("state", wanted, LeaseState)
    behind = parse_cursor(state, cursor, tuple[Instant, LeaseId])
    leases: list[LeaseView] = []
    more = True
    while more and len(leases) < limit:
        part = min(limit - len(leases), _SHOWN_AT_ONCE)
        asked = PoolStatus(leases=state, leases_behind=behind, limit=part)
        status = await doors.pool_status(asked)
        leases += status.leases
        more = status.leases_more
        if leases:
            behind = leases[-1].granted_at, leases[-1].lease_id
    return LeaseList(
        data=leases,
        next=cursor_text(state, behind) if more else "",
        state=state,
        sequence=status.sequence,
    )


@post(
    "/leases/{lease_id:str}/reconcile", status_code=200, tags=["leases"], summary="Settle a lease"
)
async def reconcile_lease(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    lease_id: FromPath[str],
    data: JSONBody[Settlement],
) -> Reconciled:
    """Settle what nobody knew, once `reconcile_after` is over since the lease's deadline."""
    command = ReconcileLease(
        lease_id=LeaseId(lease_id), units=data.units, reason=data.reason, by=admin.key_id
    )
    await doors.pool_admin(command)
    return Reconciled(id=lease_id, units=data.units, reason=data.reason, by=admin.key_id)
