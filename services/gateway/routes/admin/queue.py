"""The requests that wait for a session."""

from typing import Annotated

import msgspec
from litestar import delete, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from contracts.base import Count, KeyId, LeaseId, ServiceType
from contracts.pool import DropWaits, PoolStatus, WaitView
from runtime.texts import as_quoted
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.admin.strategies import check_types
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import Cursor, Limit, cursor_text, parse_cursor

_SHOWN_AT_ONCE = 1000
"""Waits that one answer of the pool shows: meanwhile it grants no lease."""
_PARTS_MAX = 100
"""Of waits that are ended at once: somebody may begin to wait as fast as others are dropped."""
OfType = Annotated[str, QueryParameter(name="type", description="Only of this service type.")]
OfKey = Annotated[str, QueryParameter(name="key", description="Only of the key of this id.")]
All = Annotated[bool, QueryParameter(name="all", description="All that wait.")]
ThisLease = Annotated[str, QueryParameter(name="lease", description="Only this lease's.")]


class WaitList(msgspec.Struct, frozen=True, kw_only=True):
    """Who waits, as the pool's leader has it; `total` and `by_type` are of all, listed or not.

    `next` is the `cursor` of the page behind this one; empty: there is none. The queue moves on:
    who is served between two pages is on none, or has others stand in its place.
    """

    data: list[WaitView]
    next: str
    total: int
    by_type: dict[str, int]


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """So many waits were ended; their requests are answered `pool_saturated`."""

    dropped: int


@get("/queue", tags=["leases"], summary="Requests that wait for a session")
async def list_waits(
    doors: NamedDependency[Doors],
    of_type: OfType = "",
    key: OfKey = "",
    limit: Limit = 1000,
    cursor: Cursor = "",
) -> WaitList:
    """List who waits, the next one of each service type first."""
    _check_filter(doors, of_type, key)
    name = f"queue {of_type} {key}"
    behind = parse_cursor(name, cursor, Count) or 0
    waits: dict[LeaseId, WaitView] = {}
    more = True
    while more and len(waits) < limit:
        part = min(limit - len(waits), _SHOWN_AT_ONCE)
        asked = PoolStatus(
            waits=True,
            wait_type=ServiceType(of_type),
            wait_key=KeyId(key),
            waits_behind=behind,
            limit=part,
        )
        status = await doors.pool_status(asked)
        before = len(waits)
        waits |= {wait.lease_id: wait for wait in status.waits}
        # A pool of an earlier version begins anew each time.
        more = len(status.waits) == part and len(waits) > before
        behind += len(status.waits)
    return WaitList(
        data=list(waits.values()),
        next=cursor_text(name, behind) if more else "",
        total=status.waiting,
        by_type={str(name): count for name, count in status.waiting_by_type.items()},
    )


@delete("/queue", status_code=200, tags=["leases"], summary="End waits")
async def drop_waits(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    *,
    lease: ThisLease = "",
    of_type: OfType = "",
    key: OfKey = "",
    everything: All = False,
) -> Dropped:
    """End the waits that fit all that is said; of very many the pool ends a part at a time."""
    if not (lease or of_type or key or everything):
        message = "expected lease, type, key, or all=true"
        raise GatewayError("invalid_request", message, "lease")
    _check_filter(doors, of_type, key)
    command = DropWaits(
        lease_id=LeaseId(lease),
        service_type=ServiceType(of_type),
        key_id=KeyId(key),
        by=admin.key_id,
    )
    dropped = 0
    for _ in range(_PARTS_MAX):
        done = await doors.pool_admin(command)
        dropped += len(done.changed)
        if lease or not done.changed:
            break
    if lease and not dropped:
        raise GatewayError("not_found", f"nobody waits for the lease {as_quoted(lease)}")
    return Dropped(dropped=dropped)


def _check_filter(doors: Doors, of_type: str, key: str) -> None:
    """Refuse a type or a key that nobody can wait for. Raises `GatewayError`."""
    if of_type:
        check_types("type", [of_type], doors)
    if key and doors.key_log.ring.key_of(key) is None:
        message = f"key: expected the id of a key, got {as_quoted(key)}"
        raise GatewayError("invalid_request", message, "key")
