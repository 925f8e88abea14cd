"""The pages about what an operator may turn: settings and variables."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from runtime.environment import VARIABLES
from runtime.quantities import Seconds, Size
from runtime.settings import variable_of
from tidegate.configuration import Configuration
from tidegate.reference.markdown import code, field_docs, sentence, table

_KINDS = {Seconds: "duration", Size: "size", str: "text", int: "number", float: "number"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"), (0.001, "ms"))
_SIZES = ((10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def settings() -> str:
    """Every setting of `tidegate.toml`, by table."""
    text = (
        "# Settings of `tidegate.toml`\n\n"
        "Any of them that is no list or table may be given by its variable instead. Durations are"
        ' written `"500ms"`, `"5s"`, `"10m"`, `"2h"`, `"1d"`; sizes `"64KB"`, `"100MB"`,'
        ' `"20GB"` (powers of 1000).\n'
    )
    for path, section in sections(Configuration, ()):
        text += f"\n## {heading(path)}\n\n{sentence(section)}\n\n"
        columns = ("setting", "type", "default", "variable", "meaning")
        text += table(columns, _rows(path, section))
    return text


def environment() -> str:
    """Every variable of the process."""
    rows = [(code(name), meaning) for name, meaning in VARIABLES.items()]
    return (
        "# Variables\n\n"
        f"{table(('variable', 'meaning'), rows)}\n"
        "Besides these, every setting has a variable of its own: see [settings](settings.md).\n"
    )


def sections(kind: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[Any]:
    """Every table of the file, outermost first: where it stands, and its struct."""
    for field in msgspec.structs.fields(kind):
        inner, name = _struct(field.type), (*path, field.encode_name)
        if inner is None:
            continue
        if get_origin(field.type) is dict:
            name = (*name, "*")
        elif get_origin(field.type) is list:
            name = (*path, f"[{field.encode_name}]")
        yield name, inner
        yield from sections(inner, name)


def heading(path: tuple[str, ...]) -> str:
    """Write a table's name as in the file."""
    name = ".".join("<name>" if part == "*" else part.strip("[]") for part in path)
    return f"`[[{name}]]`" if path[-1].startswith("[") else f"`[{name}]`"


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    """The struct in a field's type: itself, or the values of its table or list."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def _rows(path: tuple[str, ...], section: type[msgspec.Struct]) -> Iterator[tuple[str, ...]]:
    docs = field_docs(section)
    for field in msgspec.structs.fields(section):
        if _struct(field.type) is not None:
            continue
        name = field.encode_name
        one = get_origin(field.type) not in {list, dict} and not path[-1].startswith("[")
        variable = variable_of((*path, name)).replace("*", "<NAME>") if one else ""
        yield (
            code(name),
            _kind(field.type),
            code(_default(field)),
            code(variable),
            docs.get(field.name, ""),
        )


def _kind(kind: Any) -> str:
    if kind in _KINDS:
        return _KINDS[kind]
    if kind is bool:
        return "true or false"
    if get_origin(kind) is list:
        return "list"
    if get_origin(kind) is dict:
        return "table"
    options = [option for option in get_args(kind) if option is not type(None)]
    if options and all(isinstance(option, str) for option in options):
        return " or ".join(code(option) for option in options)
    return _kind(options[0]) if options else "text"


def _default(field: Any) -> str:
    if field.required:
        return "(required)"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if value is None:
        return ""
    if isinstance(value, Seconds):
        unit = next((one for one in _UNITS if value and value % one[0] == 0), (1, "s"))
        return f'"{value / unit[0]:g}{unit[1]}"'
    if isinstance(value, Size):
        unit = next((one for one in _SIZES if value % one[0] == 0), (1, "B"))
        return f'"{value // unit[0]}{unit[1]}"'
    return msgspec.json.encode(value).decode()
