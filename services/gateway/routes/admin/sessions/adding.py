"""Sessions added: each good credential is sealed here, and handed to the pool."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.base import AccountId, SessionId
from contracts.pool import AddSession, AddSessions, PoolStatus, SessionStatus
from runtime.credentials import Credential, WrongCredentialError, credential_of
from runtime.texts import count_phrase
from services.gateway.clients.keys import Key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors

_ADDED_MAX = 10_000
_TOLD_MAX = 5
_BATCH_MAX = 200
_SHAPES = 'expected a session such as {"credential": "…", "region": "us"}, or a list of sessions'


class RefusedSession(msgspec.Struct, frozen=True, kw_only=True):
    """One that was not added: its place in the list, from 1, and what was expected."""

    line: int
    reason: str


class SessionsAdded(msgspec.Struct, frozen=True, kw_only=True):
    """The good ones in their order (`data`), what it made of them, and the others.

    `changed` are those that are `added`, those that are `revived`, and of the rest, which was
    there, those that `joined` an account, for good, and those in `restated`: their account has
    another tier, or more units that are used. The `labelled` ones have another label now.
    """

    data: list[str]
    changed: list[str]
    added: list[str]
    revived: list[str]
    labelled: list[str]
    joined: list[str]
    restated: list[str]
    refused: list[RefusedSession]


@post("/sessions", status_code=200, tags=["sessions"], summary="Add sessions, or revive them")
async def add_sessions(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    data: JSONBody[dict[str, Any] | list[Any]],
) -> SessionsAdded:
    """Seal each good credential here and hand it to the pool; adding one twice is harmless."""
    if isinstance(data, dict) and "credentials" in data:
        # What a hook answers, and not what is taken here.
        raise GatewayError("invalid_request", f"credentials: {_SHAPES}", "credentials")
    wanted = data if isinstance(data, list) else [data]
    if not 1 <= len(wanted) <= _ADDED_MAX:
        message = f"body: expected 1 to {_ADDED_MAX} sessions, got {len(wanted)}"
        raise GatewayError("invalid_request", message)
    good: dict[tuple[str, str], tuple[int, Credential]] = {}
    refused: list[RefusedSession] = []
    services = doors.settings().services
    for line, given in enumerate(wanted, 1):
        try:
            one = credential_of(given, services)
            first, before = good.setdefault(one.region_and_token, (line, one))
            if one != before:
                reason = f"credential: it is the session of entry {first} again, said otherwise"
                refused.append(RefusedSession(line=line, reason=reason))
        except WrongCredentialError as error:
            refused.append(RefusedSession(line=line, reason=str(error)))
    if not good:
        raise _none_is_good(refused, listed=isinstance(data, list))
    done = await _add_batches(doors, [one for _, one in good.values()], admin)
    for (line, _), session_id in zip(good.values(), done.asked, strict=True):
        if why := done.refused.get(session_id):
            refused.append(RefusedSession(line=line, reason=why))
    refused.sort(key=lambda one: one.line)
    if not done.named:
        raise _none_is_good(refused, listed=isinstance(data, list))
    return SessionsAdded(
        data=done.named,
        changed=list(dict.fromkeys([*done.changed, *done.joined, *done.restated])),
        added=[one for one in done.changed if one not in done.revived],
        revived=sorted(done.revived),
        labelled=done.labelled,
        joined=done.joined,
        restated=done.restated,
        refused=refused,
    )


def _none_is_good(refused: list[RefusedSession], *, listed: bool) -> GatewayError:
    """Word what is wrong with the first few, by where each stands in the body; list them all."""
    reasons = [
        f"[{refusal.line - 1}].{refusal.reason}" if listed else refusal.reason
        for refusal in refused
    ]
    place, colon, _ = reasons[0].partition(": ")
    more = f"; and {len(reasons) - _TOLD_MAX} more" if len(reasons) > _TOLD_MAX else ""
    return GatewayError(
        "invalid_request",
        "; ".join(reasons[:_TOLD_MAX]) + more,
        place if colon else None,
        refused=[msgspec.to_builtins(refusal) for refusal in refused] if listed else (),
    )


class _AddedBatches(NamedTuple):
    """What the pool made of credentials, by the ids of their sessions."""

    asked: list[str]
    """The session of each."""
    refused: dict[str, str]
    """Those that do not fit their account, or have no place, and why."""
    changed: list[str]
    """Those that were not there before, or retired."""
    revived: set[str]
    labelled: list[str]
    joined: list[str]
    """Those that were there, and entered an account."""
    restated: list[str]
    """Those that were there, and of whose account something else is said now."""

    @property
    def named(self) -> list[str]:
        """Name the sessions that are in the pool now."""
        return [session_id for session_id in self.asked if session_id not in self.refused]


async def _add_batches(doors: Doors, good: Sequence[Credential], admin: Key) -> _AddedBatches:
    """Have the pool add them, as many at a time as it takes.

    Raises `GatewayError`, with how many of them are in the pool by then.
    """
    batches = _AddedBatches([], {}, [], set(), [], [], [])
    for start in range(0, len(good), _BATCH_MAX):
        batch = good[start : start + _BATCH_MAX]
        try:
            standing = await _current_status(doors, batch)
            items = [_seal_command(item, doors, standing) for item in batch]
            done = await doors.pool_admin(AddSessions(items=items, by=admin.key_id))
        except GatewayError as error:
            if not start:
                raise
            raise _broken_off(error, start, len(good)) from None
        batches.asked.extend(str(item.session_id) for item in items)
        batches.refused.update(done.refused)
        batches.changed.extend(done.changed)
        batches.revived.update(done.revived)
        batches.labelled.extend(done.labelled)
        batches.joined.extend(done.joined)
        batches.restated.extend(done.restated)
    return batches


def _broken_off(error: GatewayError, done: int, count: int) -> GatewayError:
    """Say of how many the pool has decided; adding those once more is harmless."""
    decided = f"{done} of {count_phrase(count, 'session')} were decided before"
    return GatewayError(
        error.code,
        f"{error.message}; {decided}: adding all of them again goes on from there",
        retry_after_s=error.retry_after_s,
    )


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
        quota_reset_hour=given.quota_reset_hour,
        account=AccountId(given.account),
        tier=given.tier,
        used=given.used,
        label=given.label,
    )
