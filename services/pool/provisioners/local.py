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
    nameless,
    one_account,
    unique,
)

_NAMED_MAX = 5
"""Of a file's bad lines, so many are named."""


class Generated(Provisioner):
    """Random credentials: every one of them is new."""

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Make as many as the pool wants."""
        del known
        return [
            Credential(credential=secrets.token_urlsafe(24)) for _ in range(min(wanted, at_most))
        ]


class FromFile(Provisioner):
    """The credentials of a file; a line that is of no use costs none of the others."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._read: tuple[int, int] | None = None
        self._credentials: list[Credential] = []

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Name those of the file that the pool never had, however many it wants.

        Raises `ProvisionError`, also where there are lines, and none is of any use.
        """
        del wanted
        # What the pool once had it never forgets: such a line need not be looked at again.
        self._credentials = [one for one in self._current() if not known(one)]
        return self._credentials[:at_most]

    def _current(self) -> list[Credential]:
        try:
            stat = self._path.stat()
            if self._read == (stat.st_mtime_ns, stat.st_size):
                return self._credentials
            lines = list(_parsed(self._path.read_text()))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ProvisionError(f"{self._path}: expected credentials: {reason}") from None
        wrong = [one for one in lines if isinstance(one, str)]
        more = f" (and {len(wrong) - _NAMED_MAX} more)" if len(wrong) > _NAMED_MAX else ""
        named = "; ".join(wrong[:_NAMED_MAX])
        self.complaint = f"{self._path}, {named}{more}" if wrong else ""
        self._credentials = list(unique(one for one in lines if isinstance(one, Credential)))
        if wrong and not self._credentials:
            raise ProvisionError(self.complaint)
        self._read = (stat.st_mtime_ns, stat.st_size)
        return self._credentials


def _parsed(text: str) -> Iterator[Credential | str]:
    """Read each line: its credential, or what is wrong with it, which names none."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            found = _credential(stripped)
        except msgspec.DecodeError as error:
            # The line itself holds a credential, and so may a field that nobody knows.
            yield f"line {number}: {nameless(error)}"
            continue
        if one_account(found.credential):
            yield found
        else:
            yield f"line {number}: credential: expected one account, and `,` separates several"


def _credential(line: str) -> Credential:
    if line.startswith("{"):
        return msgspec.json.decode(line, type=Credential)
    region, dash, rest = line.partition("-")
    if dash and region in REGIONS:
        return Credential(credential=rest, region=region)
    return Credential(credential=line)
