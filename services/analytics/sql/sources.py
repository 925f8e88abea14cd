"""The `.sql` files beside this one, each with its header (CONTRIBUTING.md).

    -- usage_by_day: units per quota day and service type.
    -- $since, $until (date): quota days, the second one excluded.
    -- $limit (integer = 100): rows at most.

The first line names the file and says what it is. A parameter line gives names, the type, the
default if there is one, and the meaning; further comment lines are prose. The files of `reports`
are named queries too, and have one line more, by which each is a section of the reports:

    -- section 20 bars service: By service type

Sections stand in the order of their numbers, with that title. A section is shown as `figures`
(one row), as a `table`, or as `bars` or a `line` over the column that is named, with the table
below; the columns plotted are the numbers beside it, or those named behind it.
"""

import re
from pathlib import Path

import msgspec

_HERE = Path(__file__).parent
_NEEDED = ("schema", "macros", "rollups")
"""Without them no row can be written."""
_KINDS = (*_NEEDED, "views", "queries", "reports")
TYPES = ("text", "integer", "date")
"""What a parameter may be."""
_PARAMETERS = re.compile(
    r"-- (?P<names>\$\w+(?:, \$\w+)*) \((?P<type>\w+)(?: = (?P<default>[^)]*))?\): (?P<meaning>.+)"
)

_SECTION = re.compile(
    r"-- section (?P<place>[0-9]{1,4}) (?P<shape>figures|table|bars|line)(?P<columns>(?: \w+)*):"
    r" (?P<title>.+)"
)
_PLOTS = frozenset({"bars", "line"})


class SourceError(Exception):
    """A `.sql` file whose header is not as it must be."""


class Parameter(msgspec.Struct, frozen=True):
    """One `$name` of a query; without a default it must be given."""

    name: str
    type: str
    default: str | None
    meaning: str


class ReportSection(msgspec.Struct, frozen=True):
    """How a query is shown in a report; `over` is the column on the axis of a plot."""

    place: int
    shape: str
    title: str
    over: str = ""
    plotted: list[str] = []
    prose: str = ""
    """Further comment lines: what a reader must know of the figures."""


class Source(msgspec.Struct, frozen=True):
    """One `.sql` file."""

    name: str
    meaning: str
    parameters: dict[str, Parameter]
    sql: str
    section: ReportSection | None = None


def read_source(path: Path) -> Source:
    """Read a file and its header. Raises `SourceError`."""
    lines = _read_lines(path) or [""]
    name, separator, meaning = lines[0].removeprefix("-- ").partition(": ")
    if not (lines[0].startswith("-- ") and separator and name == path.stem):
        raise SourceError(f"{path.name}: expected the first line `-- {path.stem}: <what it is>`")
    parameters = {}
    for line in lines[1:]:
        match = _PARAMETERS.fullmatch(line)
        if match is None:
            continue
        if match["type"] not in TYPES:
            raise SourceError(
                f"{path.name}: expected the parameters {match['names']} to be"
                f" {', '.join(TYPES[:-1])} or {TYPES[-1]}, got {match['type']}"
            )
        for named in match["names"].split(", "):
            plain = named.removeprefix("$")
            parameters[plain] = Parameter(plain, match["type"], match["default"], match["meaning"])
    body = _statement_text(lines)
    used = set(re.findall(r"\$(\w+)", body))
    if used != set(parameters):
        raise SourceError(
            f"{path.name}: uses the parameters {sorted(used)}, its header has {sorted(parameters)}"
        )
    return Source(name, meaning, parameters, body, _read_section(lines, path.name))


def _read_section(lines: list[str], name: str) -> ReportSection | None:
    """Read the section line, if there is one. Raises `SourceError`."""
    comments = [line for line in lines[1:] if line.startswith("--")]
    headings = [line for line in comments if line.startswith("-- section")]
    if not headings:
        return None
    match = _SECTION.fullmatch(headings[0])
    if match is None or bool(match["columns"]) != (match["shape"] in _PLOTS):
        raise SourceError(
            f"{name}: expected `-- section <number> <figures|table>: <title>`, or"
            f" `… <bars|line> <column> …`, got {headings[0]!r}"
        )
    over, *plotted = match["columns"].split() or [""]
    prose = [
        line.removeprefix("-- ")
        for line in comments
        if line not in headings and not _PARAMETERS.fullmatch(line)
    ]
    return ReportSection(
        int(match["place"]), match["shape"], match["title"], over, plotted, " ".join(prose)
    )


def sources_of(kind: str) -> list[Source]:
    """Read `sql/<kind>` in order of names; `source_faults` names the files that are left out.

    Those of `_NEEDED` never are, if they can be read at all: their statement needs no header.
    """
    sources = []
    for path in _source_paths(kind):
        try:
            sources.append(read_source(path))
        except SourceError:
            if kind in _NEEDED:
                sources.append(Source(path.stem, "", {}, _statement_text(_read_lines(path))))
    return sources


def source_faults() -> dict[str, str]:
    """Say of each file whose header is not as it must be what is wrong, by the file's name."""
    faults = {}
    for path in (path for kind in _KINDS for path in _source_paths(kind)):
        try:
            read_source(path)
        except SourceError as error:
            faults[path.stem] = str(error)
    return faults


def _source_paths(kind: str) -> list[Path]:
    return sorted((_HERE / kind).glob("*.sql"))


def _read_lines(path: Path) -> list[str]:
    """Read a file's lines. Raises `SourceError` when they are no text."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name}: {error}") from None


def _statement_text(lines: list[str]) -> str:
    return "\n".join(line for line in lines if not line.startswith("--")).strip()
