"""How tests read: given, when and then apart, a word on how, one helper to a name."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile

from tests.house.code import modules, nodes, tree

SPEAKS_FROM = 31
PARTS_FROM = 4
DERIVES = frozenset(
    {"count", "dict", "findall", "join", "len", "list", "loads", "max", "min", "next", "set"}
    | {"sorted", "splitlines", "str", "sum", "tuple", "Counter"}
)
"""What a binding may call that is made for the assertion's sake, and does nothing."""

OF_EVERY_PROGRAM = frozenset({"main"})
"""What `python -m` runs takes what its program does."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_long_tests_say_how_they_show_it() -> None:
    silent = [
        f"{name}:{node.name}"
        for name, node in functions()
        if (node.end_lineno or 0) - node.lineno + 1 >= SPEAKS_FROM
        and not ast.get_docstring(node)
        and not any(comments(line) for line in text_of(name)[node.lineno : node.end_lineno])
    ]

    assert silent == []


def test_a_blank_line_stands_before_what_is_asserted_first() -> None:
    joined = [
        f"{name}:{node.name}"
        for name, node in functions()
        if sum(isinstance(one, ast.stmt) for one in ast.walk(node)) - 1 >= PARTS_FROM
        for block in blocks(node)
        if runs_on(block, text_of(name))
    ]

    assert joined == []


def test_helpers_of_one_name_have_one_signature() -> None:
    signatures: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in modules("tests"):
        for node in tree(name).body:
            if isinstance(node, Function) and helps(node):
                signatures[node.name][name] = signature(node)

    assert {
        name: places for name, places in signatures.items() if len(set(places.values())) > 1
    } == {}


def helps(node: Function) -> bool:
    """Whether a function is called by tests: no test, no fixture, and nothing that Python runs."""
    ours = any("fixture" in ast.unparse(one) for one in node.decorator_list)
    return not (ours or node.name.startswith("test_") or node.name in OF_EVERY_PROGRAM)


def signature(node: Function) -> str:
    kind = "" if isinstance(node, ast.FunctionDef) else "async "
    returns = ast.unparse(node.returns) if node.returns else ""
    return f"{kind}({ast.unparse(node.args)}) -> {returns}"


def functions() -> Iterator[tuple[str, Function]]:
    """Every test there is."""
    for name in modules("tests"):
        for node in nodes(name):
            if isinstance(node, Function) and node.name.startswith("test_"):
                yield name, node


def text_of(name: str) -> list[str]:
    return modules("tests")[name].splitlines()


def comments(line: str) -> bool:
    """Whether a line says something to its reader, and not to a checker."""
    _, mark, said = f" {line.strip()}".partition(" # ")
    return bool(mark) and not said.startswith(("type:", "noqa"))


def blocks(node: Function | ast.With | ast.AsyncWith) -> Iterator[list[ast.stmt]]:
    """The body of a test, and what it does within the parts it has set up."""
    yield node.body
    for one in node.body:
        if isinstance(one, ast.With | ast.AsyncWith) and not raises(one):
            yield from blocks(one)


def runs_on(block: list[ast.stmt], text: list[str]) -> bool:
    """Whether the first assertion of a block stands right below what is not one.

    A row of acts and assertions may, and what was bound for the assertion below a blank line.
    """
    asserts = [asserts_alone(one) and not narrows(block, at) for at, one in enumerate(block)]
    first = next((at for at, one in enumerate(block) if asserts[at] or holds(one)), 0)
    if not first or not asserts[first] or ast.get_docstring(ast.Module(block[:first], [])):
        return False
    act = block[first - 1]
    row = list(takewhile(lambda at: not apart(block[at], text), range(first, len(block))))
    pairs = sum(asserts[at] and not asserts[at - 1] for at in row)
    return pairs == 1 and not (derives(act) and apart(act, text))


def asserts_alone(node: ast.stmt) -> bool:
    """Whether a statement asserts, or goes through what it asserts of, and does nothing else."""
    if isinstance(node, ast.For | ast.If):
        return all(asserts_alone(one) for one in [*node.body, *node.orelse])
    return isinstance(node, ast.Assert) or raises(node)


def raises(node: ast.stmt) -> bool:
    return isinstance(node, ast.With) and ast.unparse(node.items[0]).startswith("pytest.raises")


def holds(node: ast.stmt) -> bool:
    """Whether there is an assertion somewhere in a statement."""
    return any(isinstance(one, ast.Assert) or raises(one) for one in statements(node))


def statements(node: ast.stmt) -> Iterator[ast.stmt]:
    return (one for one in ast.walk(node) if isinstance(one, ast.stmt))


def narrows(block: list[ast.stmt], at: int) -> bool:
    """Whether an assertion but tells the type checker what the next act is given."""
    node = block[at]
    if not isinstance(node, ast.Assert) or at + 1 == len(block) or asserts_alone(block[at + 1]):
        return False
    of_kind = isinstance(node.test, ast.Call) and ast.unparse(node.test.func) == "isinstance"
    some = isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.IsNot)
    return of_kind or some


def derives(node: ast.stmt) -> bool:
    """Whether a binding but takes apart what is there."""
    if not isinstance(node, ast.Assign) or isinstance(node.value, ast.Await):
        return False
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return called is None or ast.unparse(called).rpartition(".")[2] in DERIVES


def apart(node: ast.stmt, text: list[str]) -> bool:
    """Whether a blank line stands above a statement and its comments."""
    above = node.lineno - 2
    while text[above].strip().startswith("#"):
        above -= 1
    return not text[above].strip()
