"""The key file, and its copies where every owner has a home: written as a whole, one at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.environment import Environment
from runtime.secrets import EXPECTED_KEY, comment_lines, key_id_of, master_keys, strange_keys
from runtime.settings import SettingsError
from tidegate.console.errors import CommandError
from tidegate.stack.home.files import MASTER_KEY, rewrite_private

_VARIABLE = "TIDEGATE_SECRET_KEY"
_OWNERS = ("pool", "gateway")
"""Who has a copy, the pool's first: nothing is sealed under a key that the pool lacks."""


class KeyFile:
    """The file that the processes of this home read, and copies of it."""

    def __init__(self, path: Path, copies: list[Path]) -> None:
        """Use `path`; a rotation that was killed may have left the copies behind."""
        self.path = path
        self._copies = copies

    def read_keys(self) -> list[str]:
        """Read the keys, the one that seals first. Raises `SettingsError`."""
        try:
            text = self.path.read_text()
        except OSError as error:
            raise SettingsError(
                f"{self.path}: expected the key file of the pool ({error.strerror})"
            ) from None
        keys = master_keys(text)
        if not keys:
            raise SettingsError(f"{self.path}: expected a master key, it is empty")
        if any("\n" in key for key in keys):
            raise SettingsError(
                f"{self.path}: expected a key a line; a key of several lines is not rotated"
            )
        if len(keys) == 1 and keys[0].startswith("#"):
            raise SettingsError(
                f"{self.path}: its only line begins with #, and beside another it is a comment:"
                f" put a new key below it ({EXPECTED_KEY}), start everything again and say it again"
            )
        return keys

    def strange_ids(self) -> dict[str, str]:
        """The ids of keys that Tidegate did not make, each with its place in the file."""
        strange = strange_keys(self.path.read_text())
        return {key_id_of(key): f"{place} of {self.path}" for key, place in strange.items()}

    def whole_id(self) -> str:
        """The id of the whole text as one key: what a file of several lines was once."""
        return key_id_of(self.path.read_text().strip())

    def write_keys(self, keys: list[str]) -> None:
        """Write the keys below the comments, into the copies too. Raises `CommandError`."""
        comments = comment_lines(self.path.read_text())
        content = "\n".join([*comments, *keys]).encode()
        for path in (self.path, *self._copies):
            try:
                if path.read_bytes() != content:
                    rewrite_private(path, content)
            except OSError as error:
                raise CommandError(
                    f"{path}: the key file cannot be written ({error.strerror}); what stands in"
                    " the others is kept: say it again once it can be"
                ) from None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other rotations out, as long as this one lives.

        Raises `CommandError` when there is another.
        """
        try:
            file = self.path.with_name(f"{self.path.name}.lock").open("w")
        except OSError as error:
            folder = self.path.parent
            raise CommandError(f"{folder}: cannot be written in ({error.strerror})") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CommandError(f"{self.path}: another rotation is at work on it") from None
            yield


def find_key_file(environment: Environment, homes: Path | None) -> KeyFile:
    """Find the key file, and its copies in the homes of their owners.

    Raises `SettingsError` where the key is no file, or `homes` has none.
    """
    if os.environ.get(_VARIABLE):
        raise SettingsError(
            f"{_VARIABLE}: a key that is given by variable is rotated by hand; expected it in the"
            f" file {environment.home.master_key}, or in one that {_VARIABLE}_FILE names"
        )
    named = os.environ.get(f"{_VARIABLE}_FILE")
    # What a link points to is written, and the link stays.
    path = Path(named or environment.home.master_key).resolve()
    if homes is None:
        return KeyFile(path, [])
    copies = [homes / owner / MASTER_KEY for owner in _OWNERS if (homes / owner).is_dir()]
    if not copies:
        raise SettingsError(
            f"--homes: expected a folder with the homes of pool and gateway, {homes} has neither"
        )
    return KeyFile(path, copies)
