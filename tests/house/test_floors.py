"""Floors without a way back up, rooms of a size, and a test that is found from what it is about."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests import ROOT
from tests.house.code import EVERYTHING, FLOORS, dotted, imports, modules
from tidegate.main import VERBS

ROOM_MODULES_MAX = 12
HEIGHT = {"contracts": 0, "runtime": 1, "services": 2, "demo": 2, "tidegate": 3}
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = CONFIGURATION["tool"]


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Every set of modules that reach each other."""
    reached = {name: _reached(graph, name) for name in graph}
    return [
        circle
        for name in sorted(graph)
        if name in reached[name]
        and min(circle := {one for one in reached[name] if name in reached[one]}) == name
    ]


def _reached(graph: Mapping[str, set[str]], name: str) -> set[str]:
    seen: set[str] = set()
    waiting = [*graph[name]]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += graph[one]
    return seen


def test_circle_is_found_whatever_leads_into_it() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}, "e": set()}

    assert circles(graph) == [{"b", "c", "d"}]


def test_packages_at_the_root_are_the_floors_and_what_tries_them() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("[!.]*/**/*.py")}
    found -= {"docker", "build"}

    assert found == set(EVERYTHING)


def test_everything_that_lists_the_floors_lists_all_of_them() -> None:
    copied = re.findall(
        r"^COPY (\w+) /opt/tidegate/", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    sent = re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert TOOLS["setuptools"]["packages"]["find"]["include"] == [f"{one}*" for one in FLOORS]
    assert TOOLS["mypy"]["files"] == [*FLOORS, "benchmarks"]
    assert TOOLS["coverage"]["run"]["source"] == [*FLOORS]
    assert TOOLS["importlinter"]["root_packages"] == [*FLOORS]
    assert copied == [*FLOORS]
    assert sent == [*FLOORS, "docker"]


def test_nothing_imports_upwards() -> None:
    upwards = [
        f"{name} imports {other}"
        for name, others in imports(*FLOORS).items()
        for other in others
        if HEIGHT[other.partition(".")[0]] > HEIGHT[name.partition(".")[0]]
    ]

    assert upwards == []


@pytest.mark.parametrize("folders", [FLOORS, EVERYTHING], ids=["product", "everything"])
def test_there_is_no_circle_of_imports(folders: tuple[str, ...]) -> None:
    graph = imports(*folders)

    assert len(graph) > 250
    assert circles(graph) == []


def test_no_room_holds_more_than_a_dozen_modules() -> None:
    sizes = Counter(
        path.rpartition("/")[0] for path in modules(*FLOORS) if not path.endswith("__init__.py")
    )

    assert {room: size for room, size in sizes.items() if size > ROOM_MODULES_MAX} == {}


def test_every_verb_is_a_file_in_a_room_and_every_such_file_is_a_verb() -> None:
    verbs = {
        dotted(path).removeprefix("tidegate.")
        for path, text in modules("tidegate").items()
        if text.startswith('"""`tidegate ') and path.count("/") > 1
    }

    assert verbs == {verb.module for verb in VERBS.values()}


def places(kind: str) -> Iterator[tuple[str, str, str]]:
    """Every test module of a kind: its path, the room it is in, what it is about."""
    for path in sorted((ROOT / "tests" / kind).rglob("test_*.py")):
        room = path.parent.relative_to(ROOT / "tests" / kind).as_posix()
        yield str(path.relative_to(ROOT)), room, path.stem.removeprefix("test_")


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_a_test_is_found_from_the_file_it_is_about(kind: str) -> None:
    lost = []
    for path, room, about in places(kind):
        home = ROOT / ("services" if (ROOT / "services" / room).is_dir() else "") / room
        rooms = {one.stem for one in home.rglob("*") if one.suffix == ".py" or one.is_dir()}
        if not any(about == name or about.startswith(f"{name}_") for name in rooms):
            lost.append(path)

    assert lost == []
