"""The pages about what an operator may turn: settings and variables."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from runtime.environment import VARIABLES
from runtime.quantities import Seconds, Size
from runtime.settings import variable_of
from tidegate.configuration import Configuration
from tidegate.reference.markdown import as_code, doc_sentence, field_docs, markdown_table

_KINDS = {Seconds: "duration", Size: "size", str: "text", int: "number", float: "number"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"), (0.001, "ms"))
_SIZES = ((10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def settings_page() -> str:
    """Every setting of `tidegate.toml`, by table."""
    text = (
        "# Settings of `tidegate.toml`\n\n"
        "Any of them that is no list or table may be given by its variable instead. Durations are"
        ' written `"500ms"`, `"5s"`, `"10m"`, `"2h"`, `"1d"`; sizes `"64KB"`, `"100MB"`,'
        ' `"20GB"` (powers of 1000).\n'
    )
    for path, section in table_sections(Configuration, ()):
        text += f"\n## {table_heading(path)}\n\n{doc_sentence(section)}\n\n"
        columns = ("setting", "type", "default", "variable", "meaning")
        text += markdown_table(columns, _setting_rows(path, section))
    for name, meaning in field_docs(Configuration).items():
        # Tables whose names and settings are the operator's own.
        text += f"\n## `[{name}.<name>]`\n\n{meaning}\n"
    return text


def environment_page() -> str:
    """Every variable of the process."""
    rows = [(as_code(name), meaning) for name, meaning in VARIABLES.items()]
    return (
        "# Variables\n\n"
        f"{markdown_table(('variable', 'meaning'), rows)}\n"
        "Besides these, every setting has a variable of its own: see [settings](settings.md).\n"
    )


def table_sections(kind: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[Any]:
    """Every table of the file, outermost first: where it stands, and its struct."""
    for field in msgspec.structs.fields(kind):
        inner, name = _struct_of(field.type), (*path, field.encode_name)
        if inner is None:
            continue
        if get_origin(field.type) is dict:
            name = (*name, "*")
        elif get_origin(field.type) is list:
            name = (*path, f"[{field.encode_name}]")
        yield name, inner
        yield from table_sections(inner, name)


def table_heading(path: tuple[str, ...]) -> str:
    """Write a table's name as in the file."""
    name = ".".join("<name>" if part == "*" else part.strip("[]") for part in path)
    return f"`[[{name}]]`" if path[-1].startswith("[") else f"`[{name}]`"


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct in a field's type: itself, or the values of its table or list."""
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _setting_rows(
    path: tuple[str, ...], section: type[msgspec.Struct]
) -> Iterator[tuple[str, ...]]:
    """Write a row for every plain setting of a table."""
    docs = field_docs(section)
    for field in msgspec.structs.fields(section):
        if _struct_of(field.type) is not None:
            continue
        name = field.encode_name
        has_variable = get_origin(field.type) not in {list, dict} and not path[-1].startswith("[")
        variable = variable_of((*path, name)).replace("*", "<NAME>") if has_variable else ""
        yield (
            as_code(name),
            _kind_of(field.type),
            as_code(_default_text(field)),
            as_code(variable),
            docs.get(field.name, ""),
        )


def _kind_of(kind: Any) -> str:
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
        return " or ".join(as_code(option) for option in options)
    return _kind_of(options[0]) if options else "text"


def _default_text(field: Any) -> str:
    """Write a field's default as the file has it."""
    if field.required:
        return "(required)"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if value is None:
        return ""
    if isinstance(value, Seconds):
        unit = next(
            (candidate for candidate in _UNITS if value and value % candidate[0] == 0), (1, "s")
        )
        return f'"{value / unit[0]:g}{unit[1]}"'
    if isinstance(value, Size):
        unit = next((candidate for candidate in _SIZES if value % candidate[0] == 0), (1, "B"))
        return f'"{value // unit[0]}{unit[1]}"'
    return msgspec.json.encode(value).decode()
