"""Where sessions come from: each provisioner names the credentials the pool still lacks.

generated   opaque random credentials, as many as the pool wants; they open the demo servers
file        those of a file the operator keeps: one a line, `us-`, `hk-`, `jp-` or `sg-` before
            it names its region; or one JSON object a line with `credential` and, if wanted,
            `region`, `limits` (`{"image": 5}`) and `quota_timezone`. Blank lines and lines
            that begin with `#` are skipped. Read again whenever it changed; what is taken out
            of it stays in the pool until an operator retires it.
none        nothing: sessions come by the API alone
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from contracts.base import Count, Part, ServiceType, SessionId
from services.pool.settings import ProvisionerSection
from tidegate.runtime.secrets import session_identity

_REGIONS = ("us", "hk", "jp", "sg")


class ProvisionError(Exception):
    """Credentials could not be had; the message says from where and why."""


class Credential(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream credential and what is particular about it."""

    credential: str
    region: str = ""
    limits: dict[ServiceType, Count] = {}
    quota_timezone: str = ""

    def identity(self, identity_key: str) -> SessionId:
        """Name the session that this credential makes."""
        return session_identity(identity_key, self.region, self.credential)


Known = Callable[[Credential], bool]
"""Whether the pool has, or once had, this credential."""


class Provisioner:
    """The kind `none`, and what the others have in common."""

    def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Name up to `at_most` credentials to add to a pool that wants `wanted` more.

        Raises `ProvisionError`.
        """
        del wanted, known, at_most
        return []


class Generated(Provisioner):
    """Random credentials: every one of them is new."""

    def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
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

    def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Name those of the file that the pool never had, however many it wants."""
        del wanted
        # What the pool once had it never forgets: such a line need not be looked at again.
        self._credentials = [one for one in self._current() if not known(one)]
        return self._credentials[:at_most]

    def _current(self) -> list[Credential]:
        try:
            stat = self._path.stat()
            if self._read != (stat.st_mtime_ns, stat.st_size):
                self._credentials = list(_unique(_parsed(self._path)))
                self._read = (stat.st_mtime_ns, stat.st_size)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ProvisionError(f"{self._path}: expected credentials: {reason}") from None
        return self._credentials


def provisioner(section: ProvisionerSection) -> Provisioner:
    """Make the provisioner that the configuration names."""
    if section.kind == "generated":
        return Generated()
    if section.kind == "file":
        return FromFile(Path(section.path))
    return Provisioner()


def _parsed(path: Path) -> Iterator[Credential]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not text.startswith("{"):
            region, dash, rest = text.partition("-")
            named = bool(dash) and region in _REGIONS
            yield (
                Credential(credential=rest, region=region) if named else Credential(credential=text)
            )
            continue
        try:
            yield msgspec.json.decode(text, type=Credential)
        except msgspec.DecodeError as error:
            # The line itself holds a credential: it is not in the message.
            raise ProvisionError(f"{path}, line {number}: {error}") from None


def _unique(credentials: Iterable[Credential]) -> Iterator[Credential]:
    seen: set[tuple[str, str]] = set()
    for credential in credentials:
        name = (credential.region, credential.credential)
        if name not in seen:
            seen.add(name)
            yield credential
