"""Client keys: listed without their text, issued and rotated with it once."""

from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from contracts.analytics import Rows
from contracts.base import Count, KeyId
from contracts.gateway import KeyBounds
from services.gateway.clients.keydecisions import BOUND_MAX, WEIGHT_MAX, KeyRefusal, KeyRefused
from services.gateway.clients.keys import BOUNDLESS, Key, KeyScope
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures.shapes import FigureRow, rows_of
from services.gateway.routes.parameters import Cursor, Limit, cursor_text, one_of, parse_cursor
from services.gateway.store import KeyWithText

GRACE_MAX_S = 7 * 86_400
_LISTED = 10_000
"""Keys of a page where nobody says how many: nearly always all of them."""
_KEYS = "keys"
ScopeName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(KeyScope)})]
_Bound = Annotated[int, msgspec.Meta(ge=0, le=BOUND_MAX)]
_Weight = Annotated[int, msgspec.Meta(ge=1, le=WEIGHT_MAX)]


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to issue; bounds hold per gateway process, 0 is no bound, no models are all.

    `weight`: units that it gets where another key, whose requests wait as its do, gets one.
    """

    name: str
    scope: ScopeName = "client"
    requests_per_minute: _Bound = 0
    concurrency: _Bound = 0
    models: list[str] = []
    weight: _Weight = 1


class ChangedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    name: str | None = None
    requests_per_minute: _Bound | None = None
    concurrency: _Bound | None = None
    models: list[str] | None = None
    weight: _Weight | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the old text opens beside the new one; 0, the default, is not at all."""

    grace_s: Annotated[float, msgspec.Meta(ge=0, le=GRACE_MAX_S)] = 0.0


class KeyReport(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its text."""

    id: str
    name: str
    scope: KeyScope
    requests_per_minute: int
    concurrency: int
    models: list[str]
    weight: int
    revoked: bool


class IssuedKey(KeyReport, frozen=True, kw_only=True):
    """A key with its text, which is shown this once and kept nowhere."""

    key: str


class ListedKey(KeyReport, frozen=True, kw_only=True):
    """A key, and what it did on today's quota day; null while analytics does not say."""

    issued_at: str | None = None
    issued_by: str | None = None
    last_seen_at: str | None = None
    calls: int | None = None
    calls_failed: int | None = None
    units: int | None = None


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """Keys, revoked ones included, in the order they were issued.

    `next` is the `cursor` of the page behind this one; empty: there is none.
    """

    data: list[ListedKey]
    next: str
    sequence: int
    """The last message about keys that this gateway has read."""
    figures_sequence: int | None
    """Up to where what they did is counted; null while analytics does not say."""
    lag: int | None
    """Messages that the figures are behind the log."""


@get("/keys", tags=["keys"], summary="Keys by page")
async def list_keys(
    doors: NamedDependency[Doors], limit: Limit = _LISTED, cursor: Cursor = ""
) -> KeyList:
    """List the keys; their text is known to nobody."""
    # None ever leaves the ring: a place in it is one for good.
    begin = parse_cursor(_KEYS, cursor, Count) or 0
    figures = await _figures_of_keys(doors)
    rows: list[FigureRow] = rows_of(figures) if figures else []
    use = {row.pop("key_id"): row for row in rows}
    ring = doors.key_log.ring
    keys = ring.all_keys()
    end = begin + limit
    reports = [
        (msgspec.structs.asdict(_key_report(key)), use.get(key.key_id, {}))
        for key in keys[begin:end]
    ]
    return KeyList(
        data=[ListedKey(**report, **used) for report, used in reports],
        next=cursor_text(_KEYS, end) if end < len(keys) else "",
        sequence=ring.version,
        figures_sequence=figures.sequence if figures else None,
        lag=figures.lag if figures else None,
    )


async def _figures_of_keys(doors: Doors) -> Rows | None:
    """Ask what each key did; None while analytics does not answer: the keys are there."""
    try:
        return await doors.named_query("key_use")
    except GatewayError:
        return None


@post("/keys", tags=["keys"], summary="Issue a key")
async def issue_key(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[NewKey]
) -> IssuedKey:
    """Issue a key: in force here at once, on every other gateway as soon as it reads the log."""
    bounds = KeyBounds(
        requests_per_minute=data.requests_per_minute,
        concurrency=data.concurrency,
        models=data.models,
        weight=data.weight,
    )
    wanted = one_of("scope", data.scope, KeyScope)
    if wanted in BOUNDLESS and bounds != KeyBounds():
        message = f"scope: a {wanted} key has no bounds"
        raise GatewayError("invalid_request", message, "scope")
    return _issued_key(await doors.key_log.issue_key(data.name, wanted, bounds, admin.key_id))


@patch("/keys/{key_id:str}", tags=["keys"], summary="Change a key")
async def change_key(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    key_id: FromPath[str],
    data: JSONBody[ChangedKey],
) -> KeyReport:
    """Change a key's name, bounds or weight."""
    key = doors.key_log.ring.key_of(key_id)
    if key is None:
        raise _refusal_error(KeyRefused(KeyRefusal.UNKNOWN, f"there is no key {key_id}"))
    old = key.bounds
    rate, concurrency = data.requests_per_minute, data.concurrency
    bounds = KeyBounds(
        requests_per_minute=old.requests_per_minute if rate is None else rate,
        concurrency=old.concurrency if concurrency is None else concurrency,
        models=old.models if data.models is None else data.models,
        weight=old.weight if data.weight is None else data.weight,
    )
    changed = await doors.key_log.change_key(KeyId(key_id), data.name, bounds, admin.key_id)
    if isinstance(changed, KeyRefused):
        raise _refusal_error(changed)
    return _key_report(changed)


@delete("/keys/{key_id:str}", status_code=200, tags=["keys"], summary="Revoke a key")
async def revoke_key(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], key_id: FromPath[str]
) -> KeyReport:
    """Revoke a key; once more is no error. The last admin key cannot be revoked."""
    revoked = await doors.key_log.revoke_key(KeyId(key_id), "revoked by an admin", admin.key_id)
    if isinstance(revoked, KeyRefused):
        raise _refusal_error(revoked)
    return _key_report(revoked)


@post("/keys/{key_id:str}/rotate", status_code=200, tags=["keys"], summary="Give a key a new text")
async def rotate_key(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    key_id: FromPath[str],
    data: JSONBody[Rotation | None] = None,
) -> IssuedKey:
    """Replace a key's text; the old one opens nothing from here on, or after `grace_s`."""
    grace_s = data.grace_s if data else 0.0
    return _issued_key(await doors.key_log.rotate_key(KeyId(key_id), admin.key_id, grace_s))


def _issued_key(issued: KeyWithText | KeyRefused) -> IssuedKey:
    if isinstance(issued, KeyRefused):
        raise _refusal_error(issued)
    return IssuedKey(key=issued.text, **msgspec.structs.asdict(_key_report(issued.key)))


def _key_report(key: Key) -> KeyReport:
    return KeyReport(
        id=key.key_id,
        name=key.name,
        scope=key.scope,
        requests_per_minute=key.bounds.requests_per_minute,
        concurrency=key.bounds.concurrency,
        models=key.bounds.models,
        weight=key.bounds.weight,
        revoked=key.revoked,
    )


def _refusal_error(refused: KeyRefused) -> GatewayError:
    if refused.reason is KeyRefusal.UNKNOWN:
        return GatewayError("not_found", refused.message)
    name, colon, _ = refused.message.partition(":")
    is_field = bool(colon) and name in NewKey.__struct_fields__
    return GatewayError("invalid_request", refused.message, name if is_field else None)
