"""The first day in production and an upgrade with its way back, typed as they stand.

Stand-ins have the names of what needs root and an init of its own: `systemctl` reads the page's own
unit and does by it what systemd would. systemd itself reads the unit, too, where it is installed.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.e2e.docblocks import Block, Typist, blocks_of, furnish_clone, write_program
from tests.e2e.docpages import untyped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FIRST_DAY, UPGRADE = "docs/how-to/first-day-in-production.md", "docs/how-to/upgrade.md"
UNIT = next(block.text for block in blocks_of(FIRST_DAY) if block.kind == "ini")
_ROOTS = ("/opt/tidegate", "/etc/tidegate", "/etc/systemd", "/var/lib/tidegate")


def stand_ins(folder: Path) -> Path:
    """Write the programs that nobody but root may use, as far as the pages need them."""
    programs = folder / "programs"
    programs.mkdir(parents=True)
    systemctl = f'exec {sys.executable} -m tests.e2e.systemctl {folder} "$@"'
    write_program(programs / "systemctl", systemctl)
    write_program(programs / "journalctl", f"exec tail -n +1 -f {folder}/journal")
    write_program(programs / "useradd", "exit 0")
    write_program(programs / "sudo", 'shift 2; exec "$@"')
    without_owner = "sed -E 's/ -[og] tidegate//g'"
    install = f'exec {shutil.which("install")} $(printf " %s" "$@" | {without_owner})'
    write_program(programs / "install", install)
    return programs


@pytest.fixture
def typist(tmp_path: Path) -> Iterator[Typist]:
    """An operator at a machine with nothing on it but a repository and a backend."""
    machine, origin = tmp_path / "machine", tmp_path / "origin"
    furnish_clone(origin)
    for words in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("add", "--all", "--force"),
        ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "all"),
    ):
        subprocess.run(["git", *words], cwd=origin, check=True)
    ports = {port: str(natsserver.free_port()) for port in ("8080", "8000")}
    (machine / "opt").mkdir(parents=True)
    (machine / "var" / "lib").mkdir(parents=True)
    made = Typist(
        tmp_path / "clone",
        {
            **{place: f"{machine}{place}" for place in _ROOTS},
            "http://10.0.0.7:8000": f"http://127.0.0.1:{ports['8000']}",
            "REPOSITORY": str(origin),
            "REVISION": "main",
        },
        TIDEGATE_PORT=ports["8080"],
        TIDEGATE_HOME=f"{machine}/var/lib/tidegate",
        # What is set up already, in a `.venv` that came with the clone, is only touched.
        MAKEFLAGS="--touch",
    )
    programs = stand_ins(machine)
    made.environment["PATH"] = f"{programs}:{made.environment['PATH']}"
    backend = f"exec tidegate demo server --port {ports['8000']}"
    ready = f"stays: curl -sf http://127.0.0.1:{ports['8000']}/ping"
    try:
        made.type_block(Block("sh", backend, ready))
        yield made
    finally:
        subprocess.run(["systemctl", "stop", "tidegate"], env=made.environment, check=False)
        made.stop()


def test_first_day_and_an_upgrade_and_the_way_back_can_be_typed(typist: Typist) -> None:
    typist.type_page(FIRST_DAY, untyped(FIRST_DAY))
    typist.type_page(UPGRADE, untyped(UPGRADE))

    said = "\n".join(typist.said)
    assert said.count("a call would succeed now") >= 6
    assert said.count("no violation") == 2


def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    program = "/opt/tidegate/.venv/bin/tidegate"
    file = tmp_path / "tidegate.service"
    file.write_text(UNIT.replace(program, "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert UNIT.count(program) == 1
    assert (done.returncode, "tidegate.service" in done.stderr) == (0, False), done.stderr
