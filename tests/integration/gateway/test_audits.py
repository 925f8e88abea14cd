"""Audits and backups recorded and shown; the configuration in force and where it came from."""

from typing import Any

import pytest

from contracts.base import PRODUCT_VERSION
from contracts.envelope import hash_of
from tests.integration.gateway.calls import projected
from tests.integration.gateway.doors import Desk

pytestmark = pytest.mark.anyio
RUN = {
    "ok": False,
    "sequence": 9,
    "envelopes": 9,
    "events": 12,
    "violations": 1,
    "first": ["grant_above_limit at 9.0"],
    "duckdb": "agrees",
    "took_s": 0.5,
}
BACKUP = {"ok": True, "sequence": 9, "bytes": 1234, "name": "monday.tar", "host": "gate-1"}


async def test_what_was_recorded_is_shown_the_latest_first(staffed: Desk) -> None:
    await staffed.ask("POST", "/api/audit/runs", json=RUN)
    await staffed.ask("POST", "/api/audit/runs", json={**RUN, "ok": True, "violations": 0})
    await staffed.ask("POST", "/api/audit/backups", json=BACKUP)
    await projected(staffed)

    page = await staffed.ask("GET", "/api/audit")
    root = staffed.doors.key_log.ring.all_keys()[0].key_id
    assert [(run["ok"], run["violations"], run["by"]) for run in page["audits"]] == [
        (True, 0, root),
        (False, 1, root),
    ]
    assert page["audits"][1]["first"] == RUN["first"]
    assert page["audits"][0]["at"].endswith("Z")
    (backup,) = page["backups"]
    assert {**BACKUP, "command": "tidegate backup"}.items() <= backup.items()
    chains = {chain["subject"]: chain for chain in page["chain"]}
    stored = await staffed.doors.log.last_stored("evt.keys")
    assert stored is not None
    assert chains["evt.keys"]["hash"] == hash_of(stored.body)
    assert chains["evt.keys"]["number"] == 5
    assert chains.keys() == {"evt.pool.0", "evt.balancer", "evt.keys"}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"violations": -1}, "violations"),
        ({"first": ["x"] * 11}, "first"),
        ({"ok": "yes"}, "ok"),
        ({"other": 1}, "other"),
    ],
)
async def test_a_wrong_record_is_refused_by_name(
    alone: Desk, changes: dict[str, Any], param: str
) -> None:
    error = await alone.refused("POST", "/api/audit/runs", 400, json={**RUN, **changes})

    assert error["param"] == param


async def test_configuration_says_whose_it_is(staffed: Desk) -> None:
    page = await staffed.ask("GET", "/api/config")

    assert page["held"] is None
    assert (page["version"], page["gateway_id"]) == (PRODUCT_VERSION, "gw-test")
    assert (page["file"], page["settings"], page["trouble"]) == (None, [], "")
