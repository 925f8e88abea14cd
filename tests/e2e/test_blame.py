"""Whose fault a failure was, found out by comparing: real processes and demo servers, two keys."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from demo.ledger import credential_hash
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(300)

SERVERS = ("one", "two")
CALLS = 24


class Blaming:
    """A stack whose pool has a test's sessions, and two client keys that call in turn."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.keys = [stack.client_key, self.post("/api/keys", {"name": "second"})["key"]]
        self.calls = 0

    def post(self, path: str, body: Any) -> Any:
        return self.stack.api(path, "POST", json=body)

    def call(self) -> httpx.Response:
        """Ask for an image, with the other key than the last time."""
        self.calls += 1
        return httpx.post(
            f"{self.stack.url()}/v1/images/generations",
            headers={"Authorization": f"Bearer {self.keys[self.calls % 2]}"},
            json={"model": "jimeng-4.0", "prompt": "a gate"},
            timeout=60,
        )

    def replace_sessions(self, *credentials: str) -> list[str]:
        """Retire all, and add those of these credentials; their ids."""
        for session in self.stack.api("/api/sessions")["data"]:
            if session["status"] != "retired":
                self.stack.api(f"/api/sessions/{session['session_id']}", "DELETE")
        items = [{"credential": credential} for credential in credentials]
        added: list[str] = self.post("/api/sessions", items)["added"]
        return added

    def break_credential(self, credential: str, status: int) -> None:
        """Let every server answer so to everything that comes with it."""
        broken = credential_hash(f"Bearer {credential}")
        for server in SERVERS:
            self.stack.faults(server, kind="status", status=status, credential=broken)

    def session(self, session_id: str) -> Any:
        return self.stack.api(f"/api/sessions/{session_id}")

    def events(self, after: int, *types: str) -> list[Any]:
        told = self.stack.api(f"/api/events?after={after}&limit=1000")["data"]
        return [one for one in told if not types or one["type"] in types]


@pytest.fixture(scope="module")
def blaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blaming]:
    stack = Stack(tmp_path_factory.mktemp("blame"), TIDEGATE_POOL_MIN_SIZE="0")
    try:
        servers = stack.servers_toml(*SERVERS)
        stack.configure(
            f'{servers}\n[pool.provisioner]\nkind = "none"\n[services.image]\ndaily_limit = 100\n'
            'paths = ["/v1/images/"]\n'
        )
        stack.start_all(*SERVERS)
        stack.environment["TIDEGATE_API"] = stack.url()
        yield Blaming(stack)
        assert stack.audit()["violations"] == []
    finally:
        stack.close()


@pytest.mark.parametrize("status", [403, 402, 404])
@pytest.mark.parametrize("at_once", [1, 6])
def test_session_that_fails_every_call_costs_three_before_it_stands_last(
    blaming: Blaming, status: int, at_once: int
) -> None:
    """Calls one by one, and six at once; then the others go, and it is asked and cleared."""
    stack = blaming.stack
    credentials = [f"credential-{status}-{at_once}-{number}" for number in range(4)]
    broken, *others = blaming.replace_sessions(*credentials)
    blaming.break_credential(credentials[0], status)
    before = stack.api("/api/events?limit=1")["last"]

    with ThreadPoolExecutor(at_once) as clients:
        answers = [*clients.map(lambda _: blaming.call(), range(CALLS))]

    lost = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in lost} == {status}
    assert len(lost) <= 3
    view = blaming.session(broken)
    assert view["doubts"] >= 1
    assert view["reason"].startswith("doubtful: ")
    told = blaming.events(before, "session_doubted")
    assert {one["session_id"] for one in told} == {broken}

    for server in SERVERS:
        stack.faults(server)
    for session_id in others:
        stack.api(f"/api/sessions/{session_id}", "PATCH", json={"status": "draining"})
    assert blaming.call().status_code == 200
    stack.eventually(lambda: "doubts" in blaming.session(broken), expected=False)


def test_doubt_is_told_in_words(blaming: Blaming) -> None:
    stack = blaming.stack
    broken, *_ = blaming.replace_sessions(*(f"worded-{number}" for number in range(4)))
    blaming.break_credential("worded-0", 403)
    before = stack.api("/api/events?limit=1")["last"]

    for _ in range(10):
        blaming.call()

    (event,) = blaming.events(before, "session_doubted")

    assert event["session_id"] == broken

    def is_told() -> bool:
        story = stack.tidegate("explain", event["request_id"]).stdout
        return f"session {broken} is doubted: answered 403; " in story

    stack.eventually(is_told, expected=True)
