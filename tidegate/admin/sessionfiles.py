"""Files of sessions: credentials a line, JSON lines or CSV; in with credentials, out without.

Every bad line is named by its number and what was expected, never by what it holds, because that
may be a credential; it costs none of the others.
"""

import csv
import io
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from runtime.credentials import (
    Credential,
    WrongCredential,
    WrongCredentialError,
    credential_of,
    credentials_in,
)
from runtime.environment import read_environment
from runtime.settings import SettingsError
from runtime.texts import csv_writer, spreadsheet_cell
from tidegate.configuration import load_configuration
from tidegate.console import api
from tidegate.console.errors import CommandError

SESSIONS_MAX = 10_000
"""As many as the API takes at once; a file is added as one."""
EXPORTED = (
    "session_id",
    "label",
    "status",
    "region",
    "account",
    "tier",
    "origin",
    "created_at",
    "last_used_at",
    "quota_day",
    "open_leases",
    "reason",
)
_BY_SERVICE = {"limits": "limit", "used": "used", "reserved": "reserved", "remaining": "remaining"}
_UNITS = {"limit_": "limits", "used_": "used"}
"""Columns of units, by what stands before the service type, and the fields that they make."""
_HOUR = "quota_reset_hour"
_FIELDS = ("credential", "region", "timezone", "label", "account", "tier")
_SHOWN_MAX = 20
SessionFields = dict[str, Any]
Line = tuple[int, Credential | WrongCredential]
"""A line's number, and the session that it holds, or what is wrong with it."""


def data_of(file: str) -> bytes:
    """Read a file, or standard input for `-`. Raises `SettingsError`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        reason = f"expected a file of credentials ({error.strerror})"
        raise SettingsError(f"{file}: {reason}") from None


def is_csv(file: str) -> bool:
    """Tell a file's kind by its name."""
    return Path(file).suffix.lower() == ".csv"


def session_lines(
    data: bytes,
    file: str,
    *,
    as_csv: bool = False,
    defaults: dict[str, str] | None = None,
    services: Collection[str] | None = None,
) -> list[Line]:
    """Read every line: its number, and the session or what is wrong with it.

    `services` are the types that limits may name; None: any, for whoever adds them knows.
    Raises `CommandError` when no line is there, or too many, or a CSV has other columns.
    """
    read = (
        _csv_lines(data, file, services, defaults)
        if as_csv
        else credentials_in(data, services, defaults)
    )
    numbered = list(read)
    lines: list[Line] = []
    seen: dict[tuple[str, str], int] = {}
    for number, session in numbered:
        if isinstance(session, Credential):
            first = seen.setdefault((session.credential, session.region), number)
            again = WrongCredential(f"it is the session of line {first} again")
            lines.append((number, session if first == number else again))
        else:
            lines.append((number, session))
    if not 1 <= len(lines) <= SESSIONS_MAX:
        raise CommandError(f"{file}: expected 1 to {SESSIONS_MAX} sessions, got {len(lines)}")
    return lines


def _csv_lines(
    data: bytes, file: str, services: Collection[str] | None, defaults: dict[str, str] | None
) -> Iterator[Line]:
    """Read a CSV: its lines, each with its session or what is wrong with it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{file}: expected UTF-8") from None
    for number, row in _csv_rows(text, file):
        if isinstance(row, WrongCredential):
            yield number, row
            continue
        try:
            yield number, credential_of(row, services, defaults)
        except WrongCredentialError as error:
            yield number, WrongCredential(str(error))


def _csv_rows(text: str, file: str) -> Iterator[tuple[int, SessionFields | WrongCredential]]:
    """Read the rows of a CSV by their line. Raises `CommandError` for other columns."""
    reader = csv.reader(io.StringIO(text), strict=True)
    columns = [name.strip() for name in next(reader, [])]
    are_known = [name in (*_FIELDS, _HOUR) or name.startswith(tuple(_UNITS)) for name in columns]
    if "credential" not in columns or not all(are_known) or len(set(columns)) < len(columns):
        raise CommandError(
            f"{file}, line 1: expected the columns credential, and of region, timezone, {_HOUR},"
            " label, account, tier, limit_<service type> and used_<service type> those that are"
            " wanted"
        )
    try:
        for row in reader:
            if not any(row):
                continue
            if len(row) != len(columns):
                fault = f"expected {len(columns)} columns, got {len(row)}"
                yield reader.line_num, WrongCredential(fault)
            else:
                yield (
                    reader.line_num,
                    _from_row(dict(zip(columns, map(str.strip, row), strict=True))),
                )
    except csv.Error as error:
        yield reader.line_num, WrongCredential(f"expected CSV ({error})")


def _from_row(row: dict[str, str]) -> SessionFields | WrongCredential:
    """Read what a row says; an empty cell says nothing."""
    said: SessionFields = {name: value for name, value in row.items() if name in _FIELDS and value}
    for column, value in row.items():
        if column in _FIELDS or not value:
            continue
        if not (value.isascii() and value.isdecimal()):
            return WrongCredential(f"{column}: expected a whole number")
        if column == _HOUR:
            said[_HOUR] = int(value)
            continue
        before = next(prefix for prefix in _UNITS if column.startswith(prefix))
        units = said.setdefault(_UNITS[before], {})
        units[column.removeprefix(before)] = int(value)
    return said


def as_session(credential: Credential) -> SessionFields:
    """Say a session so that the API reads it as it was read here, of earlier versions too."""
    given: SessionFields = msgspec.to_builtins(credential)
    with suppress(WrongCredentialError):
        if credential_of(given) == credential:
            return given
    # What is left of it begins with a region once more.
    return {**given, "credential": credential.as_text, "region": ""}


def service_types() -> tuple[list[str], str]:
    """Name the service types that an import knows, and what to say where nobody could be asked."""
    try:
        return [*api.get("/api/sessions", limit=1)["remaining"]], ""
    except (CommandError, SettingsError) as error:
        here = list(load_configuration(read_environment()).services)
        return here, f"limits were held against the configuration found here: {error}"


def wrong_lines_text(wrong: Sequence[tuple[int, str]]) -> str:
    """Name the lines that are of no use, up to a number."""
    more = len(wrong) - _SHOWN_MAX
    shown = [f"line {number}: {reason}" for number, reason in wrong[:_SHOWN_MAX]]
    return "\n  ".join(shown) + (f"\n  and {more} more" if more > 0 else "")


def sessions_text(views: Sequence[SessionFields], *, as_csv: bool) -> str:
    """Write sessions as a file: none of them has a credential to be written."""
    if not as_csv:
        names = (*EXPORTED, *_BY_SERVICE)
        kept = ({name: view.get(name) for name in names} for view in views)
        return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in kept)
    services = sorted({service for view in views for service in view.get("limits", {})})
    columns = [f"{column}_{service}" for column in _BY_SERVICE.values() for service in services]
    out = io.StringIO()
    rows = csv_writer(out)
    rows.writerow(map(_csv_cell, [*EXPORTED, *columns]))
    for view in views:
        units = [view.get(name, {}).get(item, 0) for name in _BY_SERVICE for item in services]
        rows.writerow(map(_csv_cell, [*(view.get(name) for name in EXPORTED), *units]))
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    return spreadsheet_cell(value) if isinstance(value, str) else value
