"""Sessions changed and retired, one by its id."""

from enum import StrEnum
from typing import Annotated

import msgspec
from litestar import delete, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from contracts.base import NUMBER_MAX, AccountId, ServiceType, SessionId
from contracts.pool import (
    ChangeSession,
    SessionStatus,
)
from runtime.texts import NAME_MAX, as_quoted
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.admin.sessions.listing import OneSession, session_of, shown_session
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import one_of

COOL_MAX_S = 30 * 86_400


class Settable(StrEnum):
    """What an operator may make of a session; it cools, is suspected and retires by other ways."""

    ACTIVE = SessionStatus.ACTIVE
    DRAINING = SessionStatus.DRAINING
    DISABLED = SessionStatus.DISABLED


StatusName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(Settable)})]


_Limit = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


class ChangedSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; `cool_s` keeps it from new leases so long (0 ends its cooling).

    Limits and tier are those of its account. `account` has it join one, for good. `label` is what
    operators call it, and clients never see; empty takes it away. Personal data does not belong
    there.
    """

    status: StatusName | None = None
    limits: dict[str, _Limit] | None = None
    tier: Annotated[str, msgspec.Meta(max_length=NAME_MAX)] | None = None
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)] | None = None
    cool_s: Annotated[float, msgspec.Meta(ge=0, le=COOL_MAX_S)] | None = None
    label: Annotated[str, msgspec.Meta(max_length=NAME_MAX)] | None = None
    reason: str = ""


class SessionIds(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that were named, in their order; `changed` are those it made a difference to."""

    data: list[str]
    changed: list[str]


@patch("/sessions/{session_id:str}", tags=["sessions"], summary="Change a session")
async def change_session(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    session_id: FromPath[str],
    data: JSONBody[ChangedSession],
) -> OneSession:
    """Enable, drain or disable a session, cool it, end its cooling; limit, label, enter it."""
    status = None if data.status is None else SessionStatus(one_of("status", data.status, Settable))
    if data.limits is not None:
        _check_limits(data.limits, doors)
    changes = (data.status, data.limits, data.tier, data.account, data.cool_s, data.label)
    if all(change is None for change in changes):
        message = "body: expected at least one of status, limits, tier, account, cool_s, label"
        raise GatewayError("invalid_request", message)
    await session_of(doors, session_id)
    command = ChangeSession(
        session_id=SessionId(session_id),
        status=status,
        limits=_typed_limits(data.limits),
        tier=data.tier,
        account=AccountId(data.account or ""),
        cool_s=data.cool_s,
        label=data.label,
        reason=data.reason,
        by=admin.key_id,
    )
    await doors.pool_admin(command)
    return await shown_session(doors, session_id)


@delete(
    "/sessions/{session_id:str}", status_code=200, tags=["sessions"], summary="Retire a session"
)
async def retire_session(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], session_id: FromPath[str]
) -> SessionIds:
    """Retire a session: its history stays, and adding its credential again revives it."""
    await session_of(doors, session_id)
    command = ChangeSession(
        session_id=SessionId(session_id),
        status=SessionStatus.RETIRED,
        reason="retired by an admin",
        by=admin.key_id,
    )
    done = await doors.pool_admin(command)
    return SessionIds(data=[session_id], changed=done.changed)


def _typed_limits(limits: dict[str, int] | None) -> dict[ServiceType, int] | None:
    return None if limits is None else {ServiceType(name): n for name, n in limits.items()}


def _check_limits(limits: dict[str, int], doors: Doors) -> None:
    services = doors.settings().services
    for name in limits:
        if name not in services:
            expected = ", ".join(services)
            message = f"limits: expected service types ({expected}), got {as_quoted(name)}"
            raise GatewayError("invalid_request", message, "limits")
