"""Whose fault a failure was, found out by comparing: real processes and demo servers, two keys."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.ledger import credential_hash
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

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

    def break_servers(self, *names: str, **fault: Any) -> None:
        """Let these answer so to everybody; the others are well."""
        for server in SERVERS:
            self.stack.faults(server, **(fault if server in names else {}))

    def doctor(self) -> dict[str, str]:
        """What is wrong with the sessions, by code."""
        told = json.loads(self.stack.tidegate("doctor", "--json").stdout)["findings"]
        return {one["code"]: one["message"] for one in told if one["area"] == "sessions"}

    def metric(self, name: str) -> float:
        """What the pool says of itself."""
        text = httpx.get(f"http://127.0.0.1:{self.stack.health['pool']}/metrics").text
        return float(next(line for line in text.splitlines() if line.startswith(name)).split()[1])

    def change(self, session_id: str, **fields: Any) -> None:
        self.stack.api(f"/api/sessions/{session_id}", "PATCH", json=fields)

    def session(self, session_id: str) -> Any:
        return self.stack.api(f"/api/sessions/{session_id}")

    def events(self, after: int, *types: str) -> list[Any]:
        told = self.stack.api(f"/api/events?after={after}&limit=1000")["data"]
        return [one for one in told if not types or one["type"] in types]


@contextmanager
def blamed_stack(home: Path) -> Iterator[Blaming]:
    """Start everything; in the end nothing in the log is wrong."""
    stack = Stack(home, TIDEGATE_POOL_MIN_SIZE="0", TIDEGATE_POOL_PROVISIONER_KIND="none")
    try:
        servers = stack.servers_toml(*SERVERS)
        stack.configure(
            f'{servers}\n[services.image]\ndaily_limit = 100\npaths = ["/v1/images/"]\n'
        )
        stack.start_all(*SERVERS)
        stack.environment["TIDEGATE_API"] = stack.url()
        yield Blaming(stack)
        assert stack.audit()["violations"] == []
    finally:
        stack.close()


@pytest.fixture(scope="module")
def blaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blaming]:
    with blamed_stack(tmp_path_factory.mktemp("blame")) as made:
        yield made


@pytest.mark.parametrize("status", [403, 402, 404])
@pytest.mark.parametrize("at_once", [1, 6])
def test_session_that_fails_every_call_costs_three_before_it_stands_last(
    blaming: Blaming, status: int, at_once: int
) -> None:
    """Calls one by one, and six at once; then the others go, and it is asked and cleared.

    Of six at once two more may be under way with it, before one has been served beside it there.
    """
    stack = blaming.stack
    credentials = [f"credential-{status}-{at_once}-{number}" for number in range(4)]
    broken, *others = blaming.replace_sessions(*credentials)
    blaming.break_credential(credentials[0], status)
    before = stack.api("/api/events?limit=1")["last"]

    with ThreadPoolExecutor(at_once) as clients:
        answers = [*clients.map(lambda _: blaming.call(), range(CALLS))]

    lost = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in lost} == {status}
    assert len(lost) <= (3 if at_once == 1 else 5)
    view = blaming.session(broken)
    assert view["doubts"] >= 1
    assert view["reason"].startswith("doubtful: ")
    told = blaming.events(before, "session_doubted")
    assert {one["session_id"] for one in told} == {broken}

    for server in SERVERS:
        stack.faults(server)
    for session_id in others:
        blaming.change(session_id, status="draining")
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


def test_pool_whose_every_login_expires_says_so_and_comes_back_by_itself(
    blaming: Blaming,
) -> None:
    """Both servers refuse every login; after a minute of the log's one call tries, and no more.

    Then one server believes them again, and trials bring all of them back, whoever accused them.
    """
    stack = blaming.stack
    sessions = blaming.replace_sessions(*(f"expired-{number}" for number in range(4)))
    blaming.break_servers(*SERVERS, kind="unauthorized")
    before = stack.api("/api/events?limit=1")["last"]

    answers = [blaming.call() for _ in range(60)]

    codes = [answer.json()["error"]["code"] for answer in answers]
    # A request suspects one session: the fourth is refused by what it has just shown itself.
    assert codes[3:] == ["upstream_credentials_exhausted"] * 57
    assert {answer.headers["x-should-retry"] for answer in answers[3:]} == {"false"}
    (told,) = blaming.events(before, "credentials_refused")
    assert (told["suspects"], told["disabled"]) == (4, 0)
    assert not blaming.events(before, "session_recovered", "server_ejected")
    assert "suspect or disabled" in blaming.doctor()["logins_refused"]
    assert blaming.metric("tidegate_pool_logins_refused") == 1.0

    def tried() -> list[str]:
        granted = blaming.events(before, "lease_granted")
        return [one["session_id"] for one in granted if one.get("trial")]

    stack.set_clock(61)
    stack.eventually(lambda: blaming.call() and len(tried()), 1)
    for _ in range(10):
        assert blaming.call().json()["error"]["code"] == "upstream_credentials_exhausted"
    assert len(tried()) == 1
    assert {blaming.session(name)["status"] for name in sessions} == {"suspect"}

    blaming.break_servers("one", kind="unauthorized")
    minutes = iter(range(120, 1200, 61))

    def statuses() -> set[str]:
        stack.set_clock(next(minutes))
        for _ in range(5):
            blaming.call()
        return {blaming.session(name)["status"] for name in sessions}

    stack.eventually(statuses, {"active"})
    assert "logins_refused" not in blaming.doctor()
    assert blaming.metric("tidegate_pool_logins_refused") == 0.0
    blaming.break_servers()


def test_one_of_two_servers_that_refuses_every_login_is_blamed_once_the_other_served(
    tmp_path: Path,
) -> None:
    """On a stack of its own: both servers are up and believed."""
    with blamed_stack(tmp_path / "home") as blaming:
        sessions = blaming.replace_sessions(*(f"accused-{number}" for number in range(6)))
        blaming.break_servers("two", kind="unauthorized")

        answers = [blaming.call().status_code for _ in range(30)]

        blamed = blaming.events(0, "session_recovered")

        assert set(answers) == {200}
        assert {one["server_id"] for one in blamed} == {"two"}
        assert {blaming.session(name)["status"] for name in sessions} == {"active"}
        blaming.stack.eventually(
            lambda: [one["server_id"] for one in blaming.events(0, "server_ejected")], ["two"]
        )


def test_what_drains_is_not_used_up_and_what_is_used_up_says_until_when(blaming: Blaming) -> None:
    drains, works = blaming.replace_sessions("drains", "works")
    for session_id in (drains, works):
        blaming.change(session_id, limits={"image": 1})
    blaming.change(drains, status="draining")

    first = [blaming.call() for _ in range(2)]
    blaming.change(drains, status="active")
    second = [blaming.call() for _ in range(2)]

    saturated, exhausted = (answers[1].json()["error"] for answers in (first, second))
    assert [answer.status_code for answer in (*first, *second)] == [200, 503, 200, 429]
    assert (saturated["code"], exhausted["code"]) == ("pool_saturated", "pool_quota_exhausted")
    assert "; the next quota day begins at 20" in exhausted["message"]
    assert exhausted["message"].endswith("T00:00:00Z")
