"""Files of sessions: credentials a line, JSON lines or CSV; in with credentials, out without.

A file is read whole before anything is sent: every bad line is named by its number and what was
expected, never by what it holds, because that may be a credential.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from runtime.texts import csv_writer, spreadsheet_cell
from tidegate.console.errors import CommandError

SESSIONS_MAX = 10_000
"""As many as the API takes at once; a file is added as one."""
REGIONS = ("us", "hk", "jp", "sg")
EXPORTED = (
    "session_id",
    "status",
    "region",
    "origin",
    "created_at",
    "last_used_at",
    "quota_day",
    "open_leases",
    "reason",
)
_BY_SERVICE = {"limits": "limit", "used": "used", "reserved": "reserved", "remaining": "remaining"}
_CREDENTIAL = re.compile(r"[\x21-\x7e]{1,4096}")
_LIMIT = "limit_"
_FIELDS = ("credential", "region", "timezone", "limits")
_SHOWN_MAX = 20
Session = dict[str, Any]


class Line(msgspec.Struct, frozen=True):
    """One session of a file, and where it stands."""

    number: int
    session: Session


def lines_of(file: str) -> list[str]:
    """Read a file, or standard input for `-`. Raises `CommandError`."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CommandError(f"{file}: expected a file of credentials ({reason})") from None
    return text.splitlines()


def credentials(file: str, defaults: dict[str, str]) -> list[Session]:
    """Read the provisioner's kind of file into what the API takes.

    Raises `CommandError` when a line is wrong, or none is there.
    """
    found = list(_credentials(lines_of(file), file, defaults))
    if not found:
        raise CommandError(f"{file}: expected at least one credential")
    return found


def _credentials(lines: list[str], file: str, defaults: dict[str, str]) -> Iterator[Session]:
    """Read each line into what the API takes; a wrong one is named by number, never repeated."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        given: Session = {name: value for name, value in defaults.items() if value}
        if not text.startswith("{"):
            region, dash, rest = text.partition("-")
            named = bool(dash) and region in REGIONS
            given |= {"credential": rest, "region": region} if named else {"credential": text}
            yield given
            continue
        try:
            given |= json.loads(text)
        except ValueError:
            raise CommandError(
                f"{file}, line {number}: expected a credential, or a JSON object"
            ) from None
        if "quota_timezone" in given:
            # The name that the provisioner's file has for it.
            given["timezone"] = given.pop("quota_timezone")
        yield given


def is_csv(file: str) -> bool:
    """Tell a file's kind by its name."""
    return Path(file).suffix.lower() == ".csv"


def sessions(text: str, file: str, *, as_csv: bool) -> list[Line]:
    """Read every line. Raises `CommandError` naming all that are wrong, or that none is there."""
    text = text.removeprefix("\ufeff")
    complaints: list[str] = []
    lines: list[Line] = []
    seen: dict[tuple[str, str], int] = {}
    for number, found in (_csv if as_csv else _json_lines)(text, file):
        wrong = found if isinstance(found, str) else _complaint(found)
        if not wrong and isinstance(found, dict):
            name = found["credential"], found.get("region", "")
            if name in seen:
                wrong = f"it is the session of line {seen[name]} again"
            seen.setdefault(name, number)
            lines.append(Line(number, found))
        if wrong:
            complaints.append(f"line {number}: {wrong}")
    if complaints:
        more = len(complaints) - _SHOWN_MAX
        shown = "\n  ".join(complaints[:_SHOWN_MAX]) + (f"\n  and {more} more" if more > 0 else "")
        raise CommandError(f"{file}: nothing was imported\n  {shown}")
    if not 1 <= len(lines) <= SESSIONS_MAX:
        raise CommandError(f"{file}: expected 1 to {SESSIONS_MAX} sessions, got {len(lines)}")
    return lines


