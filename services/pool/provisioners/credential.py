"""What every provisioner hands out, and what keeps one from doing so."""

import re
from collections.abc import Callable, Iterable, Iterator

from contracts.base import Count, Part, ServiceType, SessionId
from runtime.secrets import session_identity

REGIONS = ("us", "hk", "jp", "sg")
_UNKNOWN_FIELD = re.compile(r"unknown field `[^`]*`")


class ProvisionError(Exception):
    """Credentials could not be had; the message says from where and why, and names none."""


class Credential(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream credential and what is particular about it."""

    credential: str
    region: str = ""
    limits: dict[ServiceType, Count] = {}
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

    complaint = ""
    """What of the credentials looked at last is of no use, and where it stands; names none."""

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Name up to `at_most` credentials to add to a pool that wants `wanted` more.

        Raises `ProvisionError`.
        """
        del wanted, known, at_most
        return []


def one_account(credential: str) -> bool:
    """Tell whether a credential is one account: backends take what a `,` separates for several."""
    return "," not in credential


def nameless(error: Exception) -> str:
    """Say what is wrong without the name of a field that nobody knows: it may be a credential."""
    return _UNKNOWN_FIELD.sub("unknown field", str(error))


def unique(credentials: Iterable[Credential]) -> Iterator[Credential]:
    """Let each credential through once."""
    seen: set[tuple[str, str]] = set()
    for credential in credentials:
        name = (credential.region, credential.credential)
        if name not in seen:
            seen.add(name)
            yield credential
