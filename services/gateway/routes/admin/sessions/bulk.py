"""Sessions changed and retired by what they are: the pool decides which those are.

It changes a bounded number at a time, and goes on granting in between. What was changed stays so,
whatever becomes of the rest; asked again it goes on, for what is so already is left alone.
"""

from typing import Annotated

import msgspec
from litestar import delete, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from contracts.pool import ChangeSessions, SessionFilter, SessionStatus
from runtime.texts import NAME_MAX, count_phrase
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.admin.sessions.changing import COOL_MAX_S, Settable, StatusName
from services.gateway.routes.admin.sessions.paging import FILTER
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import one_of

_REASON_MAX = 500
Everything = Annotated[
    bool, QueryParameter(name="all", description="Every session that has not retired.")
]
DryRun = Annotated[bool, QueryParameter(description="Change nothing; only count.")]


class ChangedSessions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of all that fit; see `ChangedSession`."""

    status: StatusName | None = None
    cool_s: Annotated[float, msgspec.Meta(ge=0, le=COOL_MAX_S)] | None = None
    label: Annotated[str, msgspec.Meta(max_length=NAME_MAX)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=_REASON_MAX)] = ""


class BulkOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How many sessions fit, and how many of these were not so before; the rest was left alone.

    On a dry run `changed` is how many would be changed.
    """

    fitting: int
    changed: int
    dry_run: bool


@patch("/sessions", tags=["sessions"], summary="Change all sessions that fit", dependencies=FILTER)
async def change_fitting(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    wanted: NamedDependency[SessionFilter],
    data: JSONBody[ChangedSessions],
    *,
    everything: Everything = False,
    dry_run: DryRun = False,
) -> BulkOutcome:
    """Enable, drain, disable, cool or label every session that fits; retired ones stay so."""
    status = None if data.status is None else SessionStatus(one_of("status", data.status, Settable))
    if all(value is None for value in (data.status, data.cool_s, data.label)):
        message = "body: expected at least one of status, cool_s, label"
        raise GatewayError("invalid_request", message)
    command = ChangeSessions(
        wanted=_said_filter(wanted, everything=everything),
        status=status,
        cool_s=data.cool_s,
        label=data.label,
        reason=data.reason,
        by=admin.key_id,
        dry_run=dry_run,
    )
    return await _change_all(doors, command)


@delete(
    "/sessions",
    status_code=200,
    tags=["sessions"],
    summary="Retire all sessions that fit",
    dependencies=FILTER,
)
async def retire_fitting(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    wanted: NamedDependency[SessionFilter],
    *,
    everything: Everything = False,
    dry_run: DryRun = False,
) -> BulkOutcome:
    """Retire every session that fits: their history stays."""
    command = ChangeSessions(
        wanted=_said_filter(wanted, everything=everything),
        status=SessionStatus.RETIRED,
        reason="retired by an admin",
        by=admin.key_id,
        dry_run=dry_run,
    )
    return await _change_all(doors, command)


def _said_filter(wanted: SessionFilter, *, everything: bool) -> SessionFilter:
    """Let a filter through that says something. Raises `GatewayError`: nobody means all by none."""
    if everything is (wanted == SessionFilter()):
        return wanted
    message = "expected status, service_type, label or q; or all=true, alone"
    raise GatewayError("invalid_request", message, "all")


async def _change_all(doors: Doors, command: ChangeSessions) -> BulkOutcome:
    """Change some after some, to the end. Raises `GatewayError`, with what was changed by then."""
    fitting = changed = 0
    start: int | None = 0
    while start is not None:
        try:
            done = await doors.change_sessions(msgspec.structs.replace(command, start=start))
        except GatewayError as error:
            if not changed or command.dry_run:
                raise
            before = count_phrase(changed, "session was", "sessions were")
            message = f"{error.message}; {before} changed before"
            raise GatewayError(error.code, message) from None
        fitting += done.fitting
        changed += done.changed
        start = done.next
    return BulkOutcome(fitting=fitting, changed=changed, dry_run=command.dry_run)
