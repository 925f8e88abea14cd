"""What a verb writes into: a file that is not there yet, or standard output.

No verb writes over a file that its owner may still want; a pipe or a device, such as
`/dev/stdout`, is nobody's file.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from runtime.settings import SettingsError
from tidegate.console import output
from tidegate.console.errors import CommandError

STDOUT = "-"


@contextmanager
def open_output(name: str, option: str = "-o") -> Iterator[IO[bytes]]:
    """Make the file `name`, or take standard output for `-`.

    One that is not written to its end is not left behind. Raises `SettingsError`, which names
    `option`, when it is there already or cannot be made, and `CommandError` when it cannot be
    written to its end.
    """
    if name == STDOUT:
        with _standard_output() as into:
            yield into
        return
    path = Path(name)
    try:
        device = path.exists() and not path.is_file() and not path.is_dir()
        opener = _open_heard if device else None
        opened = open(path, "wb" if device else "xb", opener=opener)  # noqa: SIM115 (closed below)
    except FileExistsError:
        raise SettingsError(f"{option}: {path} is there already, and is not overwritten") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{option}: {path} cannot be written ({_error_text(error)})") from None
    whole = False
    try:
        with opened:
            yield opened
        whole = True
    except OSError as error:
        raise CommandError(f"{path}: cannot be written to its end ({_error_text(error)})") from None
    finally:
        if not (whole or device):
            path.unlink(missing_ok=True)


def _open_heard(path: str, flags: int) -> int:
    """Open a pipe or a device; a pipe that nobody reads from is refused, not waited for."""
    opened = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(opened, True)
    return opened


@contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    """Into a pipe as it comes; on a terminal so that it commands nothing."""
    if not sys.stdout.isatty():
        yield sys.stdout.buffer
        return
    with io.BytesIO() as kept:
        yield kept
        output.print_document(kept.getvalue().decode("utf-8", "replace"))


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENXIO:
        return "a pipe that nobody reads from"
    return (error.strerror or "") if isinstance(error, OSError) else str(error)
