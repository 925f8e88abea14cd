"""A report's Markdown on a terminal: tables that fit, sentences folded, titles in bold.

Only what our reports have: titles, paragraphs, tables whose second line says which columns are
numbers.
"""

import re

from tidegate.console import output
from tidegate.console.tables import TableShape, wrapped

_RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+")
_TITLE = re.compile(r"#+ (.*)")
_NARROW = 20


def print_markdown(text: str) -> None:
    """Print a report: as it is into a file, and laid out in the columns of a terminal."""
    width = output.terminal_width()
    if width is None:
        output.print_document(text)
        return
    lines = text.rstrip("\n").split("\n")
    while lines:
        block = _next_block(lines)
        if _is_table(block):
            _print_table(block)
        else:
            for line in block:
                _print_sentence(line, max(width, _NARROW))


def _next_block(lines: list[str]) -> list[str]:
    """Take the lines of a table, or one line, from the front."""
    count = 1
    if lines[0].startswith("|"):
        count = next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))
    block, lines[:] = lines[:count], lines[count:]
    return block


def _is_table(block: list[str]) -> bool:
    return len(block) > 1 and _RULE.fullmatch(block[1].strip()) is not None


def _print_table(block: list[str]) -> None:
    """Print a table as every other is; numbers are where the rule ends in a colon."""
    head, rule, *rows = map(_cells, block)
    right = [number for number, mark in enumerate(rule) if mark.endswith(":")]
    shape = TableShape(right=right or (-1,), one_line=True)
    output.print_table(head, rows, shape=shape, hint="--format json")


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _print_sentence(line: str, width: int) -> None:
    title = _TITLE.fullmatch(line)
    if title:
        output.print_title(title[1])
    else:
        output.print_text(wrapped(line, width))
