"""The disk is full for a while under `up`: everybody says so, and it goes on by itself after."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.eventlog import UNWRITABLE
from runtime.nats import natsserver
from tests.e2e.disk import SmallDisk, small_disk
from tests.integration.tidegate.up import Up
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(400)]
_WHOLE = {"sessionManager": True, "loadBalancer": True, "analytics": True, "eventLog": True}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def up(disk: SmallDisk, tmp_path: Path) -> Iterator[Up]:
    """Everything of the home is on the small disk; what `up` says is not."""
    made = Up(disk.path / "home", natsserver.free_port(), TIDEGATE_LOG_MAX_BYTES="80MB")
    made.told = tmp_path / "up.log"
    yield made.start()
    assert made.stop() == 0


def ready(up: Up) -> tuple[int, str]:
    """Status of the gateway's `/readyz`, and its reason."""
    found = httpx.get(f"http://127.0.0.1:{up.port}/readyz", timeout=10)
    return found.status_code, found.json().get("reason", "")


def health_report(up: Up) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{up.port}/health", timeout=20).json()
    return found


def image(up: Up) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{up.port}/v1/images/generations",
        headers={"Authorization": f"Bearer {(up.home / 'client.key').read_text().strip()}"},
        json={"model": "jimeng-4.0", "prompt": "a gate"},
        timeout=60,
    )


def what_is_wrong(up: Up) -> dict[str, str]:
    """What the doctor calls wrong: messages by code."""
    findings = json.loads(up.run("doctor", "--json").stdout)["findings"]
    found: dict[str, str] = {}
    for one in findings:
        if one["state"] == "wrong":
            found[one["code"]] = f"{found.get(one['code'], '')}\n{one['message']}"
    return found


def test_a_stack_whose_disk_was_full_tells_and_goes_on_by_itself(up: Up, disk: SmallDisk) -> None:
    assert image(up).status_code == 200
    assert (health_report(up)["status"], health_report(up)["services"]) == ("ok", _WHOLE)
    assert what_is_wrong(up) == {}

    # A short envelope may still find room in a page that was begun; a few calls do not.
    disk.fill()
    wait_for(lambda: image(up).status_code == 503)
    wait_for(lambda: ready(up) == (503, UNWRITABLE))
    assert (health_report(up)["status"], health_report(up)["services"]["eventLog"]) == (
        "degraded",
        False,
    )
    refused = image(up)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert refused.json()["error"]["message"] == UNWRITABLE
    found = what_is_wrong(up)
    assert {"log_unwritable", "disk_full", "gateway_not_ready"} <= set(found)
    assert natsserver.STUCK in found["process_not_ready"]

    # While there is no room, starting it again would be of no use, and is not tried.
    wait_for(lambda: [one["waits_for"] for one in events_named(up, "nats_stuck")] == ["disk"])
    assert up.child("nats")["restarts"] == 0

    disk.free()
    wait_for(lambda: ready(up) == (200, ""))
    assert [one["waits_for"] for one in events_named(up, "nats_stuck")] == ["disk", "nothing"]
    assert up.child("nats")["restarts"] == 1
    assert image(up).status_code == 200
    wait_for(lambda: health_report(up)["status"] == "ok")
    wait_for(lambda: what_is_wrong(up) == {})
    audit = json.loads(up.run("audit", "--json").stdout)
    assert (audit["violations"], audit["duckdb"]) == ([], "agrees")

    # Among it are envelopes without events: a backup holds them, and comes back with them.
    taken = str(up.told.with_name("taken"))
    assert up.run("backup", taken).returncode == 0
    checked = up.run("restore", "--check", taken)
    assert checked.returncode == 0, checked.stderr


def events_named(up: Up, event: str) -> list[dict[str, Any]]:
    return [one for one in up.events() if one["event"] == event]