def _json_lines(text: str, _: str) -> Iterator[tuple[int, Session | str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found = json.loads(line)
        except ValueError:
            yield number, "expected a JSON object"
            continue
        if not isinstance(found, dict):
            yield number, "expected a JSON object"
            continue
        if "quota_timezone" in found:
            # The name that the provisioner's file has for it.
            found["timezone"] = found.pop("quota_timezone")
        yield number, found


def _csv(text: str, file: str) -> Iterator[tuple[int, Session | str]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    columns = [name.strip() for name in next(reader, [])]
    known = [name in _FIELDS[:-1] or name.startswith(_LIMIT) for name in columns]
    if "credential" not in columns or not all(known) or len(set(columns)) < len(columns):
        raise CommandError(
            f"{file}, line 1: expected the columns credential, and of region, timezone and"
            " limit_<service type> those that are wanted"
        )
    try:
        for row in reader:
            if not any(row):
                continue
            if len(row) != len(columns):
                yield reader.line_num, f"expected {len(columns)} columns, got {len(row)}"
            else:
                yield (
                    reader.line_num,
                    _from_row(dict(zip(columns, map(str.strip, row), strict=True))),
                )
    except csv.Error as error:
        yield reader.line_num, f"expected CSV ({error})"


def _from_row(row: dict[str, str]) -> Session | str:
    limits: dict[str, int] = {}
    for column, value in row.items():
        if not column.startswith(_LIMIT) or not value:
            continue
        if not (value.isascii() and value.isdecimal()):
            return f"{column}: expected a whole number"
        limits[column.removeprefix(_LIMIT)] = int(value)
    plain = {name: value for name, value in row.items() if name in _FIELDS and value}
    return {**plain, **({"limits": limits} if limits else {})}


def _complaint(session: Session) -> str:
    """Say what is wrong with a session as the API would, without asking it."""
    unknown = sorted(session.keys() - set(_FIELDS))
    if unknown:
        return f"expected only {', '.join(_FIELDS)}, got {unknown[0]!r}"
    checks: Sequence[tuple[str, Callable[[Any], bool], str]] = (
        ("credential", _is_credential, "1 to 4096 visible ASCII characters, no blanks"),
        ("region", lambda value: value in ("", *REGIONS), f"one of {', '.join(REGIONS)}, or none"),
        ("timezone", _is_zone, 'one such as "Asia/Shanghai"'),
        ("limits", _are_limits, "whole numbers by service type"),
    )
    for name, good, expected in checks:
        value = session.get(name, {} if name == "limits" else "")
        if not good(value):
            return f"{name}: expected {expected}"
    return ""


def _is_credential(value: Any) -> bool:
    return isinstance(value, str) and _CREDENTIAL.fullmatch(value) is not None


def _is_zone(value: Any) -> bool:
    try:
        return value == "" or bool(ZoneInfo(value))
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        return False


def _are_limits(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(units, int) and not isinstance(units, bool) and units >= 0
        for units in value.values()
    )


def refused(message: str, lines: Sequence[Line]) -> str:
    """Name the line where the API names a place in what it was sent."""
    place, dot, rest = message.partition("].")
    number = place.removeprefix("[")
    if dot and number.isdecimal() and int(number) < len(lines):
        return f"line {lines[int(number)].number}: {rest}"
    return message


def written(views: Sequence[Session], *, as_csv: bool) -> str:
    """Write sessions as a file: none of them has a credential to be written."""
    if not as_csv:
        names = (*EXPORTED, *_BY_SERVICE)
        kept = ({name: view.get(name) for name in names} for view in views)
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in kept)
    services = sorted({service for view in views for service in view.get("limits", {})})
    columns = [f"{column}_{service}" for column in _BY_SERVICE.values() for service in services]
    out = io.StringIO()
    rows = csv_writer(out)
    rows.writerow(map(_cell, [*EXPORTED, *columns]))
    for view in views:
        units = [view.get(name, {}).get(one, 0) for name in _BY_SERVICE for one in services]
        rows.writerow(map(_cell, [*(view.get(name) for name in EXPORTED), *units]))
    return out.getvalue()


def _cell(value: Any) -> Any:
    return spreadsheet_cell(value) if isinstance(value, str) else value
