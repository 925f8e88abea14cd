"""Tables of Markdown, and the sentences that stand in the code's docstrings."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; pipes in cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return (
        "\n".join("| " + " | ".join(_table_cell(cells) for cells in row) + " |" for row in lines)
        + "\n"
    )


def as_code(text: object) -> str:
    """Write as code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def doc_sentence(documented: object) -> str:
    """The docstring of a class or function on one line."""
    return " ".join((inspect.getdoc(documented) or "").split())


def field_docs(owner: type) -> dict[str, str]:
    """What the docstrings below a class's fields say, by field."""
    docs: dict[str, str] = {}
    for kind in reversed(owner.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        except (OSError, TypeError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, after in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                docs[field.target.id] = " ".join(str(after.value.value).split())
    return docs


def _table_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
