"""A disk whose power can be cut: ext4 in a file, and the ioctl by which file systems are tested.

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
from pathlib import Path

_SHUTDOWN = 0x8004587D
_WITHOUT_LOG = struct.pack("I", 2)
_IMAGE_BYTES = 2**30


class NoDiskError(Exception):
    """Such a disk cannot be had here: it takes root, loop devices and mkfs.ext4."""


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


def _done(*command: str) -> None:
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if made.returncode:
        raise NoDiskError(f"{' '.join(command)}: {made.stderr.strip()}")
