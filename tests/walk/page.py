"""The page of the walk, taken apart and put together: prose, and blocks of a terminal.

A block is of `console`: behind `$ ` what is typed (behind `> ` its further lines), below it what
was shown. Above it stands, where it is so, what only a comment can say:
`<!-- terminal NAME: TEXT -->`, the command goes on in a terminal of its own, and is ready once it
shows TEXT; the same above a block without a command, what that one has shown since; with `^C` for
TEXT, what it shows since and when Ctrl-C is pressed; `<!-- answers: ONE | OTHER -->`, what is typed
when the command asks.
"""

import re
from typing import NamedTuple

from tests import ROOT

PAGE = ROOT / "docs" / "walk.md"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<word>terminal |answers: )(?P<said>[^\n]*) -->\n)?"
    r"^```console\n(?P<text>.*?)^```\n",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """What is typed, and the lines that came of it; nothing is typed where one only looks."""

    typed: list[str]
    shown: list[str]

    @property
    def command(self) -> str:
        """What the shell gets."""
        return "\n".join(self.typed)


class Block(NamedTuple):
    """Some steps at a terminal."""

    steps: list[Step]
    terminal: str = ""
    """The name of one that goes on; empty: each step has its own."""
    ready: str = ""
    """What it shows when it is ready, or `^C`."""
    answers: tuple[str, ...] = ()


def page_parts(text: str) -> list[str | Block]:
    """Take a page apart: prose as it is, and blocks."""
    parts: list[str | Block] = []
    end = 0
    for match in _BLOCK.finditer(text):
        parts.append(text[end : match.start()])
        parts.append(_block(match["word"] or "", match["said"] or "", match["text"]))
        end = match.end()
    return [*parts, text[end:]]


def page_text(parts: list[str | Block]) -> str:
    """Put a page together."""
    return "".join(part if isinstance(part, str) else _block_text(part) for part in parts)


def _block(word: str, said: str, text: str) -> Block:
    steps: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append(Step([line[2:]], []))
        elif line.startswith("> ") and not steps[-1].shown:
            steps[-1].typed.append(line[2:])
        else:
            if not steps:
                steps.append(Step([], []))
            steps[-1].shown.append(line)
    if word == "terminal ":
        name, _, ready = said.partition(": ")
        return Block(steps or [Step([], [])], name, ready)
    answers = said.split(" | ") if word else []
    return Block(steps, answers=tuple(answers))


def _block_text(block: Block) -> str:
    head = ""
    if block.terminal:
        head = f"<!-- terminal {block.terminal}: {block.ready} -->\n"
    elif block.answers:
        head = f"<!-- answers: {' | '.join(block.answers)} -->\n"
    lines = []
    for step in block.steps:
        lines += [f"{'> ' if number else '$ '}{line}" for number, line in enumerate(step.typed)]
        lines += step.shown
    return f"{head}```console\n{''.join(f'{line}{chr(10)}' for line in lines)}```\n"
