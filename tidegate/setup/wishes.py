"""What is to run, as flags or answers say it: checked, and refused by the name of what is wrong."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from contracts.base import NUMBER_MAX
from runtime.credentials import Credential, credentials_fault, credentials_in, is_zone
from runtime.settings import DEFAULT_SERVICES, SettingsError
from services.pool.settings import ProvisionerSection
from tidegate.probing import asking

DEFAULT_LIMITS = {name: service.daily_limit for name, service in DEFAULT_SERVICES.items()}
HOOK_SESSIONS = 50
"""As many as are asked of a hook where nobody says how many."""
_OTHERS_MAY = 0o077


class CredentialsFile(msgspec.Struct, frozen=True):
    """A file of credentials, read."""

    path: Path
    good: int
    """Lines that are a credential."""
    first: Credential | None
    fault: str | None
    """Which lines are none, and why, without repeating them."""
    open_to_others: bool
    """Whether somebody else on this machine may read it."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run; without servers the demo."""

    servers: list[str] = []
    credentials: CredentialsFile | None = None
    hook: str = ""
    token_file: str = ""
    sessions: int = HOOK_SESSIONS
    """Asked of the hook."""
    timezone: str = "UTC"
    limits: dict[str, int] = msgspec.field(default_factory=lambda: dict(DEFAULT_LIMITS))


def servers_objection(servers: list[str]) -> str | None:
    """Say what is wrong with addresses of servers; None when nothing is."""
    for url in servers:
        if wrong := asking.url_objection(url):
            return wrong
    if len({url.rstrip("/") for url in servers}) < len(servers):
        return "expected every address once"
    return None


def hook_objection(url: str) -> str | None:
    """Say why nothing can be asked at an address; None when it can."""
    try:
        ProvisionerSection(kind="http", url=url)
    except ValueError as error:
        return str(error)
    return None


def zone_objection(name: str) -> str | None:
    """Say why a time zone is none; None when it is one."""
    return None if is_zone(name) else f'expected a zone such as "Asia/Shanghai", got {name!r}'


def read_limits(given: Iterable[str]) -> dict[str, int]:
    """Read `image=10` and its like over the defaults. Raises `SettingsError`."""
    limits = dict(DEFAULT_LIMITS)
    for text in given:
        name, equals, number = text.partition("=")
        if not equals or name not in limits:
            kinds = ", ".join(f"{known}=N" for known in limits)
            raise SettingsError(
                f"--limit: expected one of {kinds}, got {text!r}; further service types are written"
                " into the file by hand"
            )
        limits[name] = read_count(number, f"--limit {name}")
    return limits


def read_count(text: str, what: str) -> int:
    """Read a number of units or sessions. Raises `SettingsError` that begins with `what`."""
    if not (text.isascii() and text.isdecimal()) or int(text) > NUMBER_MAX:
        raise SettingsError(f"{what}: expected a whole number up to {NUMBER_MAX:,}, got {text!r}")
    return int(text)


def read_credentials(path: Path) -> CredentialsFile:
    """Read a file of credentials. Raises `SettingsError` when there is none to be read."""
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise SettingsError(
            f"{path}: expected a file with one credential a line ({error.strerror})"
        ) from None
    lines = list(credentials_in(content, DEFAULT_SERVICES))
    good = [line for _, line in lines if isinstance(line, Credential)]
    return CredentialsFile(
        path,
        len(good),
        good[0] if good else None,
        credentials_fault(lines),
        open_to_others=bool(mode & _OTHERS_MAY),
    )
