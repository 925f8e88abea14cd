"""Credentials that are made here, or that lie in a file."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.pool.provisioners.credential import (
    REGIONS,
    Credential,
    Known,
    Provisioner,
    ProvisionError,
    unique,
)


class Generated(Provisioner):
    """Random credentials: every one of them is new."""

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Make as many as the pool wants."""
        del known
        return [
            Credential(credential=secrets.token_urlsafe(24)) for _ in range(min(wanted, at_most))
        ]


class FromFile(Provisioner):
    """The credentials of a file."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._read: tuple[int, int] | None = None
        self._credentials: list[Credential] = []

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Name those of the file that the pool never had, however many it wants."""
        del wanted
        # What the pool once had it never forgets: such a line need not be looked at again.
        self._credentials = [one for one in self._current() if not known(one)]
        return self._credentials[:at_most]

    def _current(self) -> list[Credential]:
        try:
            stat = self._path.stat()
            if self._read != (stat.st_mtime_ns, stat.st_size):
                self._credentials = list(unique(_parsed(self._path)))
                self._read = (stat.st_mtime_ns, stat.st_size)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ProvisionError(f"{self._path}: expected credentials: {reason}") from None
        return self._credentials


def _parsed(path: Path) -> Iterator[Credential]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not text.startswith("{"):
            region, dash, rest = text.partition("-")
            named = bool(dash) and region in REGIONS
            yield (
                Credential(credential=rest, region=region) if named else Credential(credential=text)
            )
            continue
        try:
            yield msgspec.json.decode(text, type=Credential)
        except msgspec.DecodeError as error:
            # The line itself holds a credential: it is not in the message.
            raise ProvisionError(f"{path}, line {number}: {error}") from None
