"""A pool kept filled and healthy, by real processes: a hook, demo servers, a gateway."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from demo.ledger import credential_hash
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
EXPIRED = {"kind": "code", "code": -2001, "message": "[请求失败]: login error (错误码: 1015)"}
"""How `jimeng-free-all` says it of a generation."""


class GivingHook:
    """A hook that answers all it ever gave and as many new ones as it is asked for."""

    def __init__(self) -> None:
        self.wanted: list[int] = []
        self.given: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = owner.answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body: bytes) -> bytes:
        wanted = json.loads(body)["wanted"]
        self.wanted.append(wanted)
        self.given += [f"token-of-account-{len(self.given) + n}" for n in range(wanted)]
        return json.dumps({"credentials": [{"credential": name} for name in self.given]}).encode()


@pytest.fixture
def hook() -> Iterator[GivingHook]:
    made = GivingHook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def hooked_stack(
    new_stack: Callable[..., Stack], hook: GivingHook, pool: str, *dialects: str
) -> Stack:
    """Two demo servers of these dialects, and sessions of the hook, for two images a day each."""
    stack = new_stack(TIDEGATE_POOL_PROVISIONER_KIND="http", TIDEGATE_POOL_PROVISIONER_URL=hook.url)
    spoken = dict(zip(("one", "two"), dialects, strict=True))
    lines = {name: f'dialect = "{dialect}"' for name, dialect in spoken.items()}
    servers = stack.servers_toml(*spoken, **lines)
    stack.configure(f"[services.image]\ndaily_limit = 2\n[pool]\n{pool}\n{servers}")
    for name, dialect in spoken.items():
        stack.start_demo(name, "--dialect", dialect)
    stack.start_all()
    stack.environment["TIDEGATE_API"] = stack.url()
    return stack


def accounts(stack: Stack, *accounts: dict[str, Any]) -> None:
    """Say at both servers which accounts are not well; none: all are."""
    for name in ("one", "two"):
        url = f"{stack.demo_url(name)}/demo/accounts"
        assert httpx.post(url, json=list(accounts)).status_code == 200


def statuses(stack: Stack) -> list[str]:
    return sorted(one["status"] for one in stack.api("/api/sessions")["data"])


def journalled(stack: Stack, event: str) -> list[dict[str, Any]]:
    query = f"select detail from entity_events where event = '{event}' order by sequence, position"
    rows = stack.api("/api/sql", "POST", json={"query": query})["rows"]
    return [json.loads(row[0]) for row in rows]


def names_of(stack: Stack) -> list[str]:
    return [one["session_id"] for one in stack.api("/api/sessions")["data"]]


def found_alive(stack: Stack) -> set[str]:
    recorded = journalled(stack, "check_recorded")
    return {one["session_id"] for one in recorded if one["judged"] == "alive"}


def judged_dead(stack: Stack) -> list[dict[str, Any]]:
    return [one for one in journalled(stack, "check_recorded") if one["judged"] == "dead"]


def call_until(stack: Stack, true: Callable[[], bool]) -> None:
    """Ask for images, one after another, until something holds."""

    def holds() -> bool:
        stack.image()
        return true()

    stack.eventually(holds, expected=True, seconds=40)


def wrong_codes(stack: Stack) -> set[str]:
    findings = json.loads(stack.tidegate("doctor", "--json").stdout)["findings"]
    return {one["code"] for one in findings if one["state"] == "wrong"}


def test_a_pool_grows_by_its_hook_while_it_is_used_and_to_its_greatest_size(
    new_stack: Callable[..., Stack], hook: GivingHook
) -> None:
    """Ten calls, of which the two first sessions can do four; a refused one is made again."""
    pool = "min_size = 2\nmax_size = 5\nrefresh_threshold = 0.5\nsession_concurrency = 0"
    stack = hooked_stack(new_stack, hook, pool, "drraw", "drraw")
    refusals: set[str] = set()
    served = 0
    while served < 10:
        answer = stack.image()
        served += answer.status_code == 200
        if answer.status_code != 200:
            refusals.add(answer.json()["error"]["code"])

    last = stack.image()

    assert refusals <= {"pool_saturated"}
    assert (last.status_code, last.json()["error"]["code"]) == (429, "pool_quota_exhausted")
    assert hook.wanted == [2, 1, 1, 1]
    stack.wait_for_ends(20)
    assert (stack.served("one", "two"), stack.audit()["exit"]) == (10, 0)


def test_a_pool_whose_every_login_expires_says_so_and_buys_nothing(
    new_stack: Callable[..., Stack], hook: GivingHook
) -> None:
    """A call accuses one of two, a test at the other server the other; both are well again."""
    sizes = "min_size = 2\nmax_size = 9"
    stack = hooked_stack(new_stack, hook, sizes, "jimeng-free-all", "jimeng-free-all")
    accounts(stack, {"expired": True})
    for name in ("one", "two"):
        stack.faults(name, **EXPIRED, path="/v1/")
    stack.image()
    stack.eventually(lambda: statuses(stack), ["active", "suspect"])
    stack.eventually(lambda: len(journalled(stack, "session_suspected")), 1)
    (accused,) = journalled(stack, "session_suspected")
    other = {"one": "two", "two": "one"}[accused["server_id"]]
    (left,) = [name for name in names_of(stack) if name != accused["session_id"]]

    dead = stack.api(f"/api/sessions/{left}/test?server={other}", "POST")
    assert (dead["judged"], dead["status"]) == ("dead", "suspect")
    stack.eventually(lambda: len(journalled(stack, "growth_held")), 1)

    refused = stack.image()

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (502, "upstream_credentials_exhausted")
    assert "no session is added while every login is refused" in error["message"]
    (held,) = journalled(stack, "growth_held")
    assert (held["reason"], held["wanted"]) == ("logins_refused", 1)
    assert {"growth_held", "no_active_session"} <= wrong_codes(stack)
    assert hook.wanted == [2]

    accounts(stack)
    for name in ("one", "two"):
        stack.faults(name)
    for name in names_of(stack):
        tested = stack.api(f"/api/sessions/{name}/test", "POST")
        assert (tested["asked"], tested["judged"]) == (["POST /token/points"], "alive")
        assert tested["status"] == "active"
    stack.eventually(lambda: len(journalled(stack, "growth_resumed")), 1)
    assert stack.image().status_code == 200
    assert hook.wanted == [2]
    assert stack.audit()["exit"] == 0


def test_what_nobody_uses_retires_and_is_brought_back_by_the_hook(
    new_stack: Callable[..., Stack], hook: GivingHook
) -> None:
    """Calls make a pool of one grow to three; two days later it is one again, and grows anew."""
    sizes = "min_size = 1\nmax_size = 3\nrefresh_threshold = 0.5\nsession_concurrency = 0"
    stack = hooked_stack(new_stack, hook, sizes, "drraw", "drraw")
    call_until(stack, lambda: statuses(stack) == ["active"] * 3)

    stack.set_clock(2 * 86_400)
    stack.eventually(lambda: statuses(stack), ["active", "retired", "retired"], 40)
    stack.eventually(lambda: len(journalled(stack, "session_retired")), 2)
    retired = journalled(stack, "session_retired")
    call_until(stack, lambda: statuses(stack) == ["active"] * 3)
    stack.eventually(lambda: len(journalled(stack, "session_revived")), 2)

    assert [(one["reason"], one["by_pool"]) for one in retired] == [("stale", True)] * 2
    revived = journalled(stack, "session_revived")
    assert {one["session_id"] for one in revived} == {one["session_id"] for one in retired}
    assert stack.audit()["exit"] == 0


def test_checks_suspect_what_is_dead_and_clear_what_lives_again(
    new_stack: Callable[..., Stack], hook: GivingHook
) -> None:
    """Three accounts nobody calls with, one of which expires: `drraw` says so, `jimeng` of none."""
    pool = (
        'min_size = 3\nmax_size = 3\nhealth_check_interval = "1s"\n'
        '[pool.check]\nkind = "token_check"\nper_minute = 240'
    )
    stack = hooked_stack(new_stack, hook, pool, "jimeng", "drraw")
    stack.eventually(lambda: len(found_alive(stack)), 3)
    before = [one["remaining"] for one in stack.api("/api/sessions")["data"]]

    accounts(stack, {"credential": credential_hash(hook.given[0]), "expired": True})
    stack.eventually(lambda: statuses(stack), ["active", "active", "suspect"])
    stack.eventually(lambda: bool(judged_dead(stack)), expected=True)
    dead = judged_dead(stack)[0]
    accounts(stack)
    stack.eventually(lambda: statuses(stack), ["active", "active", "active"])

    assert (dead["by"], dead["dialect"], dead["asked"]) == ("pool", "drraw", ["POST /token/check"])
    assert "login error" in dead["message"]
    stack.eventually(lambda: bool(journalled(stack, "session_recovered")), expected=True)
    assert journalled(stack, "session_recovered")[-1]["reason"] == "check_succeeded"
    assert [one["remaining"] for one in stack.api("/api/sessions")["data"]] == before
    assert not journalled(stack, "quota_observed")
    assert stack.audit()["exit"] == 0
    logs = "".join(path.read_text() for path in stack.home.glob("*.log"))
    assert not any(credential in logs for credential in hook.given)
