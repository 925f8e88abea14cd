"""The pool's sessions: listed, added under seal, changed, retired."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

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
from runtime.credentials import Credential, WrongCredentialError, credential_of
from runtime.texts import as_quoted
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import one_of

COOL_MAX_S = 30 * 86_400
_ADDED_MAX = 10_000
_TOLD_MAX = 5
_BATCH_MAX = 200
Limit = Annotated[int, QueryParameter(ge=1, le=10_000, description="At most so many.")]


class Settable(StrEnum):
    """What an operator may make of a session; it cools, is suspected and retires by other ways."""

    ACTIVE = SessionStatus.ACTIVE
    DRAINING = SessionStatus.DRAINING
    DISABLED = SessionStatus.DISABLED


StatusName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(Settable)})]


_Limit = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


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


class RefusedSession(msgspec.Struct, frozen=True, kw_only=True):
    """One that was not added: its place in the list, from 1, and what was expected."""

    line: int
    reason: str


class SessionsAdded(msgspec.Struct, frozen=True, kw_only=True):
    """The good ones in their order (`data`), what it made of them, and the others.

    `changed` are those that are `added` and those that are `revived`; the rest was there.
    """

    data: list[str]
    changed: list[str]
    added: list[str]
    revived: list[str]
    refused: list[RefusedSession]


class SessionIds(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that were named, in their order; `changed` are those it made a difference to."""

    data: list[str]
    changed: list[str]


@get("/sessions", tags=["sessions"], summary="Every session")
async def list_sessions(doors: NamedDependency[Doors], limit: Limit = 1000) -> SessionList:
    """List sessions with what each has used, reserved and left today."""
    status = await doors.pool_status(PoolStatus(sessions=True, limit=limit))
    return SessionList(
        data=status.sessions,
        total=status.sessions_total,
        active=status.sessions_active,
        min_size=status.min_size,
        max_size=status.max_size,
        open_leases=status.open_leases,
        remaining=status.remaining,
        sequence=status.sequence,
    )


@get("/sessions/{session_id:str}", tags=["sessions"], summary="One session")
async def one_session(doors: NamedDependency[Doors], session_id: FromPath[str]) -> SessionView:
    """Show one session."""
    return await session_of(doors, session_id)


@post("/sessions", status_code=200, tags=["sessions"], summary="Add sessions, or revive them")
async def add_sessions(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    data: JSONBody[dict[str, Any] | list[Any]],
) -> SessionsAdded:
    """Seal each good credential here and hand it to the pool; adding one twice is harmless."""
    wanted = data if isinstance(data, list) else [data]
    if not 1 <= len(wanted) <= _ADDED_MAX:
        message = f"body: expected 1 to {_ADDED_MAX} sessions, got {len(wanted)}"
        raise GatewayError("invalid_request", message)
    good: dict[tuple[str, str], Credential] = {}
    refused: list[RefusedSession] = []
    services = doors.settings().services
    for line, given in enumerate(wanted, 1):
        try:
            one = credential_of(given, services)
            good[one.region_and_token] = one
        except WrongCredentialError as error:
            refused.append(RefusedSession(line=line, reason=str(error)))
    if not good:
        raise _none_is_good(refused, listed=isinstance(data, list))
    done = await _add_batches(doors, list(good.values()), admin)
    return SessionsAdded(
        data=done.named,
        changed=done.changed,
        added=[one for one in done.changed if one not in done.revived],
        revived=sorted(done.revived),
        refused=refused,
    )


def _none_is_good(refused: list[RefusedSession], *, listed: bool) -> GatewayError:
    """Word what is wrong with the first few, by where each stands in the body."""
    reasons = [
        f"[{refusal.line - 1}].{refusal.reason}" if listed else refusal.reason
        for refusal in refused
    ]
    place, colon, _ = reasons[0].partition(": ")
    more = f"; and {len(reasons) - _TOLD_MAX} more" if len(reasons) > _TOLD_MAX else ""
    return GatewayError(
        "invalid_request", "; ".join(reasons[:_TOLD_MAX]) + more, place if colon else None
    )


class _AddedBatches(NamedTuple):
    """What the pool made of credentials, by the ids of their sessions."""

    named: list[str]
    """The session of each."""
    changed: list[str]
    """Those that were not there before, or retired."""
    revived: set[str]


async def _add_batches(doors: Doors, good: Sequence[Credential], admin: Key) -> _AddedBatches:
    """Have the pool add them, as many at a time as it takes."""
    named: list[str] = []
    changed: list[str] = []
    revived: set[str] = set()
    for start in range(0, len(good), _BATCH_MAX):
        batch = good[start : start + _BATCH_MAX]
        standing = await _current_status(doors, batch)
        items = [_seal_command(item, doors, standing) for item in batch]
        done = await doors.pool_admin(AddSessions(items=items, by=admin.key_id))
        named += [str(item.session_id) for item in items]
        changed += done.changed
        revived |= set(done.revived)
    return _AddedBatches(named, changed, revived)


async def _current_status(
    doors: Doors, batch: Sequence[Credential]
) -> dict[SessionId, SessionStatus]:
    """Tell which sessions there are of accounts that earlier versions may have named otherwise."""
    each = [given.credentials_by_id(doors.identity_key) for given in batch]
    among = [session_id for identities in each if len(identities) > 1 for session_id in identities]
    if not among:
        return {}
    status = await doors.pool_status(PoolStatus(among=among, limit=len(among)))
    return {view.session_id: view.status for view in status.sessions}


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
        _check_limits(data.limits, doors)
    if data.status is None and data.limits is None and data.cool_s is None:
        message = "body: expected at least one of status, limits, cool_s"
        raise GatewayError("invalid_request", message)
    await session_of(doors, session_id)
    command = ChangeSession(
        session_id=SessionId(session_id),
        status=status,
        limits=_typed_limits(data.limits),
        cool_s=data.cool_s,
        reason=data.reason,
        by=admin.key_id,
    )
    await doors.pool_admin(command)
    return await session_of(doors, session_id)


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


async def session_of(doors: Doors, session_id: str) -> SessionView:
    """Fetch a session. Raises `GatewayError` (not_found)."""
    status = await doors.pool_status(PoolStatus(session_id=SessionId(session_id)))
    if not status.sessions:
        raise GatewayError("not_found", f"there is no session {as_quoted(session_id)}")
    return status.sessions[0]


def _seal_command(
    given: Credential, doors: Doors, standing: Mapping[SessionId, SessionStatus]
) -> AddSession:
    """Seal a credential for its account's session: one that stands, else retired, else a new one.

    One that an earlier version made keeps its credential as that version kept it.
    """
    identities = given.credentials_by_id(doors.identity_key)
    there = [identity for identity in identities if identity in standing]
    in_use = [identity for identity in there if standing[identity] is not SessionStatus.RETIRED]
    session_id = next(iter([*in_use, *there, *identities]))
    kept = identities[session_id]
    return AddSession(
        session_id=session_id,
        sealed=doors.sealer.seal_credential(session_id, kept.credential),
        region=kept.region,
        limits=given.limits,
        quota_timezone=given.quota_timezone,
    )


def _typed_limits(limits: dict[str, int] | None) -> dict[ServiceType, int] | None:
    return None if limits is None else {ServiceType(name): n for name, n in limits.items()}


def _check_limits(limits: dict[str, int], doors: Doors) -> None:
    services = doors.settings().services
    for name in limits:
        if name not in services:
            expected = ", ".join(services)
            message = f"limits: expected service types ({expected}), got {as_quoted(name)}"
            raise GatewayError("invalid_request", message, "limits")
