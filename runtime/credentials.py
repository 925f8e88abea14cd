"""Upstream credentials as operators give them: one reader for the file, the hook, the API, the CLI.

What is wrong is said without repeating it, because it may be a credential. A good one costs nothing
for the bad ones beside it.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contracts.base import NUMBER_MAX, ServiceType, SessionId
from runtime.secrets import session_identity

REGIONS = ("us", "hk", "jp", "sg")
_TOLD_MAX = 5
_FIELDS = ("credential", "region", "limits", "quota_timezone")
_SAYABLE = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header: no blanks, no control characters."""
_COOKIES = re.compile(r"(?i)(?:set-)?cookie:|[a-z_][a-z0-9_.-]*=[^=]|.*;")
_BOM = "\ufeff"


class WrongCredentialError(Exception):
    """It cannot be used; the message says what was expected, and repeats nothing."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream credential and what is particular about it."""

    credential: str
    region: str = ""
    limits: dict[ServiceType, int] = {}
    """Units a day by service type, over the type's own."""
    quota_timezone: str = ""

    def identity(self, identity_key: str) -> SessionId:
        """Name the session that this credential makes."""
        return session_identity(identity_key, self.region, self.credential)

    def __repr__(self) -> str:
        """Say nothing of the credential, wherever this is printed."""
        return f"Credential(region={self.region!r})"


def credential_of(given: Any, services: Collection[str] | None = None) -> Credential:
    """Read a JSON object: `credential`, and if wanted `region`, `limits`, `quota_timezone`.

    `timezone` is `quota_timezone` by another name. `services` are the types that limits may name;
    None: any. Raises `WrongCredentialError`.
    """
    if not isinstance(given, dict):
        raise WrongCredentialError("expected a JSON object")
    fields = dict(given)
    named = "timezone" if "timezone" in fields else "quota_timezone"
    if named == "timezone":
        fields.setdefault("quota_timezone", fields.pop(named))
    if not fields.keys() <= set(_FIELDS):
        raise WrongCredentialError(f"expected only {', '.join(_FIELDS)}")
    _check_credential(fields.get("credential"))
    region = fields.get("region", "")
    if region not in ("", *REGIONS):
        raise WrongCredentialError(f"region: expected one of {', '.join(REGIONS)}, or none")
    zone = fields.get("quota_timezone", "")
    if not isinstance(zone, str) or (zone and not is_zone(zone)):
        raise WrongCredentialError(f'{named}: expected one such as "Asia/Shanghai"')
    _check_limits(fields.get("limits", {}), services)
    return Credential(**fields)


def credentials_in(
    data: bytes, services: Collection[str] | None = None, defaults: dict[str, str] | None = None
) -> Iterator[tuple[int, Credential | str]]:
    """Read a file, a credential or a JSON object a line: each line's number, and what it is.

    A text is what is wrong with the line. `us-`, `hk-`, `jp-` or `sg-` before a bare credential
    names its region. Blank lines and those that begin with `#` are passed over. `defaults` hold for
    lines that say nothing of their own.
    """
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            yield number, "expected UTF-8"
            continue
        line = line.removeprefix(_BOM if number == 1 else "").strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        try:
            given = _line(line)
            if isinstance(given, dict):
                given = {**(defaults or {}), **given}
            yield number, credential_of(given, services)
        except WrongCredentialError as error:
            yield number, str(error)


def told(found: Iterable[tuple[int, Credential | str]], place: str = "line {}") -> str:
    """Name a few of those that are wrong by their `place`; nothing when all are good."""
    wrong = [f"{place.format(number)}: {one}" for number, one in found if isinstance(one, str)]
    more = f" (and {len(wrong) - _TOLD_MAX} more)" if len(wrong) > _TOLD_MAX else ""
    return "; ".join(wrong[:_TOLD_MAX]) + more


def _line(line: str) -> Any:
    if line.startswith(("{", "[")):
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise WrongCredentialError("expected a credential, or a JSON object") from None
    region, dash, rest = line.partition("-")
    if dash and region in REGIONS:
        return {"credential": rest, "region": region}
    return {"credential": line}


def _check_credential(credential: Any) -> None:
    if not isinstance(credential, str) or not _SAYABLE.fullmatch(credential):
        raise WrongCredentialError(
            "credential: expected 1 to 4096 visible ASCII characters, no blanks"
        )
    if "," in credential:
        raise WrongCredentialError("credential: expected one account, and `,` separates several")
    if credential[0] in "\"'" or _COOKIES.match(credential):
        raise WrongCredentialError(
            "credential: expected the session's value alone, without quotes or the rest of a cookie"
        )


def _check_limits(limits: Any, services: Collection[str] | None) -> None:
    if not isinstance(limits, dict) or not all(
        isinstance(units, int) and not isinstance(units, bool) and 0 <= units <= NUMBER_MAX
        for units in limits.values()
    ):
        raise WrongCredentialError(
            f"limits: expected whole numbers up to {NUMBER_MAX:,} by service type"
        )
    if services is not None and not limits.keys() <= set(services):
        raise WrongCredentialError(f"limits: expected service types ({', '.join(services)})")


@cache
def is_zone(name: str) -> bool:
    """Whether there is such a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
