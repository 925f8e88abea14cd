"""The example of every `--help`, which commands.md has, run as it stands at a stack."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from runtime.nats import natsserver
from tests.e2e.stack import Stack
from tests.walk.terminal import Terminal
from tidegate.main import VERBS, verb_application

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("examples"), pytest.mark.timeout(300)]
_EXAMPLE = re.compile(r"Example: (.+)$", re.DOTALL)
_GOES_ON = {
    "up": "Ctrl-C stops everything",
    "gateway": '"listening"',
    "pool": '"following"',
    "balancer": '"following"',
    "demo server": '"serving"',
    "tail": "lease_granted",
}
"""What only somebody else ends, and what it says when it does its work."""
_ENDED_WELL = frozenset({0, 130, -signal.SIGINT})
_ADD_SERVER = "tidegate servers add server-5 http://10.0.0.7:9001"
_BEFORE = {
    "servers change": _ADD_SERVER,
    "servers remove": _ADD_SERVER,
    "servers undrain": "tidegate servers drain server-2",
}
_AFTER = {
    "servers add": "tidegate servers remove server-5",
    "servers change": "tidegate servers remove server-5",
    "servers drain": "tidegate servers undrain server-2",
    "sessions drain": "tidegate sessions clear ses_0a1b2c3d4e5f",
    "sessions disable": "tidegate sessions clear ses_0a1b2c3d4e5f",
    "sessions cool": "tidegate sessions clear ses_0a1b2c3d4e5f",
}
_OWN_PLACE = frozenset({"init", "up", "restore", "config show"})
"""What makes a home or a configuration where it stands."""
_WOULD_LISTEN = frozenset({"config check"})
"""What asks whether `up` could listen, which it cannot where this stack does."""


def examples_below(name: str, command: Any) -> Iterator[tuple[str, str]]:
    inner = getattr(command, "commands", None)
    if not inner or command.invoke_without_command:
        match = _EXAMPLE.search(command.help or "")
        yield name, " ".join(match[1].split()) if match else ""
    for part, below in (inner or {}).items():
        yield from examples_below(f"{name} {part}", below)


def all_examples() -> dict[str, str]:
    examples: dict[str, str] = {}
    for verb in VERBS:
        group: Any = typer.main.get_command(verb_application(verb))
        examples.update(examples_below(verb, group.commands[verb]))
    return examples


EXAMPLES = all_examples()
APART = {"top", *_GOES_ON}
_NOTHING_TO_DO = {
    "analytics": "Could not set lock on file",
    "config accept": "no configuration is held",
    "leases reconcile": "0193",
    "stack restart": "up",
}
"""Refused here, for there is nothing to be done: by which words."""


class Operator:
    """Somebody who types examples, with what is theirs where the examples name somebody's."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        """Have a program, files, and the ids of this stack."""
        self.stack = stack
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "tidegate"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tidegate.main "$@"\n')
        program.chmod(0o755)
        stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])
        self.environment = {
            **stack.environment,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TIDEGATE_PORT": str(stack.ports["gateway"]),
        }
        first, second = (view["session_id"] for view in stack.pool_status()["data"][:2])
        picture = stack.image()
        self.instead = {
            "ses_0a1b2c3d4e5f": first,
            "ses_5f4e3d2c1b0a": second,
            "0193b2c4-7f00-7abc-8def-0123456789ab": picture.headers["x-request-id"],
            "port 9001": f"port {natsserver.free_port()}",
            "=8081": f"={natsserver.free_port()}",
        }

    def place(self, name: str) -> Path:
        """A folder for an example, with the files that examples name."""
        place = self.folder / name.replace(" ", "-")
        place.mkdir()
        (place / "sessions.txt").write_text("account-of-example-0001\n")
        (place / "credentials.txt").write_text("account-of-example-0002\n")
        (place / "sessions.csv").write_text("credential\naccount-of-example-0003\n")
        (place / "my.toml").write_text("[pool]\nmin_size = 3\n")
        for file in place.iterdir():
            file.chmod(0o600)
        if name == "sessions export":
            (place / "sessions.csv").unlink()
        return place

    def typed(self, line: str, place: Path) -> str:
        """An example as it is typed here."""
        for named, real in (self.instead | {"/var/backups": str(place)}).items():
            line = line.replace(named, real)
        if "key_1f2e3d4c5b6a" in line:
            issued = json.loads(self.stack.tidegate("keys", "issue", "spare", "--json").stdout)
            line = line.replace("key_1f2e3d4c5b6a", str(issued.get("id", issued.get("key_id"))))
        return line

    def surroundings(self, name: str, place: Path) -> dict[str, str]:
        """Variables; who makes a home or a configuration has none yet."""
        own_port = {"TIDEGATE_PORT": str(natsserver.free_port())}
        if name not in _OWN_PLACE:
            return self.environment | (own_port if name in _WOULD_LISTEN else {})
        own = {**self.environment, "TIDEGATE_HOME": str(place / ".tidegate")} | own_port
        not_here = {
            "TIDEGATE_CONFIG",
            "TIDEGATE_CLOCK_OFFSET_FILE",
            "TIDEGATE_POOL_PROVISIONER_KIND",
        }
        return {key: value for key, value in own.items() if key not in not_here}

    def run(self, name: str, line: str, place: Path) -> subprocess.CompletedProcess[str]:
        """Run a line to its end."""
        return subprocess.run(
            ["sh", "-euc", self.typed(line, place)],
            cwd=place,
            env=self.surroundings(name, place),
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    def ends_well_when_asked(self, name: str, line: str, place: Path) -> int:
        """Start what goes on, wait until it does its work, and end it; its exit code."""
        log = place / "said.log"
        typed = f"exec {self.typed(line, place)}".replace("exec TIDEGATE", "TIDEGATE")
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["sh", "-euc", typed],
                cwd=place,
                env=self.surroundings(name, place),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            self.stack.eventually(lambda: _GOES_ON[name] in log.read_text(), True, 40)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(20)
        return process.returncode


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    stack = Stack(tmp_path_factory.mktemp("examples"), TIDEGATE_POOL_MIN_SIZE="5")
    try:
        stack.configure(
            "[gateway]\nmax_wait = '1s'\n[tiers.vip]\nimage = 50\n"
            + stack.servers_toml("server-1", "server-2", "server-3", server_3='dialect = "jimeng"')
        )
        stack.start_demo("server-3", "--dialect", "jimeng")
        stack.start_all("server-1", "server-2")
        yield Operator(stack, tmp_path_factory.mktemp("typed"))
    finally:
        stack.close()


def test_every_verb_has_an_example() -> None:
    assert [name for name, line in EXAMPLES.items() if "tidegate " not in line] == []


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - APART - _NOTHING_TO_DO.keys()))
def test_example_runs(operator: Operator, name: str) -> None:
    place = operator.place(name)
    if name in _BEFORE:
        operator.run(name, _BEFORE[name], place)
    if name == "restore":
        operator.run("backup", EXAMPLES["backup"], place)

    done = operator.run(name, EXAMPLES[name], place)

    if name in _AFTER:
        operator.run(name, _AFTER[name], place)

    assert done.returncode == 0, f"{EXAMPLES[name]}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("name", _NOTHING_TO_DO)
def test_example_that_has_nothing_to_do_says_so(operator: Operator, name: str) -> None:
    done = operator.run(name, EXAMPLES[name], operator.place(name))

    assert (done.returncode, _NOTHING_TO_DO[name] in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("name", sorted(_GOES_ON))
def test_example_of_what_goes_on_begins_and_ends(operator: Operator, name: str) -> None:
    place = operator.place(name)
    operator.stack.image()

    code = operator.ends_well_when_asked(name, EXAMPLES[name], place)

    assert code in _ENDED_WELL, (place / "said.log").read_text()


def test_example_of_top_draws_a_page(operator: Operator) -> None:
    terminal = Terminal(EXAMPLES["top"], operator.place("top"), operator.environment)
    try:
        terminal.read_until("nothing")
        terminal.interrupt()
        assert terminal.read_to_end() in _ENDED_WELL
    finally:
        terminal.close()
