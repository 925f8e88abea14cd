"""`tidegate sessions`: what it refuses before it asks anybody."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.settings import SettingsError
from tidegate import main
from tidegate.console.errors import CommandError


def test_a_duration_that_is_none_is_wrong_usage() -> None:
    words = ["sessions", "cool", "ses_1", "--for", "soon"]

    done = CliRunner().invoke(main.verb_application("sessions"), words)

    assert (done.exit_code, "expected a duration" in done.stderr) == (2, True)


@pytest.mark.parametrize("text", ["", "# none\n\n"])
def test_a_file_without_a_credential_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "none.txt"
    file.write_text(text)

    done = CliRunner().invoke(main.verb_application("sessions"), ["sessions", "add", str(file)])

    assert isinstance(done.exception, CommandError)
    assert str(done.exception) == f"{file}: expected 1 to 10000 sessions, got 0"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = ["sessions", "add", str(tmp_path / "none")]

    done = CliRunner().invoke(main.verb_application("sessions"), words)

    assert isinstance(done.exception, SettingsError)
    assert "none: expected a file of credentials (No such file" in str(done.exception)
