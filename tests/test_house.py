"""The house rules that no linter knows: sizes, words, headers of SQL, what tests may not do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("contracts", "services", "tidegate")
TESTS = ("tests", "benchmarks")
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70
FORBIDDEN_FILES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)\.py$")
FORBIDDEN_CLASSES = re.compile(r"(Manager|Helper|Utils?|Impl)$|^Base[A-Z]|^I[A-Z][a-z]+[A-Z]")
MACHINE = re.compile(r"/work/|/root/|/home/[a-z]")


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_a_house() -> None:
    assert len(modules(*PRODUCT)) > 50


@pytest.mark.parametrize("path", modules(*PRODUCT), ids=named)
def test_module_is_not_longer_than_the_cap(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES_MAX


@pytest.mark.parametrize("path", modules(*PRODUCT, *TESTS), ids=named)
def test_function_is_not_longer_than_the_cap(path: Path) -> None:
    long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in functions(path)
        if function.end_lineno and function.end_lineno - function.lineno >= FUNCTION_LINES_MAX
    ]

    assert long == []


@pytest.mark.parametrize("path", modules(*PRODUCT), ids=named)
def test_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", modules(*PRODUCT, *TESTS), ids=named)
def test_words_of_the_house_are_kept(path: Path) -> None:
    tree = ast.parse(path.read_text())
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    futures = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]

    assert not FORBIDDEN_FILES.search(path.name)
    assert [name for name in classes if FORBIDDEN_CLASSES.search(name)] == []
    assert futures == [], "annotations are read at run time (trap 24)"


@pytest.mark.parametrize("path", modules(*PRODUCT), ids=named)
def test_exceptions_end_in_error(path: Path) -> None:
    wrong = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(
            isinstance(base, ast.Name) and (base.id.endswith("Error") or base.id == "Exception")
            for base in node.bases
        )
        and not node.name.endswith("Error")
    ]

    assert wrong == []


@pytest.mark.parametrize("path", modules(*TESTS), ids=named)
def test_nothing_is_mocked(path: Path) -> None:
    imported = [
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    ]

    assert [name for name in imported if name.startswith("unittest")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "services").rglob("*.sql")), ids=named)
def test_sql_file_says_what_it_answers(path: Path) -> None:
    first = path.read_text().splitlines()[0]

    assert first.startswith(f"-- {path.stem}: "), first


def test_there_is_sql() -> None:
    assert list((ROOT / "services").rglob("*.sql"))


@pytest.mark.parametrize("service", ["gateway", "pool", "balancer", "analytics"])
def test_every_service_has_the_same_rooms(service: str) -> None:
    rooms = {path.stem for path in (ROOT / "services" / service).iterdir()}

    assert {"app", "settings", "domain", "store", "metrics"} <= rooms
    assert rooms & {"handlers", "routes"}


@pytest.mark.parametrize("path", modules(*PRODUCT, "tests", "benchmarks"), ids=named)
def test_no_machine_is_named(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if MACHINE.search(line)]

    assert path.name == "test_house.py" or found == []
