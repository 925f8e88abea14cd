"""Planted keys and credentials, and those the stack made itself: no container shows any of them.

Looked for in what the engine tells of containers, in the environment of their processes, in what
they wrote, and in every layer of the image. Each service sees its own secrets alone.
"""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.compose.conftest import PLANTED
from tests.compose.containers import IMAGE, Containers, run_command
from tests.e2e.search import Search
from tests.waiting import wait_for

CREDENTIALS = ("planted-credential-one-5d1c6f", "planted-credential-two-8e0b7a")
OWN = {
    "gateway": {"gateway.nats", "master.key", "identity.key"},
    "pool": {"pool.nats", "snapshotter.nats", "master.key", "identity.key"},
    "balancer": {"balancer.nats"},
    "analytics": {"analytics.nats"},
}
CALLS_MAX = 100
IN_THE_IMAGE = b"A container's health check"
"""What the search of the layers must find, or it finds nothing at all."""


def sought(secrets: dict[str, str]) -> Search:
    search = Search()
    for name, secret in secrets.items():
        search.add(name, secret)
    return search


@pytest.fixture(scope="module")
def secrets(stack: Containers) -> dict[str, str]:
    """Every secret of the stack, by its file's name, and the planted ones."""
    volume = f"{stack.project}_secrets:/s:ro"
    listing = (
        'cd /s; for name in *.key secrets/*.key secrets/*.nats; do echo "$name $(cat $name)"; done'
    )
    words = ("docker", "run", "--rm", "--user", "0", "-v", volume, "--entrypoint", "sh", IMAGE)
    lines = run_command(*words, "-c", listing).splitlines()
    found = {Path(name).name: secret for name, secret in map(str.split, lines)}
    assert {"operator.key", "client.key", "identity.key", "pool.nats", "auditor.nats"} <= set(found)
    assert found["operator.key"] == PLANTED["TIDEGATE_ADMIN_KEY"]
    return found | {"master.key": PLANTED["TIDEGATE_SECRET_KEY"]}


def uses(stack: Containers, session: str) -> int:
    usage = stack.api(f"/api/session/usage?sessionId={session}")["usage"]
    return int(usage["image_count"])


@pytest.fixture(scope="module")
def used(stack: Containers) -> None:
    """Credentials are added, used, refused by servers that repeat them, and taken out again."""
    # What can do nothing rarer than images is chosen for them first.
    limits = {"image": CALLS_MAX, "video": 0, "avatar": 0}
    sessions = [{"credential": credential, "limits": limits} for credential in CREDENTIALS]
    added = stack.api("/api/sessions", "POST", json=sessions)["data"]
    for _ in range(CALLS_MAX):
        stack.image()
        if all(uses(stack, session) for session in added):
            break
    # The projection may be behind: the tests before have stopped and started everything.
    wait_for(lambda: all(uses(stack, session) for session in added))
    for kind in ("garbage", "cut_body", "empty"):
        stack.faults("one", kind=kind)
        stack.faults("two", kind=kind)
        assert stack.image().status_code >= 400
    stack.faults("one")
    stack.faults("two")
    headers = {"Authorization": f"Bearer {CREDENTIALS[0]}"}
    refused = httpx.post(f"{stack.url()}/v1/images/generations", headers=headers, json={})
    assert refused.status_code == 401
    for session in added:
        stack.api(f"/api/sessions/{session}", "DELETE")
    stack.recovered()


@pytest.mark.usefixtures("used")
def test_engine_shows_no_secret(stack: Containers, secrets: dict[str, str]) -> None:
    search = sought(secrets | {text: text for text in CREDENTIALS})

    for name, state in stack.states().items():
        search.look(f"inspect {name}", run_command("docker", "inspect", stack.named(name)))
        if state["State"] == "running":
            for what in ("environ", "cmdline"):
                told = stack.execute(name, "cat", f"/proc/1/{what}")
                assert told.returncode == 0, told.stderr
                search.look(f"process {name}", told.stdout)
        done = subprocess.run(
            ["docker", "logs", stack.named(name)], capture_output=True, timeout=60, check=True
        )
        search.look(f"log {name}", done.stdout + done.stderr)

    assert search.found == []
    assert min(search.places.values()) > 1000, search.places


def test_image_holds_no_secret(stack: Containers, secrets: dict[str, str], tmp_path: Path) -> None:
    assert (stack.folder / ".env").exists()  # it was there when the image was built
    search = sought(secrets)
    search.look("history", run_command("docker", "history", "--no-trunc", IMAGE))
    search.look("image", run_command("docker", "inspect", IMAGE))
    needles = tmp_path / "needles"
    needles.write_bytes(b"\n".join([*search.forms, IN_THE_IMAGE]))

    # `docker save` writes every layer as it is, uncompressed; grep is a hundred times faster.
    script = f"docker save {IMAGE} | LC_ALL=C grep -a -o -F -f {needles}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=300, check=True)
    search.look("layers", done.stdout)

    assert search.found == []
    assert IN_THE_IMAGE in done.stdout


@pytest.mark.parametrize("service", OWN)
def test_service_sees_its_own_secrets_alone(
    stack: Containers, secrets: dict[str, str], service: str
) -> None:
    readable = "cat $(find /var/lib/tidegate /homes /configuration /tmp -type f) 2>/dev/null; true"
    for name in stack.of(service):
        told = stack.execute(name, "sh", "-c", readable).stdout
        assert {file for file, secret in secrets.items() if secret in told} == OWN[service]
