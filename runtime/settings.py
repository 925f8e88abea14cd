"""`tidegate.toml` and the variables that override it: read, checked, refused by name.

Each service declares its sections as structs in its `settings.py`; this room only knows how to
fill them. A wrong value raises `SettingsError`, which names the file or variable, the key, and
what was expected.
"""

import copy
import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from contracts.base import NUMBER_MAX
from runtime.quantities import Seconds, Size, parse_seconds, parse_size
from runtime.texts import HIDDEN, as_quoted, decoding_words

_Filled = TypeVar("_Filled", bound=msgspec.Struct)
SettingPath = tuple[str, ...]
"""Where a setting stands in the file: the tables, then its name."""
_NO_SETTING = "there is no such setting"
_HIDDEN_IN = re.compile(rf"(?<![^=?&#]){re.escape(HIDDEN)}(?![^&])|://{re.escape(HIDDEN)}@")
EXPECTED_SECRET = (
    f"expected the secret itself, got {HIDDEN}, which `tidegate config show` puts there"
)


class SettingsError(Exception):
    """A configuration that is refused before anything starts."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class ServiceTypeSection(Section, frozen=True, kw_only=True):
    """One service type: its daily limit, and which requests are of it."""

    daily_limit: int
    """Units per session and quota day."""
    units: str = "request"
    """`request`: a call is one unit; `n`: it is as many as its field `n` says, 1 to 10,000."""
    paths: list[str] = []
    """Substrings of the path: highest priority among matches, then the longest."""
    models: list[str] = []
    """Patterns that decide among types sharing the chat path."""
    priority: int = 0
    first_byte_timeout: Seconds | None = None
    """How long a server may be silent before its answer begins, and within an event stream; less
    than `exchange_max`. By default `[gateway] first_byte_timeout`; where that is not set either,
    30 minutes for `image`, 90 for `video`, 10 for others."""
    strategy: str = ""
    """Who chooses among the servers for it; by default the strategy of `[balancer]`."""

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


def service_type_objection(names: Iterable[str], known: Collection[str]) -> str | None:
    """Say which of some names is no service type, and what is one; None when all are."""
    unknown = next((name for name in names if name not in known), None)
    if unknown is None:
        return None
    return f"expected service types ({', '.join(sorted(known))}), got {as_quoted(unknown)}"


def _decode_custom(kind: type, value: object) -> object:
    if kind is Seconds:
        return parse_seconds(value)
    if kind is Size:
        return parse_size(value)
    raise NotImplementedError(kind)


def read_toml(path: Path | None) -> dict[str, Any]:
    """Read the file; no file is an empty one. Raises `SettingsError`."""
    if path is None:
        return {}
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: expected a file to read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {decoding_words(error)}") from None
    return tables


def with_default_services(tables: dict[str, Any]) -> dict[str, Any]:
    """Lay the file's `[services]` over the three built-in service types, key by key.

    A type that the file adds stands beside them.
    """
    given = tables.get("services", {})
    if not isinstance(given, dict):
        return tables
    services: dict[str, Any] = msgspec.to_builtins(DEFAULT_SERVICES)
    for name, section in given.items():
        default = services.get(name)
        services[name] = (
            {**default, **section} if default and isinstance(section, dict) else section
        )
    return {**tables, "services": services}


def with_overrides(
    tables: dict[str, Any],
    configuration: type[msgspec.Struct],
    variables: Mapping[str, str],
    also: Collection[str] = (),
) -> dict[str, Any]:
    """Lay `TIDEGATE_<SECTION>_<NAME>` variables over the tables of the file.

    `also` are further names of variables, for the hint. Raises `SettingsError` for a variable
    that names no setting, with the nearest that exists, and for one of another type.
    """
    leaves = {variable_of(path): (path, kind) for path, kind in settings_of(configuration, tables)}
    # The tables are the caller's, and are read again for another set of variables.
    result: dict[str, Any] = copy.deepcopy(tables)
    for variable, text in variables.items():
        if variable not in leaves:
            hint = _spelling_hint(variable, {*leaves, *also})
            raise SettingsError(f"{variable}: {_NO_SETTING}{hint}")
        path, kind = leaves[variable]
        try:
            value = msgspec.convert(text, kind, strict=False, dec_hook=_decode_custom)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{variable}: {_error_text(error, kind, text)}") from None
        table = result
        for name in path[:-1]:
            table = table.setdefault(name, {}) if isinstance(table, dict) else None
        if isinstance(table, dict):  # else the file is refused for it
            table[path[-1]] = value
    return result


def read_configuration(
    tables: dict[str, Any],
    configuration: type[_Filled],
    source: str,
    variables: Collection[str] = (),
) -> _Filled:
    """Fill the configuration's structs.

    Raises `SettingsError` naming the key and what was expected, and `source`, or instead of it
    that one of the `variables` that set the key.
    """
    if path := _path_where(tables, hides_secret):
        message = EXPECTED_SECRET
    else:
        path, message = (
            _path_where(tables, _too_great),
            f"expected a number of at most {NUMBER_MAX:,}",
        )
        try:
            settings = msgspec.convert(tables, configuration, dec_hook=_decode_custom)
            if not path:
                return settings
        except msgspec.ValidationError as error:
            # msgspec says where it stopped, which may be a whole table: find the value in it.
            path, message = _first_fault(tables, configuration, ()) or ((), str(error))
            named = re.match(r"([a-z_]+): ", message)
            if named:
                path, message = (*path, named[1]), message[named.end() :]
            message += _place_hint(path[-1:], configuration) if message == _NO_SETTING else ""
    variable = variable_of(path)
    where = variable if variable in variables else f"{source}: {'.'.join(path)}".rstrip(": ")
    raise SettingsError(f"{where}: {message}")


def hides_secret(value: Any) -> bool:
    """Tell whether a secret in it is hidden: what is shown is not what is meant."""
    return isinstance(value, str) and _HIDDEN_IN.search(value) is not None


def _too_great(value: Any) -> bool:
    """Tell a number that no setting may have."""
    return isinstance(value, int) and abs(value) > NUMBER_MAX


def _path_where(value: Any, wanted: Callable[[Any], bool], path: SettingPath = ()) -> SettingPath:
    """Find where, in tables and lists, the first value stands that is so."""
    if isinstance(value, (dict, list)):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        paths = (_path_where(member, wanted, (*path, str(name))) for name, member in inside)
        return next(filter(None, paths), ())
    return path if wanted(value) else ()


def _first_fault(value: Any, kind: Any, path: SettingPath) -> tuple[SettingPath, str] | None:
    """Find the innermost value that is wrong, and what is wrong with it."""
    try:
        msgspec.convert(value, kind, dec_hook=_decode_custom)
    except msgspec.ValidationError as error:
        for name, inner, inner_kind in _members_of(value, _without_none(kind)):
            if inner_kind is None:
                hint = _spelling_hint(name, [field.encode_name for field in _fields_of(kind)])
                return (*path, name), f"{_NO_SETTING}{hint}"
            fault = _first_fault(inner, inner_kind, (*path, name))
            if fault:
                return fault
        return path, _error_text(error, kind, value)
    return None


def _members_of(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """The name, value and type of everything in a table or list; no type: no such setting."""
    if isinstance(value, dict) and _is_struct(kind):
        kinds = {field.encode_name: field.type for field in _fields_of(kind)}
        for name, inner in value.items():
            yield name, inner, kinds.get(name)
    elif isinstance(value, dict) and get_origin(kind) is dict:
        for name, inner in value.items():
            yield str(name), inner, get_args(kind)[1]
    elif isinstance(value, list) and get_origin(kind) is list:
        for index, inner in enumerate(value):
            # By the name that its owner gave it: its place in the file says little.
            name = inner.get("id", index) if isinstance(inner, dict) else index
            yield str(name), inner, get_args(kind)[0]


def _error_text(error: msgspec.ValidationError, kind: Any, value: Any) -> str:
    """Say what was expected of `value`, and what it is, in our words."""
    got = "" if isinstance(value, (dict, list)) else f", got {value!r}"
    if get_origin(_without_none(kind)) is Literal:
        options = ", ".join(f'"{option}"' for option in get_args(_without_none(kind)))
        return f"expected {options}{got}"
    what = str(error).partition(" - at `$")[0]
    what = what[:1].lower() + what[1:]
    return what if got in what else what.partition(", got `")[0] + got


def _spelling_hint(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(names), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _place_hint(name: SettingPath, configuration: type[msgspec.Struct]) -> str:
    """Say in which table a setting of this name stands: what a file ends with is its last's."""
    places = [path[:-1] for path, _ in settings_of(configuration, {}) if path[-1:] == name]
    return f"; it stands in [{'.'.join(places[0])}]" if len(places) == 1 and places[0] else ""


def variable_of(path: SettingPath) -> str:
    """The variable that overrides the setting at `path`."""
    return "TIDEGATE_" + "_".join(path).upper().replace("-", "_")


def settings_of(
    configuration: type[msgspec.Struct], tables: Mapping[str, Any]
) -> Iterator[tuple[SettingPath, Any]]:
    """Every setting that one variable can hold: where it stands in the file, and its type."""

    def walk(kind: Any, path: SettingPath, table: Any) -> Iterator[tuple[SettingPath, Any]]:
        inside = table if isinstance(table, dict) else {}
        if _is_struct(_without_none(kind)):
            for field in _fields_of(kind):
                name = field.encode_name
                yield from walk(field.type, (*path, name), inside.get(name))
        elif get_origin(_without_none(kind)) is dict:
            for name in inside:
                yield from walk(get_args(_without_none(kind))[1], (*path, name), inside[name])
        elif get_origin(_without_none(kind)) is not list:
            yield path, kind

    return walk(configuration, (), tables)


def _fields_of(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(_without_none(kind))


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _without_none(kind: Any) -> Any:
    """The type without its `| None`."""
    options = [option for option in get_args(kind) if option is not type(None)]
    return options[0] if type(None) in get_args(kind) and len(options) == 1 else kind
