"""Words of the house: who acts shows in the name, a noun is one thing, what is cited is there."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests import ROOT
from tests.house.code import FLOORS, classes, modules, nodes, sql_files

ONE_WORD_MAX = 0.45
BARE = frozenset({"found", "made", "told", "known", "one", "held"})
"""Words that say nothing of what they hold. `one` may run through a single expression."""
BARE_PER_1000_MAX = 1.0
OF_EVERY_SERVICE = frozenset({"Settings", "Metrics"})
SPEAKS_FROM = 15
CITED = re.compile(r"(?<![\w*{}/<.])[\w/-]+\.md\b")
SECTION = re.compile(r"§\s?\d|\btraps? \d")
OF_A_STANDARD = re.compile(r"RFC \d+|Fetch §|§ ?\d+(\.\d+)+")
"""A section of something that is published is cited by its name, or as the map of the room says."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    """Every function of the product but those whose names Python gives."""
    for name in modules(*FLOORS):
        for node in nodes(name):
            if isinstance(node, Function) and not node.name.startswith("__"):
                yield name, node


def test_names_are_mostly_more_than_one_word() -> None:
    names = [node.name.strip("_") for _, node in functions()]
    one_word = [name for name in names if "_" not in name]

    assert len(one_word) / len(names) < ONE_WORD_MAX


def test_no_function_is_called_by_a_word_that_says_nothing() -> None:
    bare = [f"{name}:{node.name}" for name, node in functions() if node.name.strip("_") in BARE]

    assert bare == []


def test_names_that_say_nothing_are_rare_within_functions_too() -> None:
    lines = sum(len(text.splitlines()) for text in modules(*FLOORS).values())
    assigned = sum(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in BARE - {"one"}
        for name in modules(*FLOORS)
        for node in nodes(name)
    )

    assert assigned / lines * 1000 < BARE_PER_1000_MAX


def test_a_class_name_is_one_thing_over_the_whole_product() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for name in modules(*FLOORS):
        for node in classes(name):
            if not node.name.startswith("_") and node.name not in OF_EVERY_SERVICE:
                places[node.name].append(name)

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_long_private_functions_say_what_they_do() -> None:
    silent = [
        f"{name}:{node.name}"
        for name, node in functions()
        if node.name.startswith("_")
        and (node.end_lineno or 0) - node.lineno + 1 >= SPEAKS_FROM
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_pages_that_are_cited_are_there() -> None:
    pages = [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")]
    there = {str(page) for page in pages} | {page.name for page in pages}
    there |= {path.name for path in ROOT.glob("*.md")} | {"benchmarks/README.md"}
    missing = [
        f"{name}: {cited}"
        for name, text in modules(*FLOORS).items()
        for cited in CITED.findall(text)
        if cited not in there
    ]

    assert missing == []


def test_no_section_is_cited_of_a_page_that_is_not_here() -> None:
    missing = [
        f"{name}:{number}: {line.strip()}"
        for name, text in {**modules(*FLOORS, "tests"), **sql_files()}.items()
        for number, line in enumerate(text.splitlines(), 1)
        if SECTION.search(line) and not OF_A_STANDARD.search(line) and "RFC" not in text
    ]

    assert missing == []
