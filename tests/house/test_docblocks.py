"""Every command of every page is typed by a test, or stands on a list that says why not."""

import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests import ROOT
from tests.e2e.docblocks import COMMANDS, all_pages, blocks_of
from tests.e2e.docpages import ELSEWHERE, NOT_TYPED, Untyped, pages_typed_here, untyped

OTHERS = frozenset({"", "json", "toml", "yaml", "ini", "nginx", "caddyfile", "sql", "stop"})
"""What is no command: answers, files, drawings."""


def pages_with_commands() -> list[str]:
    return [
        page for page in all_pages() if any(block.kind in COMMANDS for block in blocks_of(page))
    ]


def test_every_block_is_of_a_language_whose_tests_are_known() -> None:
    kinds = {block.kind for page in all_pages() for block in blocks_of(page)}

    assert kinds - COMMANDS - OTHERS == set()


def test_every_page_with_commands_is_typed() -> None:
    """A page of a test of its own is named there; all others are typed by one test."""
    typed = {*ELSEWHERE, *pages_typed_here()}
    lost = [
        page
        for page in pages_with_commands()
        if page not in typed
        and any(block not in untyped(page) for block in blocks_of(page) if block.kind in COMMANDS)
    ]
    unnamed = [
        page
        for page, test in ELSEWHERE.items()
        if page.removeprefix("docs/") not in (ROOT / test).read_text()
        and page.rpartition("/")[2] not in (ROOT / test).read_text()
    ]

    assert len(typed) > 15
    assert (lost, unnamed) == ([], [])


def test_list_of_what_nobody_types_is_short_and_true() -> None:
    stale = [
        one
        for one in NOT_TYPED
        if not any(block.text.startswith(one.begins) for block in blocks_of(one.page))
    ]

    assert stale == []
    assert len(NOT_TYPED) < 20
    assert [one for one in NOT_TYPED if len(one.reason) < 20 or len(one.begins) < 8] == []


def made_targets(listed: Untyped) -> Iterator[str]:
    for block in untyped(listed.page):
        for line in block.text.splitlines():
            if line.startswith("make "):
                yield line


LINES_OF_MAKE = sorted({line for one in NOT_TYPED for line in made_targets(one)})


@pytest.mark.parametrize("line", LINES_OF_MAKE)
def test_target_that_nobody_types_is_there(line: str) -> None:
    command = shlex.split(line, comments=True)

    done = subprocess.run(
        [*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
