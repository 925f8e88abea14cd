"""Leases that are open, and those of which nobody knew what became."""

from enum import StrEnum
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from contracts.base import NUMBER_MAX, LeaseId
from contracts.pool import LeaseView, PoolStatus, ReconcileLease
from services.gateway.clients.keys import Key
from services.gateway.routes.admin.sessions.listing import Limit
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import one_of

_REASON_MAX = 500


class LeaseState(StrEnum):
    """The states that an operator looks for."""

    OPEN = "open"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


Wanted = Annotated[str, QueryParameter(name="state", description="open, unknown or expired.")]
"""`state` alone is a reserved name of the framework's."""


class LeaseList(msgspec.Struct, frozen=True, kw_only=True):
    """Leases of one state, as the pool's fold has them at `sequence`."""

    data: list[LeaseView]
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


@get("/leases", tags=["leases"], summary="Leases of one state")
async def list_leases(
    doors: NamedDependency[Doors], wanted: Wanted = LeaseState.OPEN, limit: Limit = 1000
) -> LeaseList:
    """List leases that are open, unknown or expired."""
    state = one_of("state", wanted, LeaseState)
    status = await doors.pool_status(PoolStatus(leases=state, limit=limit))
    return LeaseList(data=status.leases, state=state, sequence=status.sequence)


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
