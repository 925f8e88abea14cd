"""What verbs write into: new files, whole, or standard output."""

import os
from pathlib import Path

import pytest

from runtime.settings import SettingsError
from tidegate.console import files
from tidegate.console.errors import CommandError


def test_file_is_made_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "made"

    with files.open_output(str(file)) as into:
        into.write(b"whole")

    with pytest.raises(SettingsError, match="is there already"), files.open_output(str(file)):
        pass
    assert file.read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is there already"),
        ("folder", "is there already"),
        ("folder/none/file", "No such file or directory"),
        ("file/below", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("nul\0", "null"),
    ],
)
def test_what_cannot_be_made_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=why), files.open_output(str(tmp_path / name)):
        pass


def test_what_is_not_written_to_its_end_is_not_left_behind(tmp_path: Path) -> None:
    file = tmp_path / "made"

    with pytest.raises(KeyboardInterrupt), files.open_output(str(file)):
        raise KeyboardInterrupt
    with pytest.raises(CommandError, match="written to its end"), files.open_output(str(file)):
        raise OSError(28, os.strerror(28))

    assert not file.exists()


def test_device_is_nobodys_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    unheard = pytest.raises(SettingsError, match="a pipe that nobody reads from")
    with unheard, files.open_output(str(pipe)):
        pass
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with files.open_output(str(pipe)) as into:
        into.write(b"through")

    assert os.read(reading, 100) == b"through"
    with pytest.raises(CommandError), files.open_output("/dev/full") as into:
        into.write(b"never")

    os.close(reading)

    assert pipe.exists()
    assert Path("/dev/full").exists()


def test_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with files.open_output("-") as into:
        into.write(b"out")
        into.flush()

    assert capfdbinary.readouterr().out == b"out"
