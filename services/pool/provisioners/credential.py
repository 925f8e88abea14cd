"""What every provisioner hands out, and what keeps one from doing so."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import msgspec

from contracts.base import NUMBER_MAX, Part, ServiceType, SessionId
from runtime.secrets import session_identity

REGIONS = ("us", "hk", "jp", "sg")


class ProvisionError(Exception):
    """Credentials could not be had; the message says from where and why, and names none."""


class Credential(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream credential and what is particular about it."""

    credential: str
    region: str = ""
    limits: dict[ServiceType, Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]] = {}
    quota_timezone: str = ""

    def identity(self, identity_key: str) -> SessionId:
        """Name the session that this credential makes."""
        return session_identity(identity_key, self.region, self.credential)

    def __repr__(self) -> str:
        """Say nothing of the credential, wherever this is printed."""
        return f"Credential(region={self.region!r})"


Known = Callable[[Credential], bool]
"""Whether the pool has, or once had, this credential."""


class Provisioner:
    """The kind `none`, and what the others have in common."""

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Name up to `at_most` credentials to add to a pool that wants `wanted` more.

        Raises `ProvisionError`.
        """
        del wanted, known, at_most
        return []


def unique(credentials: Iterable[Credential]) -> Iterator[Credential]:
    """Let each credential through once."""
    seen: set[tuple[str, str]] = set()
    for credential in credentials:
        name = (credential.region, credential.credential)
        if name not in seen:
            seen.add(name)
            yield credential
