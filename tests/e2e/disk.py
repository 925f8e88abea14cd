"""Disks that fail: one whose power can be cut, and a small one that can be filled and freed.

The first is ext4 in a file, with the ioctl by which file systems are tested.

`EXT4_IOC_SHUTDOWN` without a flush of the journal (what xfstests calls `godown -n`) ends every
write at once: what stands in the page cache, and was not synced, never reaches the image. Mounted
again, the journal is replayed, as after a power cut. What it does not show: a drive that loses
what it had in a volatile cache of its own although it was told to flush.
"""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D
_WITHOUT_LOG = struct.pack("I", 2)
_IMAGE_BYTES = 2**30


class NoDiskError(Exception):
    """Such a disk cannot be had here: it takes root, and the first loop devices and mkfs.ext4."""


class Disk:
    """One file system in a file. Raises `NoDiskError` where that cannot be."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        self._mounted = False
        if os.geteuid() or shutil.which("mkfs.ext4") is None:
            raise NoDiskError("it takes root and mkfs.ext4")
        with self._image.open("wb") as image:
            image.truncate(_IMAGE_BYTES)
        _done("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount it, replaying its journal if need be."""
        _done("mount", "-o", "loop", str(self._image), str(self.path))
        self._mounted = True

    def cut(self) -> None:
        """Cut the power: whoever writes gets errors from now on, and nothing more is written."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _WITHOUT_LOG)
        except OSError as error:
            raise NoDiskError(f"the file system cannot be shut down: {error}") from None
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Unmount it; nobody may use it any more."""
        if self._mounted:
            _done("umount", str(self.path))
            self._mounted = False


class SmallDisk:
    """A tmpfs. Raises `NoDiskError` where one cannot be mounted."""

    def __init__(self, path: Path, megabytes: int = 256) -> None:
        self.path = path
        path.mkdir(parents=True)
        if os.geteuid():
            raise NoDiskError("it takes root")
        _done("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))

    def fill(self) -> None:
        """Leave not one byte; again when somebody has deleted something since."""
        for size in (2**16, 1):
            with (self.path / "filler").open("ab", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(bytes(size))

    def free(self) -> None:
        """Give it all back."""
        (self.path / "filler").unlink()

    def unmount(self) -> None:
        """Unmount it; nobody may use it any more."""
        _done("umount", str(self.path))


def _done(*command: str) -> None:
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if made.returncode:
        raise NoDiskError(f"{' '.join(command)}: {made.stderr.strip()}")


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """One for a test, which is skipped where there can be none."""
    try:
        made = SmallDisk(path)
    except NoDiskError as error:
        pytest.skip(f"no small disk: {error}")
    try:
        yield made
    finally:
        made.unmount()
