"""How much memory a process takes, and how much more there is."""

from pathlib import Path
from resource import getpagesize

_CGROUP = Path("/sys/fs/cgroup")


def resident_bytes() -> int:
    """Tell the memory of this process; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def available_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int | None:
    """Tell what is to be had without swapping: of the machine, and of a container within it.

    None where neither says so.
    """
    bounds = [bound for bound in (_of_machine(meminfo), _of_container(cgroup)) if bound is not None]
    return min(bounds, default=None)


def _of_machine(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _of_container(cgroup: Path) -> int | None:
    try:
        bound = int((cgroup / "memory.max").read_text())
        return bound - int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):
        # No cgroup of ours, or "max".
        return None
