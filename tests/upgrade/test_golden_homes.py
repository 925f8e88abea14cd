"""Homes of earlier versions go on: folded to what they were, proved, and used."""

import asyncio
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.envelope import decode_envelope
from contracts.subjects import evt_pool
from runtime.nats import natsserver
from services.pool.audit.version2 import VERSION_2, SecondVersion
from services.pool.domain import Pool
from services.pool.domain.evolve.fold import evolve
from tests.e2e.stack import Stack
from tests.integration.tidegate.backup_parts import stored_log
from tests.integration.tidegate.up import Up
from tests.upgrade.__main__ import HOMES

VERSIONS = sorted(path.name.removesuffix("-own.json") for path in HOMES.glob("*-own.json"))
pytestmark = pytest.mark.timeout(240)


class Own(NamedTuple):
    """A home with servers of its own, everything of today running in it."""

    stack: Stack
    expected: dict[str, Any]
    audit: dict[str, Any]
    """Before the first call of today."""


def unpacked(name: str, home: Path) -> dict[str, Any]:
    """Lay the home there; what its version made of it."""
    with tarfile.open(HOMES / f"{name}.tar.xz") as archive:
        archive.extractall(home, filter="data")
    expected: dict[str, Any] = json.loads((HOMES / f"{name}.json").read_text())
    return expected


def rehoused(stack: Stack) -> None:
    """Give the servers of the configuration ports that are free here."""
    path = stack.home / "tidegate.toml"
    text = path.read_text()
    for name in re.findall(r'id = "(\w+)"', text):
        server = rf'(id = "{name}"\nurl = )"[^"]+"'
        text = re.sub(server, rf'\1"{stack.demo_url(name)}"', text)
    stack.configure(text)


@pytest.fixture(scope="module", params=VERSIONS)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    home = tmp_path_factory.mktemp("own") / "home"
    expected = unpacked(f"{request.param}-own", home)
    # As that version left it: nobody wrote where sessions come from.
    stack = Stack(home, TIDEGATE_POOL_PROVISIONER_KIND="")
    try:
        rehoused(stack)
        stack.start_all("one", "two")
        yield Own(stack, expected, stack.audit())
    finally:
        stack.close()


def test_there_are_golden_homes() -> None:
    assert "0.1.0" in VERSIONS


async def second_hash(stack: Stack, upto: int) -> str:
    """The hash of the ledger as version 2 laid it out."""
    pool = Pool()
    second = SecondVersion(pool)
    for stored in await stored_log(stack):
        if stored.subject == evt_pool() and stored.sequence <= upto:
            opened = decode_envelope(stored.body)
            for event in opened.events:
                second.drop_due(opened.time)
                evolve(pool, event, opened.time, stored.sequence)
                second.follow_event(event, opened.time)
    return second.state_hash()


def test_log_folds_to_what_it_was(own: Own) -> None:
    upto = str(own.expected["replay"]["sequence"])

    done = own.stack.tidegate("replay", "--json", "--upto", upto)

    replayed, expected = json.loads(done.stdout), dict(own.expected["replay"])
    replayed.pop("events_per_s")
    hashes = {replayed.pop("hash_version"): replayed.pop("state_hash")}
    hashes[VERSION_2] = asyncio.run(second_hash(own.stack, int(upto)))

    assert replayed.pop("strays") == 0
    assert hashes[expected.pop("hash_version")] == expected.pop("state_hash")
    assert replayed == expected


def test_every_unit_is_counted_as_it_was(own: Own) -> None:
    assert own.audit["exit"] == 0, own.audit
    assert own.audit["totals"] == [{"told": 0, **total} for total in own.expected["totals"]]
    assert own.audit["unknown_events"] == 0


def test_every_event_is_there(own: Own) -> None:
    counted = Counter[str]()
    page = {"next": "0", "more": True}
    while page["more"]:
        page = own.stack.api(f"/api/events?limit=1000&after={page['next']}")
        counted.update(one["type"] for one in page["data"])

    assert [kind for kind, count in own.expected["types"].items() if counted[kind] < count] == []


def test_keys_and_credentials_open_as_they_did(own: Own) -> None:
    answer = own.stack.image()

    keys = own.stack.api("/api/keys")["data"]
    assert answer.status_code == 200, answer.text
    assert {one["id"]: one["name"] for one in keys} == own.expected["keys"]


def test_generated_sessions_stay_and_the_doctor_says_what_to_write(own: Own) -> None:
    origins = Counter(one["origin"] for one in own.stack.api("/api/sessions")["data"])
    active = own.expected["replay"]["sessions"]

    done = own.stack.tidegate("doctor", "--json")

    assert origins["generated"] > 0
    assert sum(origins.values()) == sum(active.values())
    codes = {one["code"] for one in json.loads(done.stdout)["findings"]}
    assert "generated_beside_own" in codes
    assert own.stack.image().status_code == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_demo_goes_on_with_up(version: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    expected = unpacked(f"{version}-demo", home)
    up = Up(home, natsserver.free_port())
    try:
        up.start()

        answer = up.curl()

        assert answer["data"]
        done = up.run("audit", "--json")
        assert done.returncode == 0, done.stdout
        totals = json.loads(done.stdout)["totals"]
        units = sum(one["used"] for one in totals)
        assert units == 1 + sum(one["used"] for one in expected["totals"])
    finally:
        up.stop()
