"""NATS's disk is full for a while: everybody says so, and NATS is started again when it is not."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runtime.eventlog import UNWRITABLE
from runtime.nats import natsserver
from tests.compose.containers import RECOVERY_S, Containers
from tests.compose.trickle import accounted
from tests.e2e.disk import SmallDisk, small_disk

_USER = 10001
_NATS = "nats-1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        os.chown(made.path, _USER, _USER)
        yield made


@pytest.fixture
def stack(disk: SmallDisk, tmp_path: Path) -> Iterator[Containers]:
    made = Containers(tmp_path / "clone", "tests/compose/full_disk.yml")
    made.environment |= {"LOG_DISK": str(disk.path), "TIDEGATE_LOG_MAX_BYTES": "80MB"}
    made.configure(
        '[pool]\nmin_size = 20\nmax_size = 20\n[pool.provisioner]\nkind = "generated"\n'
        + made.servers()
    )
    try:
        made.up("--build")
        yield made
    finally:
        made.down()
        shutil.rmtree(made.folder)


def gateway_readiness(stack: Containers) -> tuple[int, str]:
    """Status of the gateway's `/readyz`, and its reason."""
    found = httpx.get(f"{stack.url()}/readyz", timeout=10)
    return found.status_code, found.json().get("reason", "")


def checked(stack: Containers) -> str:
    """What NATS's last health check said."""
    log = stack.inspect(_NATS, "{{json .State.Health.Log}}")
    return str(log[-1]["Output"])


def test_full_disk_is_told_and_nats_is_started_again_once_there_is_room(
    stack: Containers, disk: SmallDisk
) -> None:
    stack.recovered()
    restarts = stack.inspect(_NATS, "{{.RestartCount}}")

    disk.fill()

    # A short envelope may still find room in a page that was begun; a few calls do not.
    stack.eventually(lambda: stack.answers(503), expected=True, seconds=RECOVERY_S)
    stack.eventually(lambda: gateway_readiness(stack), (503, UNWRITABLE), RECOVERY_S)

    assert httpx.get(f"{stack.url()}/health", timeout=20).json()["status"] == "degraded"
    refused = stack.image()
    assert (refused.status_code, refused.json()["error"]["message"]) == (503, UNWRITABLE)
    assert natsserver.STUCK in checked(stack)
    stack.eventually(lambda: stack.states()[_NATS]["Health"], "unhealthy", RECOVERY_S)
    assert stack.inspect(_NATS, "{{.RestartCount}}") == restarts

    disk.free()

    stack.eventually(lambda: stack.inspect(_NATS, "{{.RestartCount}}"), restarts + 1, RECOVERY_S)
    stack.recovered()
    assert "health check: NATS takes no writes" in stack.said("nats")
    accounted(stack)
