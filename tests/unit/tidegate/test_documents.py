"""Reports and rows on a terminal: tables that fit, sentences folded, a block a row."""

import pytest

from runtime.process.version import VERSION
from tests import ROOT
from tidegate.admin.figures import documents
from tidegate.console import output

REPORT = """# A report

Calls are all that clients of known keys saw come to an end, and nothing else at all.

| server   | calls | why it is out of the choice  |
| :------- | ----: | :--------------------------- |
| server-1 |     7 | it \\| was ejected            |
| two      |  1200 | -                            |
"""


def test_report_is_laid_out_on_a_terminal_and_markdown_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents.print_markdown(REPORT)
    whole = capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    documents.print_markdown(REPORT)
    shown = capsys.readouterr().out.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()

    assert whole == REPORT
    assert shown == [
        "A report",
        "",
        "Calls are all that clients of known keys",
        "saw come to an end, and nothing else at",
        "all.",
        "",
        "server    calls",
        "server-1      7",
        "two        1200",
        "",
        "1 column left out (why it is out of the",
        "choice): --format json shows it",
    ]


def test_rows_are_blocks_when_they_are_expanded(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_expanded(["id", "models"], [["a", ["x", "y"]], ["b", None]], "no rows")
    output.print_expanded(["id"], [], "no rows")

    assert capsys.readouterr().out.splitlines() == [
        "-[ row 1 ]-",
        "id      a",
        "models  x, y",
        "-[ row 2 ]-",
        "id      b",
        "models",
        "no rows",
    ]


def test_version_is_that_of_the_package() -> None:
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text()
