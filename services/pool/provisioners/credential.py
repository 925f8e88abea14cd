"""What every provisioner can be asked, and what keeps one from answering."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from contracts.base import AccountId, SessionId
from contracts.pool import AddSession
from runtime.credentials import Credential


class ProvisionError(Exception):
    """Credentials could not be had; the message says from where and why, and names none."""


Known = Callable[[Credential], bool]
"""Whether the pool has, or once had, this credential."""


class Provisioner:
    """The kind `none`, and what the others have in common."""

    has_source = False
    """Whether there is anything to ask."""
    complaint = ""
    """What of the credentials looked at last is of no use, and where it stands; names none."""
    _standing: Sequence[Credential] = ()

    def take_standing(self) -> Sequence[Credential]:
        """Tell once those read last whose accounts the pool has: their proxies may be others."""
        standing, self._standing = self._standing, ()
        return standing

    async def lacking_credentials(
        self, wanted: int, is_known: Known, at_most: int
    ) -> list[Credential]:
        """Name up to `at_most` credentials to add to a pool that wants `wanted` more.

        Raises `ProvisionError`.
        """
        del wanted, is_known, at_most
        return []


def account_lookup(has_session: Callable[[SessionId], bool], identity_key: str) -> Known:
    """Look whether an account has a session, as earlier versions may have named it too."""

    def is_known(credential: Credential) -> bool:
        return any(map(has_session, credential.credentials_by_id(identity_key)))

    return is_known


def texts_of_sessions(
    credentials: Iterable[Credential], sessions: Container[SessionId], identity_key: str
) -> dict[SessionId, str]:
    """Tell what is to be kept under the seal of each session that is one of these accounts."""
    return {
        session_id: kept.credential
        for credential in credentials
        for session_id, kept in credential.credentials_by_id(identity_key).items()
        if session_id in sessions
    }


def unique_credentials(credentials: Iterable[Credential]) -> Iterator[Credential]:
    """Let each account through once."""
    seen: set[tuple[str, str]] = set()
    for credential in credentials:
        if credential.region_and_token not in seen:
            seen.add(credential.region_and_token)
            yield credential


def session_of_account(
    credential: Credential, sessions: Container[SessionId], identity_key: str
) -> tuple[SessionId, Credential]:
    """Tell which session is this account's, and what is kept under its seal.

    One that is there, whichever version named it; else the one that it makes.
    """
    named = credential.credentials_by_id(identity_key)
    session_id = next((name for name in named if name in sessions), next(iter(named)))
    return session_id, named[session_id]


def session_addition(session_id: SessionId, credential: Credential) -> AddSession:
    """Make what the pool is told of a credential: all of it but the secret."""
    return AddSession(
        session_id=session_id,
        sealed=b"",
        region=credential.region,
        limits=credential.limits,
        quota_timezone=credential.quota_timezone,
        quota_reset_hour=credential.quota_reset_hour,
        account=AccountId(credential.account),
        tier=credential.tier,
        used=credential.used,
        label=credential.label,
    )
