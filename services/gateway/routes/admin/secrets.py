"""The master keys by their ids: who has which, what is sealed under which, and their rotation.

The keys themselves are in no message: `tidegate secrets rotate` writes them where the key file is.
"""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.base import Count
from contracts.pool import KeyHolder, KeyRotation, KeysReply, RotateKey
from services.gateway.clients.keys import Key
from services.gateway.routes.doors import Doors


class SecretsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The master keys of the pool's leader, those of everybody heard of, and the last rotation."""

    key_ids: list[str]
    """Of the leader; the first seals."""
    ciphertexts: dict[str, Count]
    """How many credentials are sealed under each."""
    holders: list[KeyHolder]
    listened_s: float
    """For how long the leader has listened to the others."""
    rotation: KeyRotation | None
    sequence: int
    """Up to where in the log this is true; 0 while the pool is of an earlier version."""


class WantedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key that is to seal, by its id; the pool's key file has it already."""

    key_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]


@get("/secrets", tags=["secrets"], summary="Which master keys there are")
async def describe_secrets(doors: NamedDependency[Doors]) -> SecretsReport:
    """Say which processes have which master keys, and how far a rotation is."""
    return _secrets_report(await doors.ask_keys())


@post("/secrets/rotate", status_code=200, tags=["secrets"], summary="Begin a rotation")
async def rotate_master_key(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[WantedKey]
) -> SecretsReport:
    """Begin to rotate to a key; `tidegate secrets rotate` does the rest, and calls this."""
    await doors.rotate_key(RotateKey(key_id=data.key_id, by=admin.key_id))
    return _secrets_report(await doors.ask_keys())


def _secrets_report(keys: KeysReply) -> SecretsReport:
    return SecretsReport(
        key_ids=keys.key_ids,
        ciphertexts=keys.ciphertexts,
        holders=keys.holders,
        listened_s=keys.listened_s,
        rotation=keys.rotation,
        sequence=keys.sequence,
    )
