"""The house rules that no linter knows: sizes, words, headers of SQL, what tests may not do."""

import ast
import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.house.code import EVERYTHING, FLOORS, classes, imported, modules, nodes, tree

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70
FORBIDDEN_FILES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)\.py$")
FORBIDDEN_CLASSES = re.compile(r"(Manager|Helper|Utils?|Impl)$|^Base[A-Z]")
NO_PLACE = re.compile(r"__|test_|conftest$")
MACHINE = re.compile(r"/work/|/root/|/home/[a-z]")


def test_there_is_a_house() -> None:
    assert len(modules(*FLOORS)) > 50


def test_modules_are_not_longer_than_the_cap() -> None:
    lengths = {name: len(text.splitlines()) for name, text in modules(*FLOORS).items()}

    assert {name: count for name, count in lengths.items() if count > MODULE_LINES_MAX} == {}


def test_functions_are_not_longer_than_the_cap() -> None:
    lengths = {
        f"{name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name in modules(*EVERYTHING)
        for node in nodes(name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: count for name, count in lengths.items() if count > FUNCTION_LINES_MAX} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [name for name in modules(*FLOORS) if not ast.get_docstring(tree(name))]

    assert silent == []


def beside(package: Path) -> set[str]:
    """The modules and packages in a package; not tests, and not what `python -m` runs."""
    files = {one.stem for one in package.glob("*.py") if not NO_PLACE.match(one.stem)}
    return files | {one.parent.name for one in package.glob("*/__init__.py")}


def test_a_package_is_a_map_of_what_lies_in_it() -> None:
    unnamed = []
    for name in modules(*EVERYTHING):
        inside = beside((ROOT / name).parent) if name.endswith("/__init__.py") else set()
        told = set(re.findall(r"\w+", ast.get_docstring(tree(name)) or ""))
        if len(inside) > 1:
            unnamed += [f"{name}: {one}" for one in sorted(inside - told)]

    assert unnamed == []


def test_no_file_is_named_after_nothing() -> None:
    assert [name for name in modules(*EVERYTHING) if FORBIDDEN_FILES.search(name)] == []


def test_no_class_is_named_after_nothing() -> None:
    found = [
        f"{name}:{node.name}"
        for name in modules(*EVERYTHING)
        for node in classes(name)
        if FORBIDDEN_CLASSES.search(node.name)
    ]

    assert found == []


def test_annotations_are_there_at_run_time() -> None:
    assert [name for name in modules(*EVERYTHING) if "__future__" in imported(name)] == []


def test_nothing_is_mocked() -> None:
    found = [
        name
        for name in modules("tests", "benchmarks")
        if any(module.startswith("unittest") for module in imported(name))
    ]

    assert found == []


SIMULATED = (
    "runtime/clock.py",
    "runtime/leader",
    "runtime/eventlog/writer.py",
    "runtime/nats/connection.py",
    "services/pool/",
    "services/gateway/relay/",
)
"""What the simulation runs: the beginnings of paths."""


def test_what_is_simulated_finds_time_and_chance_by_their_modules() -> None:
    """Of the wall clock `system_clock` is the one reader; a name taken from a module is its own."""
    taken = []
    for name in modules("runtime", "services"):
        for node in nodes(name) if name.startswith(SIMULATED) else []:
            of_module = isinstance(node, ast.ImportFrom) and node.module in {
                "os",
                "random",
                "secrets",
                "time",
                "uuid",
            }
            of_wall = isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "datetime.now",
                "datetime.utcnow",
            }
            if of_module or of_wall:
                taken.append(f"{name}:{node.lineno}: {ast.unparse(node)}")

    assert taken == []


def test_verbs_print_by_the_console_alone() -> None:
    own = {"tidegate/console/output.py", "tidegate/main.py"}
    at_start = {"tidegate/stack/migrate.py"}  # words of ours alone
    found = {
        name
        for name in modules("tidegate")
        for node in nodes(name)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }

    assert found - own - at_start == set()


def test_exceptions_end_in_error() -> None:
    found = [
        f"{name}:{node.name}"
        for name in modules(*FLOORS)
        for node in classes(name)
        if not node.name.endswith("Error")
        and any(
            isinstance(base, ast.Name) and (base.id == "Exception" or base.id.endswith("Error"))
            for base in node.bases
        )
    ]

    assert found == []


def test_no_machine_is_named() -> None:
    found = [
        name
        for name, text in modules(*EVERYTHING).items()
        if MACHINE.search(text) and name != "tests/house/test_house.py"
    ]

    assert found == []


def test_every_sql_file_says_what_it_answers() -> None:
    files = sorted((ROOT / "services").rglob("*.sql"))
    silent = [
        str(path.relative_to(ROOT))
        for path in files
        if not path.read_text().startswith(f"-- {path.stem}: ")
    ]

    assert files
    assert silent == []


@pytest.mark.parametrize("service", ["gateway", "pool", "balancer", "analytics"])
def test_every_service_has_the_same_rooms(service: str) -> None:
    rooms = {path.stem for path in (ROOT / "services" / service).iterdir()}

    assert {"app", "settings", "domain", "store", "metrics"} <= rooms
    assert rooms & {"handlers", "routes"}


def test_nothing_of_ours_asks_through_a_proxy_of_the_environment() -> None:
    asking = {"Client", "AsyncClient"}
    plain = {"get", "post", "put", "patch", "delete", "request", "stream"}
    through = []
    for name in modules(*FLOORS):
        for node in nodes(name):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of = ast.unparse(node.func.value)
            straight = any(
                one.arg == "trust_env" and ast.unparse(one.value) == "False"
                for one in node.keywords
            )
            if of == "httpx" and node.func.attr in asking | plain and not straight:
                through.append(f"{name}:{node.lineno}")
            if of == "urllib.request" and name != "tidegate/console/direct.py":
                through.append(f"{name}:{node.lineno}")

    assert through == []
