"""The files of this folder, each with its header (house.md §4).

    -- usage_by_day: units per quota day and service type.
    -- $since, $until (date): quota days, the second one excluded.
    -- $limit (integer = 100): rows at most.

The first line names the file and says what it is. A parameter line gives names, the type, the
default if there is one, and the meaning; further comment lines are prose.
"""

import re
from pathlib import Path

import msgspec

_HERE = Path(__file__).parent
_PARAMETERS = re.compile(
    r"-- (?P<names>\$\w+(?:, \$\w+)*) \((?P<type>\w+)(?: = (?P<default>[^)]*))?\): (?P<meaning>.+)"
)


class SourceError(Exception):
    """A `.sql` file whose header is not as it must be."""


class Parameter(msgspec.Struct, frozen=True):
    """One `$name` of a query; without a default it must be given."""

    name: str
    type: str
    default: str | None
    meaning: str


class Source(msgspec.Struct, frozen=True):
    """One `.sql` file."""

    name: str
    meaning: str
    parameters: dict[str, Parameter]
    sql: str


def read(path: Path) -> Source:
    """Read a file and its header. Raises `SourceError`."""
    lines = path.read_text().splitlines()
    name, separator, meaning = lines[0].removeprefix("-- ").partition(": ")
    if not (lines[0].startswith("-- ") and separator and name == path.stem):
        raise SourceError(f"{path.name}: expected the first line `-- {path.stem}: <what it is>`")
    parameters = {}
    for line in lines[1:]:
        match = _PARAMETERS.fullmatch(line)
        if match is None:
            continue
        for named in match["names"].split(", "):
            plain = named.removeprefix("$")
            parameters[plain] = Parameter(plain, match["type"], match["default"], match["meaning"])
    body = "\n".join(line for line in lines if not line.startswith("--")).strip()
    used = set(re.findall(r"\$(\w+)", body))
    if used != set(parameters):
        raise SourceError(
            f"{path.name}: uses the parameters {sorted(used)}, its header has {sorted(parameters)}"
        )
    return Source(name, meaning, parameters, body)


def folder(kind: str) -> list[Source]:
    """Read `sql/<kind>` in order of file names: `schema`, `rollups`, `views` or `queries`."""
    return [read(path) for path in sorted((_HERE / kind).glob("*.sql"))]
