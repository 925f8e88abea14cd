"""The pool's sessions: listed, added under seal, changed, retired."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from contracts.base import NUMBER_MAX, ServiceType, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    PoolStatus,
    SessionStatus,
    SessionView,
)
from runtime.secrets import session_identity
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import one_of

REGIONS = ("", "us", "hk", "jp", "sg")
COOL_MAX_S = 30 * 86_400
_ADDED_MAX = 10_000
_BATCH_MAX = 200
_CREDENTIAL = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header: no blanks, no control characters."""
Limit = Annotated[int, QueryParameter(ge=1, le=10_000, description="At most so many.")]


class Settable(StrEnum):
    """What an operator may make of a session; it cools, is suspected and retires by other ways."""

    ACTIVE = SessionStatus.ACTIVE
    DRAINING = SessionStatus.DRAINING
    DISABLED = SessionStatus.DISABLED


StatusName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(Settable)})]


_Limit = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


class NewSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upstream credential; `limits` override the daily limit per service type."""

    credential: str
    region: str = ""
    limits: dict[str, _Limit] = {}
    timezone: str = ""

    def __repr__(self) -> str:
        """Say nothing of the credential, wherever this is printed."""
        return f"NewSession(region={self.region!r})"


class ChangedSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; `cool_s` keeps it from new leases so long (0 ends its cooling)."""

    status: StatusName | None = None
    limits: dict[str, _Limit] | None = None
    cool_s: Annotated[float, msgspec.Meta(ge=0, le=COOL_MAX_S)] | None = None
    reason: str = ""


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions as the pool's fold has them at `sequence`, and the pool's figures."""

    data: list[SessionView]
    total: int
    active: int
    min_size: int
    max_size: int
    open_leases: int
    remaining: dict[ServiceType, int]
    sequence: int


class SessionIds(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that were named, in their order; `changed` are those it made a difference to."""

    data: list[str]
    changed: list[str]


@get("/sessions", tags=["sessions"], summary="Every session")
async def list_sessions(doors: NamedDependency[Doors], limit: Limit = 1000) -> SessionList:
    """List sessions with what each has used, reserved and left today."""
    found = await doors.pool_status(PoolStatus(sessions=True, limit=limit))
    return SessionList(
        data=found.sessions,
        total=found.sessions_total,
        active=found.sessions_active,
        min_size=found.min_size,
        max_size=found.max_size,
        open_leases=found.open_leases,
        remaining=found.remaining,
        sequence=found.sequence,
    )


@get("/sessions/{session_id:str}", tags=["sessions"], summary="One session")
async def one_session(doors: NamedDependency[Doors], session_id: FromPath[str]) -> SessionView:
    """Show one session."""
    return await known(doors, session_id)


@post("/sessions", tags=["sessions"], summary="Add sessions, or revive them")
async def add_sessions(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    data: JSONBody[NewSession | list[NewSession]],
) -> SessionIds:
    """Seal each credential here and hand it to the pool; adding one twice is harmless."""
    wanted = data if isinstance(data, list) else [data]
    if not 1 <= len(wanted) <= _ADDED_MAX:
        message = f"body: expected 1 to {_ADDED_MAX} sessions, got {len(wanted)}"
        raise GatewayError("invalid_request", message)
    for place, session in enumerate(wanted):
        _check(session, f"[{place}]." if isinstance(data, list) else "", doors)
    items = {item.session_id: item for item in (_sealed(one, doors) for one in wanted)}
    return SessionIds(data=list(items), changed=await _add(doors, list(items.values()), admin))


async def _add(doors: Doors, items: Sequence[AddSession], admin: Key) -> list[str]:
    changed: list[str] = []
    for start in range(0, len(items), _BATCH_MAX):
        batch = list(items[start : start + _BATCH_MAX])
        done = await doors.pool_admin(AddSessions(items=batch, by=admin.key_id))
        changed += done.changed
    return changed


@patch("/sessions/{session_id:str}", tags=["sessions"], summary="Change a session")
async def change_session(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    session_id: FromPath[str],
    data: JSONBody[ChangedSession],
) -> SessionView:
    """Enable, drain or disable a session, cool it or end its cooling, or set its limits."""
    status = None if data.status is None else SessionStatus(one_of("status", data.status, Settable))
    if data.limits is not None:
        _check_limits(data.limits, "", doors)
    if data.status is None and data.limits is None and data.cool_s is None:
        message = "body: expected at least one of status, limits, cool_s"
        raise GatewayError("invalid_request", message)
    await known(doors, session_id)
    command = ChangeSession(
        session_id=SessionId(session_id),
        status=status,
        limits=_typed(data.limits),
        cool_s=data.cool_s,
        reason=data.reason,
        by=admin.key_id,
    )
    await doors.pool_admin(command)
    return await known(doors, session_id)


@delete(
    "/sessions/{session_id:str}", status_code=200, tags=["sessions"], summary="Retire a session"
)
async def retire_session(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], session_id: FromPath[str]
) -> SessionIds:
    """Retire a session: its history stays, and adding its credential again revives it."""
    await known(doors, session_id)
    command = ChangeSession(
        session_id=SessionId(session_id),
        status=SessionStatus.RETIRED,
        reason="retired by an admin",
        by=admin.key_id,
    )
    done = await doors.pool_admin(command)
    return SessionIds(data=[session_id], changed=done.changed)


async def known(doors: Doors, session_id: str) -> SessionView:
    """Fetch a session. Raises `GatewayError` (not_found)."""
    found = await doors.pool_status(PoolStatus(session_id=SessionId(session_id)))
    if not found.sessions:
        raise GatewayError("not_found", f"there is no session {session_id!r}")
    return found.sessions[0]


def _sealed(session: NewSession, doors: Doors) -> AddSession:
    session_id = session_identity(doors.identity_key, session.region, session.credential)
    return AddSession(
        session_id=session_id,
        sealed=doors.sealer.seal(session_id, session.credential),
        region=session.region,
        limits=_typed(session.limits) or {},
        quota_timezone=session.timezone,
    )


def _typed(limits: dict[str, int] | None) -> dict[ServiceType, int] | None:
    return None if limits is None else {ServiceType(name): n for name, n in limits.items()}


def _check(session: NewSession, where: str, doors: Doors) -> None:
    """Refuse what no field type can, never repeating the credential."""
    if not _CREDENTIAL.fullmatch(session.credential):
        message = f"{where}credential: expected 1 to 4096 visible ASCII characters, no blanks"
        raise GatewayError("invalid_request", message, f"{where}credential")
    if "," in session.credential:
        message = f"{where}credential: expected one account, and `,` separates several"
        raise GatewayError("invalid_request", message, f"{where}credential")
    if session.region not in REGIONS:
        expected = ", ".join(REGIONS[1:])
        message = f"{where}region: expected one of {expected}, or none"
        raise GatewayError("invalid_request", message, f"{where}region")
    if session.timezone:
        try:
            ZoneInfo(session.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f'{where}timezone: expected one such as "Asia/Shanghai"'
            raise GatewayError("invalid_request", message, f"{where}timezone") from None
    _check_limits(session.limits, where, doors)


def _check_limits(limits: dict[str, int], where: str, doors: Doors) -> None:
    services = doors.settings().services
    for name in limits:
        if name not in services:
            expected = ", ".join(services)
            message = f"{where}limits: expected service types ({expected}), got {name!r}"
            raise GatewayError("invalid_request", message, f"{where}limits")
