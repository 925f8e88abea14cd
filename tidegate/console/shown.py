"""A configuration as its file has it: every setting, durations with their unit, no secret."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from runtime.quantities import Seconds, Size
from runtime.settings import Section, hides_secret
from runtime.texts import HIDDEN, address_shown
from tidegate.configuration import Configuration

_SECRET_WORDS = frozenset({"key", "secret", "password", "token", "credential"})
_UNITS = {"d": 86_400, "h": 3600, "m": 60}
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def settings_tables(configuration: Configuration) -> dict[str, Any]:
    """Write every setting as the file has it, durations with their unit, secrets hidden."""
    return settings_tables_of(configuration)


def settings_tables_of(section: Section) -> dict[str, Any]:
    """Write one table of them so."""
    tables: dict[str, Any] = _plain_value("", section)
    return tables


def _plain_value(name: str, value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        values = {field.encode_name: getattr(value, field.name) for field in fields}
        return {key: _plain_value(key, inner) for key, inner in values.items() if inner is not None}
    if isinstance(value, dict):
        return {key: _plain_value(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain_value(name, inner) for inner in value]
    if isinstance(value, Seconds):
        return _duration_text(value)
    if isinstance(value, Size):
        return int(value)
    return _without_secrets(name, value) if isinstance(value, str) else value


def _duration_text(value: Seconds) -> str:
    """Write a duration in the greatest unit that it is a whole number of."""
    for unit, unit_s in _UNITS.items():
        if value and value % unit_s == 0:
            return f"{value / unit_s:.0f}{unit}"
    return f"{value:.6f}".rstrip("0").rstrip(".") + "s"


def tidegate_variables() -> dict[str, str]:
    """The variables that are set."""
    return {
        name: _without_secrets(name.removesuffix("_FILE"), value)
        if not name.endswith("_FILE")
        else value
        for name, value in sorted(os.environ.items())
        if name.startswith("TIDEGATE_") and value
    }


def _without_secrets(name: str, value: str) -> str:
    """Hide what a name calls a secret, and of an address user, password and values of its query.

    The path of one is shown.
    """
    words = name.lower().split("_")
    secret = _SECRET_WORDS & set(words) and words[-1] != "file"
    if secret and value:
        return HIDDEN
    return address_shown(value) if "://" in value else value


def hidden_settings(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Name the settings in which something is hidden, by where they stand in the file."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from hidden_settings(inner, (*path, _toml_key(key)))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            name = inner.get("id", place) if isinstance(inner, dict) else place
            yield from hidden_settings(inner, (*path, str(name)))
    elif hides_secret(value):
        yield ".".join(path)


def toml_lines(tables: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Write tables as TOML lines: plain values first, then tables, then lists of tables.

    A value with something hidden in it is a comment, so that nobody's password becomes `(hidden)`.
    """
    for key, value in tables.items():
        if not _table_like(value):
            hidden = hides_secret(value) or any(hidden_settings(value))
            yield f"{'# ' if hidden else ''}{_toml_key(key)} = {_toml_value(value)}"
    for key, value in tables.items():
        header = ".".join(map(_toml_key, (*path, key)))
        if isinstance(value, dict):
            yield f"\n[{header}]"
            yield from toml_lines(value, (*path, key))
        elif _table_like(value):
            for item in value:
                yield f"\n[[{header}]]"
                yield from toml_lines(item, (*path, key))


def _table_like(value: Any) -> bool:
    listed = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) or listed


def _toml_key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
