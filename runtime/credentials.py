"""Upstream credentials as operators give them: one reader for the file, the hook, the API, the CLI.

What is wrong is said without repeating it, because it may be a credential. A good one costs nothing
for the bad ones beside it. How it is spelled decides nothing: one account is one credential.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contracts.base import NUMBER_MAX, ServiceType, SessionId
from runtime.secrets import session_identity
from runtime.texts import NAME_MAX, label_objection

REGIONS = ("us", "hk", "jp", "sg")
_TOLD_MAX = 5
_PREFIX = re.compile(rf"(?i)({'|'.join(REGIONS)})-")
_FIELDS = (
    "credential",
    "region",
    "limits",
    "quota_timezone",
    "quota_reset_hour",
    "label",
    "account",
    "tier",
    "used",
)
_HOUR_MAX = 23
_SAYABLE = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header: no blanks, no control characters."""
_COOKIES = re.compile(r"(?i)(?:set-)?cookie:|[a-z_][a-z0-9_.-]*=[^=]|.*;")
_NO_SECRET = re.compile(r"(?i)null|true|false|[-+.\d]{1,11}|session_?ids?|credentials?")
"""Scalars of JSON, and headings: a line that has nothing else is no credential."""
_BOM = "\ufeff"
_PROXY = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
"""How a proxy before an account begins; an `@` behind anything else is part of the account."""
_HOST = re.compile(r"[^:@/]+:[0-9]{1,5}/?")
"""A host with its port: what stands behind the password of a proxy alone."""


class WrongCredentialError(Exception):
    """It cannot be used; the message says what was expected, and repeats nothing."""


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream credential and what is particular about it."""

    credential: str
    region: str = ""
    limits: dict[ServiceType, int] = {}
    """Units a day by service type, over the type's own."""
    quota_timezone: str = ""
    quota_reset_hour: int | None = None
    account: str = ""
    """Whose quota it uses, with the others of this account."""
    tier: str = ""
    used: dict[ServiceType, int] = {}
    """Units of today that are used already."""
    label: str = ""
    """What operators call its session; personal data does not belong there."""

    @property
    def region_and_token(self) -> tuple[str, str]:
        """Tell region and token: the same behind every proxy, which is a way and no account."""
        if _PROXY.match(self.credential):
            return self.region, self.credential.rpartition("@")[2]
        return self.region, self.credential

    def session_identity(self, identity_key: str) -> SessionId:
        """Name the session that this credential makes."""
        return session_identity(identity_key, *self.region_and_token)

    def credentials_by_id(self, identity_key: str) -> dict[SessionId, "Credential"]:
        """Name every session that may be this account's, and what is kept under its seal there.

        First the one that it makes, then those that earlier versions made of it: to them a region
        was part of the credential, unless a bare line began with it, and so was a proxy. What they
        kept as `us-x` of region us, or with a region before the proxy, is not among them: servers
        read another token there.
        """
        kept = [self]
        if self.region:
            # A region in front of the credential was kept as it was written, in either letter case.
            kept += [
                msgspec.structs.replace(
                    self, region="", credential=self._region_prefix("".join(letters))
                )
                for letters in product(*zip(self.region, self.region.upper(), strict=True))
            ]
        # The proxy was part of the identity, so these are named by the whole text.
        whole = {
            session_identity(identity_key, credential.region, credential.credential): credential
            for credential in kept
        }
        return {
            credential.session_identity(identity_key): credential for credential in kept
        } | whole

    @property
    def as_text(self) -> str:
        """Write it with its region, so that it is read as this one again."""
        return self._region_prefix(self.region) if self.region else self.credential

    def _region_prefix(self, region: str) -> str:
        proxy, at, token = self.credential.rpartition("@")
        return f"{proxy}{at}{region}-{token}"

    def __repr__(self) -> str:
        """Say nothing of the credential, wherever this is printed."""
        return f"Credential(region={self.region!r})"


class WrongCredential(msgspec.Struct, frozen=True):
    """What stands where a credential is expected, and why it is none; never the text itself."""

    reason: str


def credential_of(
    given: Any,
    services: Collection[str] | None = None,
    defaults: dict[str, str] | None = None,
) -> Credential:
    """Read a JSON object: `credential`, and if wanted the others of `Credential`.

    `us-`, `hk-`, `jp-` or `sg-` before the credential, or behind its proxy, names its region, in
    either letter case. `timezone` is `quota_timezone` by another name. `services` are the types
    that limits may name; None: any. `defaults` hold for what it does not say. Raises
    `WrongCredentialError`.
    """
    if not isinstance(given, dict):
        raise WrongCredentialError("expected a JSON object")
    fields = {**(defaults or {}), **given}
    named = "timezone" if "timezone" in fields else "quota_timezone"
    if named == "timezone":
        fields.setdefault("quota_timezone", fields.pop(named))
    if not fields.keys() <= set(_FIELDS):
        raise WrongCredentialError(f"expected only {', '.join(_FIELDS)}")
    region, credential = fields.get("region", ""), fields.get("credential")
    if region not in ("", *REGIONS):
        raise WrongCredentialError(f"region: expected one of {', '.join(REGIONS)}, or none")
    if isinstance(credential, str):
        said, credential = _split_region(credential, given.get("region", ""))
        region = said or region
    assert region in ("", *REGIONS), "checked where it is given, matched where it is in front"
    _check_credential(credential)
    zone = fields.get("quota_timezone", "")
    if not isinstance(zone, str) or (zone and not is_zone(zone)):
        raise WrongCredentialError(f'{named}: expected one such as "Asia/Shanghai"')
    for units in ("limits", "used"):
        _check_units(units, fields.get(units, {}), services)
    _check_account(fields)
    _check_label(fields.get("label", ""))
    return Credential(**{**fields, "region": region, "credential": credential})


