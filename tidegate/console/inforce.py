"""Every setting that is in force here, and where it came from."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.environment import VARIABLES, Environment
from runtime.settings import hides_secret, read_toml, settings_of, variable_of
from tidegate.configuration import Configuration, load_configuration
from tidegate.console.shown import settings_tables

_Path = tuple[str, ...]


def settings_in_force(environment: Environment) -> list[dict[str, Any]]:
    """List settings as `GET /api/config` tells them: name, value, from, variable, secret.

    A list counts as one thing: it is from the file, or not. Raises `SettingsError`.
    """
    tables = settings_tables(load_configuration(environment))
    in_file = read_toml(environment.config)
    variables = {
        path: variable
        for path, _ in settings_of(Configuration, tables)
        if (variable := variable_of(path)) not in VARIABLES
    }
    return [
        {
            "name": ".".join(path),
            "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
            "from": _source_of(path, in_file, variables.get(path), environment.overrides),
            "variable": variables.get(path),
            "secret": hides_secret(value),
        }
        for path, value in _flattened(tables)
    ]


def _source_of(
    path: _Path, in_file: Mapping[str, Any], variable: str | None, overrides: Mapping[str, str]
) -> str:
    """Say where a setting came from."""
    if variable in overrides:
        return "environment"
    place: Any = in_file
    for name in path:
        if isinstance(place, list):
            return "file"
        if not isinstance(place, dict) or name not in place:
            return "default"
        place = place[name]
    return "file"


def _flattened(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """Yield every plain value by its path; the members of a list of tables by their ids."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(inner, (*path, str(name)))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, inner in enumerate(value):
            yield from _flattened(inner, (*path, str(inner.get("id", place))))
    else:
        yield path, value
