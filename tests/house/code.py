"""The code as text and as trees, read once for all rules of the house."""

import ast
from collections.abc import Iterator
from functools import cache

from tests import ROOT

FLOORS = ("contracts", "runtime", "services", "demo", "tidegate")
"""Every package of the product, from the wire upwards; `demo` stands beside `services`."""
EVERYTHING = (*FLOORS, "tests", "benchmarks")
MARKS = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
"""Nodes that are a word about their parent."""


@cache
def modules(*folders: str) -> dict[str, str]:
    """The text of every module, by its path in the repository."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def sql_files() -> dict[str, str]:
    """The text of every statement of analytics, by its path in the repository."""
    paths = sorted((ROOT / "services").rglob("*.sql"))
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


@cache
def nodes(name: str) -> list[ast.AST]:
    """Every node of the tree of the module at this path, level by level, but for marks.

    `ast.walk` takes twice as long.
    """
    every: list[ast.AST] = [tree(name)]
    for node in every:
        for value in vars(node).values():
            parts = value if isinstance(value, list) else (value,)
            every += [
                one for one in parts if isinstance(one, ast.AST) and not isinstance(one, MARKS)
            ]
    return every


@cache
def tree(name: str) -> ast.Module:
    """The tree of the module at this path."""
    return ast.parse((ROOT / name).read_text())


def classes(name: str) -> Iterator[ast.ClassDef]:
    return (node for node in nodes(name) if isinstance(node, ast.ClassDef))


def imported(name: str) -> Iterator[str]:
    """The modules that the module at this path imports, wherever in it."""
    for node in nodes(name):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def dotted(path: str) -> str:
    """A module's name, from its path."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imports(*folders: str) -> dict[str, set[str]]:
    """Which modules each module imports, for types alone, too.

    `from package import module` imports the module, and takes nothing from the package.
    """
    known = {dotted(path): path for path in modules(*folders)}
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        named: set[str] = set()
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= inner
                if inner - known.keys():
                    named.add(node.module or "")
            elif isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
        found[name] = {one for one in named if one in known}
    return found
