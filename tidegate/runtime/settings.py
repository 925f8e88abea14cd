"""`tidegate.toml` and the variables that override it: read, checked, refused by name.

Each service declares its sections as structs in its `settings.py`; this room only knows how to
fill them. A wrong value raises `SettingsError`, which names the file or variable, the key, and
what was expected.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

_Filled = TypeVar("_Filled", bound=msgspec.Struct)


class SettingsError(Exception):
    """A configuration that is refused before anything starts."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class Seconds(float):
    """A duration, written `"500ms"`, `"5s"`, `"10m"`, `"2h"` or `"1d"`; held in seconds."""


class Size(int):
    """A size, written `"64KB"`, `"100MB"` or `"20GB"` (powers of 1000), or in bytes."""


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class ServiceTypeSection(Section, frozen=True, kw_only=True):
    """One service type: its daily limit, and which requests are of it."""

    daily_limit: int
    """Units per session and quota day."""
    units: str = "request"
    """`request`: a call is one unit; `n`: it is as many as its field `n` says."""
    paths: list[str] = []
    """Substrings of the path: highest priority among matches, then the longest."""
    models: list[str] = []
    """Patterns that decide among types sharing the chat path."""
    priority: int = 0

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.units not in {"request", "n"}:
            raise ValueError('units: expected "request" or "n"')
        if self.daily_limit < 0:
            raise ValueError("daily_limit: expected a number of at least 0")


DEFAULT_SERVICES = {
    "image": ServiceTypeSection(daily_limit=10, paths=["/v1/images/", "/v1/chat/completions"]),
    "video": ServiceTypeSection(
        daily_limit=2,
        paths=["/v1/videos/generations", "/v1/chat/completions"],
        models=["*video*"],
    ),
    "avatar": ServiceTypeSection(daily_limit=1, paths=["/avatar", "/digital-human"], priority=1),
}


def seconds(text: object) -> Seconds:
    """Read a duration. Raises `ValueError`."""
    if isinstance(text, (int, float)) and not isinstance(text, bool) and text >= 0:
        return Seconds(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", str(text))
    if match is None:
        raise ValueError(f'expected a duration such as "500ms", "5s" or "10m", got {text!r}')
    return Seconds(float(match[1]) * _UNITS[match[2]])


def size(text: object) -> Size:
    """Read a size in bytes. Raises `ValueError`."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return Size(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)?", str(text), re.IGNORECASE)
    if match is None:
        raise ValueError(f'expected a size such as "64KB" or "100MB", got {text!r}')
    return Size(float(match[1]) * _SIZES[(match[2] or "B").upper()])


def _custom(kind: type, value: object) -> object:
    if kind is Seconds:
        return seconds(value)
    if kind is Size:
        return size(value)
    raise NotImplementedError(kind)


def read_toml(path: Path | None) -> dict[str, Any]:
    """Read the file; no file is an empty one. Raises `SettingsError`."""
    if path is None:
        return {}
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    return tables


def overridden(
    tables: dict[str, Any], configuration: type[msgspec.Struct], variables: Mapping[str, str]
) -> dict[str, Any]:
    """Lay `TIDEGATE_<SECTION>_<NAME>` variables over the tables of the file.

    Raises `SettingsError` for a variable that names no setting, with the nearest that exists.
    """
    paths = _paths(configuration, tables)
    result: dict[str, Any] = _copied(tables)
    for variable, text in variables.items():
        path = paths.get(variable)
        if path is None:
            near = difflib.get_close_matches(variable, paths, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{variable}: there is no such setting{hint}")
        table = result
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = text
    return result


def configured(tables: dict[str, Any], configuration: type[_Filled], source: str) -> _Filled:
    """Fill the configuration's structs. Raises `SettingsError` naming file, key, expectation."""
    try:
        return msgspec.convert(tables, configuration, strict=False, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {_named(str(error))}") from None


def _named(message: str) -> str:
    """Turn msgspec's `… - at `$.pool.min_size`` into `pool.min_size: …`."""
    what, separator, where = message.rpartition(" - at `$.")
    if not separator:
        return message
    key = re.sub(r"\[\.\.\.\]", ".*", where.rstrip("`"))
    return f"{key}: {what[:1].lower()}{what[1:]}"


def _copied(tables: Any) -> Any:
    if isinstance(tables, dict):
        return {name: _copied(value) for name, value in tables.items()}
    return tables


def _paths(
    configuration: type[msgspec.Struct], tables: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Every variable that names a setting, and where it stands in the file."""
    found: dict[str, tuple[str, ...]] = {}

    def walk(kind: Any, path: tuple[str, ...], table: Any) -> None:
        kind = _plain(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for field in msgspec.structs.fields(kind):
                inner = table.get(field.encode_name) if isinstance(table, dict) else None
                walk(field.type, (*path, field.encode_name), inner)
        elif get_origin(kind) is dict:
            defaults = DEFAULT_SERVICES if path == ("services",) else {}
            for name in {*defaults, *(table or {})}:
                walk(get_args(kind)[1], (*path, name), (table or {}).get(name))
        elif get_origin(kind) is not list:
            found["TIDEGATE_" + "_".join(path).upper().replace("-", "_")] = path

    walk(configuration, (), tables)
    return found


def _plain(kind: Any) -> Any:
    """The type without its `| None`."""
    options = [option for option in get_args(kind) if option is not type(None)]
    return options[0] if type(None) in get_args(kind) and len(options) == 1 else kind
