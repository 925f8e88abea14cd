"""What is written today is read by the contracts of 0.1.0, or passed over: it never raises there.

A reader that raises takes the whole envelope for a stray.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.contract.test_golden import EVENTS, GOLDEN, type_of
from tests.upgrade.test_way_back import first_version

__all__ = ["first_version"]
_READ = """
import json, sys
from pathlib import Path
from contracts.events import decode_event
lines = [line for name in sys.argv[1:] for line in Path(name).read_bytes().splitlines()]
print(json.dumps([type(decode_event(line)).__struct_config__.tag for line in lines]))
"""
_ENUMERATIONS = """
import enum, importlib, json, pkgutil
import contracts
names = [found.name for found in pkgutil.walk_packages(contracts.__path__, "contracts.")]
modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
values = [value for module in modules for value in vars(module).values()]
print(json.dumps({
    value.__name__: sorted(str(member.value) for member in value)
    for value in values
    if isinstance(value, type) and issubclass(value, enum.Enum) and len(value)
}))
"""


def said_by(code: Path, program: str, *words: str) -> Any:
    """What a program says that has the contracts of this code."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=code,  # where it looks first
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_golden_line_is_read_or_passed_over(first_version: Path) -> None:
    files = [str(GOLDEN / f"{name}.jsonl") for name in ("pool", "balancer", "keys")]

    read = said_by(first_version, _READ, *files)
    written = [type_of(line) for line in EVENTS]
    passed_over = {tag for tag, seen in zip(written, read, strict=True) if seen != tag}

    assert [seen for seen in read if seen not in {*written, "unknown_event"}] == []
    assert {"session_joined", "lease_queued"} <= passed_over
    assert {"lease_granted", "usage_recorded", "session_added"}.isdisjoint(passed_over)


@pytest.mark.parametrize("name", ["Outcome", "Refusal", "SessionStatus", "Verdict", "EndAnswer"])
def test_enumerations_have_gained_no_value(first_version: Path, name: str) -> None:
    then, now = said_by(first_version, _ENUMERATIONS), said_by(ROOT, _ENUMERATIONS)

    assert now[name] == then[name]
