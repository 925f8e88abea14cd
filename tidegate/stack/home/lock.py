"""A home belongs to one process at a time: the `up` that runs in it, or the verb that fills it."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.environment import Home
from runtime.settings import SettingsError


def make_folder(home: Home) -> None:
    """Make the folder. Raises `SettingsError` when it cannot be, or nobody here may write in it."""
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        if not os.access(home.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SettingsError(
            f"TIDEGATE_HOME: expected a folder that can be written, {home.path} cannot"
            f" ({error.strerror})"
        ) from None


@contextmanager
def lock_home(home: Home) -> Iterator[None]:
    """Keep the home to ourselves. Raises `SettingsError` when another `up` has it."""
    with home.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(
                f"TIDEGATE_HOME: another `tidegate up` runs in {home.path}"
            ) from None
        yield
