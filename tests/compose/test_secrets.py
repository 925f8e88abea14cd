"""Planted keys and credentials, and those the stack made itself: no container shows any of them.

Looked for in what the engine tells of containers, in the environment of their processes, in what
they wrote, and in every layer of the image. Each service sees its own secrets alone.
"""

import base64
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.compose.conftest import PLANTED
from tests.compose.containers import IMAGE, Containers, run

CREDENTIALS = ("planted-credential-one-5d1c6f", "planted-credential-two-8e0b7a")
OWN = {
    "gateway": {"gateway.nats", "master.key", "identity.key"},
    "pool": {"pool.nats", "master.key", "identity.key"},
    "balancer": {"balancer.nats"},
    "analytics": {"analytics.nats"},
}
IN_THE_IMAGE = b"A container's health check"
"""What the search of the layers must find, or it finds nothing at all."""


def forms(secret: str) -> set[bytes]:
    """How a secret might be written: as it is, in hex, in base64 wherever it begins."""
    raw = secret.encode()
    found = {raw, raw.hex().encode()}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"\0" * before + raw)[4 if before else 0 :].rstrip(b"=")[:-1])
    return found


class Search:
    """Secrets by name, and where any form of one was found."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.forms = {form: name for name, secret in secrets.items() for form in forms(secret)}
        self._pattern = re.compile(b"|".join(map(re.escape, self.forms)))
        self._longest = max(map(len, self.forms))
        self.found: set[str] = set()
        self.bytes: dict[str, int] = {}

    def look(self, place: str, *chunks: bytes) -> None:
        """Look into what comes in pieces, also where two of them meet."""
        before = b""
        for chunk in chunks:
            self.bytes[place] = self.bytes.get(place, 0) + len(chunk)
            for match in self._pattern.finditer(before + chunk):
                self.found.add(f"{self.forms[match[0]]} in {place}")
            before = chunk[-self._longest :]


@pytest.fixture(scope="module")
def secrets(stack: Containers) -> dict[str, str]:
    """Every secret of the stack, by its file's name, and the planted ones."""
    volume = f"{stack.project}_secrets:/s:ro"
    listing = (
        'cd /s; for name in *.key secrets/*.key secrets/*.nats; do echo "$name $(cat $name)"; done'
    )
    words = ("docker", "run", "--rm", "--user", "0", "-v", volume, "--entrypoint", "sh", IMAGE)
    lines = run(*words, "-c", listing).splitlines()
    found = {Path(name).name: secret for name, secret in map(str.split, lines)}
    assert {"operator.key", "client.key", "identity.key", "pool.nats", "auditor.nats"} <= set(found)
    assert found["operator.key"] == PLANTED["TIDEGATE_ADMIN_KEY"]
    return found | {"master.key": PLANTED["TIDEGATE_SECRET_KEY"]}


@pytest.fixture(scope="module")
def used(stack: Containers) -> None:
    """Credentials are added, used, refused by servers that repeat them, and taken out again."""
    sessions = [{"credential": credential} for credential in CREDENTIALS]
    added = stack.api("/api/sessions", "POST", json=sessions)["data"]
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
    search = Search(secrets | {text: text for text in CREDENTIALS})

    for name, state in stack.states().items():
        search.look("inspect", run("docker", "inspect", stack.named(name)).encode())
        if state["State"] == "running":
            for what in ("environ", "cmdline"):
                told = stack.execute(name, "cat", f"/proc/1/{what}")
                assert told.returncode == 0, told.stderr
                search.look("process", told.stdout.encode())
        done = subprocess.run(
            ["docker", "logs", stack.named(name)], capture_output=True, timeout=60, check=True
        )
        search.look("log", done.stdout + done.stderr)

    assert search.found == set()
    assert min(search.bytes.values()) > 1000, search.bytes


def test_image_holds_no_secret(stack: Containers, secrets: dict[str, str], tmp_path: Path) -> None:
    assert (stack.folder / ".env").exists()  # it was there when the image was built
    search = Search(secrets)
    search.look("history", run("docker", "history", "--no-trunc", IMAGE).encode())
    search.look("image", run("docker", "inspect", IMAGE).encode())
    sought = tmp_path / "sought"
    sought.write_bytes(b"\n".join([*search.forms, IN_THE_IMAGE]))

    # `docker save` writes every layer as it is, uncompressed; grep is a hundred times faster.
    script = f"docker save {IMAGE} | LC_ALL=C grep -a -o -F -f {sought}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=300, check=True)
    search.look("layers", done.stdout)

    assert search.found == set()
    assert IN_THE_IMAGE in done.stdout


@pytest.mark.parametrize("service", OWN)
def test_service_sees_its_own_secrets_alone(
    stack: Containers, secrets: dict[str, str], service: str
) -> None:
    readable = "cat $(find /var/lib/tidegate /homes /configuration /tmp -type f) 2>/dev/null; true"
    for name in stack.of(service):
        told = stack.execute(name, "sh", "-c", readable).stdout
        assert {file for file, secret in secrets.items() if secret in told} == OWN[service]


def test_search_finds_what_it_is_meant_to_find() -> None:
    secret = "planted-in-a-test"
    for text in (
        b"a" + secret.encode(),
        base64.b64encode(b"a" + secret.encode() + b"bc"),
        secret.encode().hex().encode(),
    ):
        search = Search({"it": secret})
        search.look("here", text[:9], text[9:])
        assert search.found == {"it in here"}, text
    search = Search({"it": secret})
    search.look("here", b"planted-in-another-test")
    assert search.found == set()