def credentials_in(
    data: bytes, services: Collection[str] | None = None, defaults: dict[str, str] | None = None
) -> Iterator[tuple[int, Credential | WrongCredential]]:
    """Read a file, a credential or a JSON object a line: each line's number, and what it is.

    Blank lines and those that begin with `#` are passed over. `defaults` hold for silent lines.
    """
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            yield number, WrongCredential("expected UTF-8")
            continue
        # Editors of Windows begin a file with it.
        line = line.removeprefix(_BOM if number == 1 else "").strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        try:
            yield number, credential_of(_read_line(line), services, defaults)
        except WrongCredentialError as error:
            yield number, WrongCredential(str(error))


def credentials_fault(
    entries: Iterable[tuple[int, Credential | WrongCredential]], place: str = "line {}"
) -> str | None:
    """Name a few of those that are wrong by their `place`; None when all are good."""
    faults = [
        f"{place.format(number)}: {entry.reason}"
        for number, entry in entries
        if isinstance(entry, WrongCredential)
    ]
    more = f" (and {len(faults) - _TOLD_MAX} more)" if len(faults) > _TOLD_MAX else ""
    return "; ".join(faults[:_TOLD_MAX]) + more if faults else None


def _read_line(line: str) -> Any:
    if line.startswith(("{", "[")):
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise WrongCredentialError("expected a credential, or a JSON object") from None
    if _NO_SECRET.fullmatch(line):
        raise WrongCredentialError("expected a credential, not a heading or a JSON scalar")
    return {"credential": line}


def _split_region(credential: str, region: str) -> tuple[str, str]:
    """Take the region out of a credential, and compare it with the `region` that is said.

    Raises `WrongCredentialError`.
    """
    said = [region] if region else []
    if before := _PREFIX.match(credential):
        said.append(before[1].lower())
        credential = credential[before.end() :]
    proxy, at, token = credential.rpartition("@")
    if at and (behind := _PREFIX.match(token)):
        said.append(behind[1].lower())
        credential = f"{proxy}{at}{token[behind.end() :]}"
    # Up to three places may say it: the field, the front, and behind the proxy.
    for other in said[1:]:
        if other != said[0]:
            raise WrongCredentialError(
                f"region: expected one, got {said[0]}, and {other}- before the credential"
            )
    return said[0] if said else "", credential


def _check_credential(credential: Any) -> None:
    """Refuse what is no credential of one account, saying what was expected."""
    if not isinstance(credential, str) or not _SAYABLE.fullmatch(credential):
        raise WrongCredentialError(
            "credential: expected 1 to 4096 visible ASCII characters, no blanks"
        )
    if "," in credential:
        raise WrongCredentialError("credential: expected one account, and `,` separates several")
    if _PROXY.match(credential) and not _is_behind_proxy(credential):
        raise WrongCredentialError(
            "credential: expected an account behind the proxy, such as http://host:port@account"
        )
    if credential[0] in "\"'" or _COOKIES.match(credential):
        raise WrongCredentialError(
            "credential: expected the session's value alone, without quotes or the rest of a cookie"
        )


def _is_behind_proxy(credential: str) -> bool:
    """Whether an account stands behind the proxy: no proxy alone, with or without a password."""
    _, at, token = credential.rpartition("@")
    return bool(at and token) and _HOST.fullmatch(token) is None


def _check_units(name: str, given: Any, services: Collection[str] | None) -> None:
    if not isinstance(given, dict) or not all(
        isinstance(units, int) and not isinstance(units, bool) and 0 <= units <= NUMBER_MAX
        for units in given.values()
    ):
        raise WrongCredentialError(
            f"{name}: expected whole numbers up to {NUMBER_MAX:,} by service type"
        )
    if services is not None and not given.keys() <= set(services):
        raise WrongCredentialError(f"{name}: expected service types ({', '.join(services)})")


def _check_account(fields: dict[str, Any]) -> None:
    """Refuse what is no name of an account or tier, and no hour."""
    for name in ("account", "tier"):
        given = fields.get(name, "")
        if not isinstance(given, str) or not is_name(given):
            raise WrongCredentialError(
                f"{name}: expected up to {NAME_MAX} printable characters, no blanks around them"
            )
    hour = fields.get("quota_reset_hour")
    if hour is not None and (type(hour) is not int or not 0 <= hour <= _HOUR_MAX):
        raise WrongCredentialError(f"quota_reset_hour: expected a whole hour, 0 to {_HOUR_MAX}")


def is_name(text: str) -> bool:
    """Whether an account or a tier may be called so; empty for none."""
    return len(text) <= NAME_MAX and text.isprintable() and text == text.strip()


def _check_label(label: Any) -> None:
    if not isinstance(label, str) or label_objection(label):
        raise WrongCredentialError(f"label: expected at most {NAME_MAX} printable characters")


@cache
def is_zone(name: str) -> bool:
    """Whether there is such a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
