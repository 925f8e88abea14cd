"""Bodies too long for memory that are read whole: in files without a name, bounded in sum.

And in a thread of their own, one at a time, so that nobody waits for a long one but its client.
"""

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

from services.gateway.domain.errors import GatewayError

_RETRY_S = 5.0
_Read = TypeVar("_Read")


class Spool:
    """The files of one gateway process; each goes with its request."""

    def __init__(self, home: Path, folder: str, bytes_max: int) -> None:
        """The files lie in `folder`, or else in `home`; it is made when it is needed."""
        self._home = home
        self.held = 0
        """Bytes in all files."""
        self._thread = ThreadPoolExecutor(1, "spool")
        self.apply_bounds(folder, bytes_max)

    def apply_bounds(self, folder: str, bytes_max: int) -> None:
        """Go by other settings from now on."""
        self.folder = Path(folder) if folder else self._home
        self.bytes_max = bytes_max

    async def run_apart(self, work: Callable[[], _Read]) -> _Read:
        """Do what takes long in the one thread for it.

        Within a call of C nothing else runs in the process: whatever looks at a whole body looks
        at it piece by piece.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def begin_file(self) -> "Spooled":
        """Begin a file. Raises `GatewayError` where none can be made."""
        return Spooled(self)


class Spooled:
    """A body in a file."""

    def __init__(self, spool: Spool) -> None:
        """Make the file; it has no name, so that nothing is left of it whatever happens."""
        self._spool = spool
        self._held = 0
        try:
            spool.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=spool.folder)  # noqa: SIM115
        except OSError as error:
            raise _spool_full(f"no file can be made ({error.strerror})") from None

    def write(self, data: bytes) -> None:
        """Add to it. Raises `GatewayError` when all files together are full, or the disk is."""
        if self._spool.held + len(data) > self._spool.bytes_max:
            raise _spool_full(f"it holds {self._spool.bytes_max:,} bytes (spool_max)")
        self._spool.held += len(data)
        self._held += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise _spool_full(str(error.strerror)) from None

    def fileno(self) -> int:
        """Find the file, with all that was written in it. Raises `GatewayError`."""
        try:
            self._file.flush()
        except OSError as error:
            raise _spool_full(str(error.strerror)) from None
        return self._file.fileno()

    def close(self) -> None:
        """Give its bytes back to the spool; once more is no error. The file is gone with it."""
        self._spool.held -= self._held
        assert self._spool.held >= 0
        self._held = 0
        try:
            self._file.close()
        except OSError:
            return  # a flush that the disk refused: nobody wants it any more


def _spool_full(why: str) -> GatewayError:
    return GatewayError(
        "pool_saturated",
        f"the spool for bodies that have to be read whole is full: {why}",
        retry_after_s=_RETRY_S,
    )
