"""Credentials that are made here, or that lie in a file."""

import secrets
from collections.abc import Collection
from pathlib import Path

from runtime.credentials import Credential, credentials_fault, credentials_in
from services.pool.provisioners.credential import (
    Known,
    Provisioner,
    ProvisionError,
    unique_credentials,
)


class Generated(Provisioner):
    """Random credentials: every one of them is new."""

    has_source = True

    async def lacking_credentials(
        self, wanted: int, is_known: Known, at_most: int
    ) -> list[Credential]:
        """Make as many as the pool wants."""
        del is_known
        return [
            Credential(credential=secrets.token_urlsafe(24)) for _ in range(min(wanted, at_most))
        ]


class FromFile(Provisioner):
    """The credentials of a file; a line that is of no use costs none of the others."""

    has_source = True

    def __init__(self, path: Path, services: Collection[str] | None = None) -> None:
        """Read nothing yet; `services` are the types that limits may name."""
        self._path = path
        self._services = services
        self._read: tuple[int, int] | None = None
        self._credentials: list[Credential] = []

    async def lacking_credentials(
        self, wanted: int, is_known: Known, at_most: int
    ) -> list[Credential]:
        """Name those of the file that the pool never had, however many it wants.

        Raises `ProvisionError`, also where there are lines, and none is of any use.
        """
        del wanted
        read_before = self._read
        current = self._current_credentials()
        if self._read != read_before:
            self._standing = [credential for credential in current if is_known(credential)]
        # What the pool once had it never forgets: such a line need not be looked at again.
        self._credentials = [credential for credential in current if not is_known(credential)]
        return self._credentials[:at_most]

    def _current_credentials(self) -> list[Credential]:
        """Read the file again if it changed. Raises `ProvisionError`."""
        try:
            stat = self._path.stat()
            if self._read == (stat.st_mtime_ns, stat.st_size):
                return self._credentials
            lines = list(credentials_in(self._path.read_bytes(), self._services))
        except OSError as error:
            reason = error.strerror
            raise ProvisionError(f"{self._path}: expected credentials: {reason}") from None
        fault = credentials_fault(lines)
        self.complaint = f"{self._path}, {fault}" if fault else ""
        self._credentials = list(
            unique_credentials(line for _, line in lines if isinstance(line, Credential))
        )
        if fault and not self._credentials:
            raise ProvisionError(self.complaint)
        self._read = (stat.st_mtime_ns, stat.st_size)
        return self._credentials
