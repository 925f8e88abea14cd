"""How much memory there is, by what the system says of it."""

from pathlib import Path

import pytest

from services.pool.snapshots.memory import available_bytes, resident_bytes


@pytest.mark.parametrize(
    ("machine", "container", "expected"),
    [
        ("MemTotal: 9 kB\nMemAvailable:   4 kB\n", None, 4096),
        ("MemAvailable: 4 kB\n", ("max", "100"), 4096),
        ("MemAvailable: 4 kB\n", ("3000", "1000"), 2000),
        ("MemTotal: 9 kB\n", ("9000", "1000"), 8000),
        ("MemAvailable: none\n", None, None),
        (None, None, None),
    ],
)
def test_the_least_that_is_told_is_available(
    tmp_path: Path, machine: str | None, container: tuple[str, str] | None, expected: int | None
) -> None:
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "cgroup"
    if machine is not None:
        meminfo.write_text(machine)
    if container is not None:
        cgroup.mkdir()
        (cgroup / "memory.max").write_text(f"{container[0]}\n")
        (cgroup / "memory.current").write_text(f"{container[1]}\n")

    assert available_bytes(meminfo, cgroup) == expected


def test_this_process_takes_some() -> None:
    before = resident_bytes()
    kept = bytearray(b"x" * 40_000_000)

    assert resident_bytes() > before + 30_000_000
    assert len(kept) == 40_000_000
