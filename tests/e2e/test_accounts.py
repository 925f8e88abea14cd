"""Accounts asked after, servers recognised: a gateway before servers of all four dialects."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Stack

DIALECTS = ("jimeng", "drraw", "jimeng-free-all", "jimeng-free")
PROXIED = "http://me:password-of-a-proxy@10.0.0.9:1080@token-behind-a-proxy"
CREDENTIALS = ("token-of-a-plain-account", PROXIED, "us-token-of-a-region", "token-to-be-emptied")
SECRETS = ("password-of-a-proxy", "token-behind-a-proxy", "token-of-a-region", "token-of-a-plain")


class Asked:
    """A stack whose four servers speak a dialect each, and one that is plain and has no model."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sessions: list[str] = []

    def token(self, path: str, session: str | None = None, **more: Any) -> httpx.Response:
        query = {"session": session} if session is not None else {}
        return httpx.post(
            f"{self.stack.url()}{path}",
            params=query | more.pop("params", {}),
            headers={"Authorization": f"Bearer {more.pop('key', self.stack.operator_key)}"},
            timeout=20,
            **more,
        )

    def account(self, dialect: str, **account: Any) -> None:
        url = f"{self.stack.demo_url(dialect)}/demo/accounts"
        assert httpx.post(url, json=[account] if account else []).status_code == 200

    def seen(self, dialect: str) -> list[dict[str, Any]]:
        url = f"{self.stack.demo_url(dialect)}/demo/requests?path=/token/"
        requests: list[dict[str, Any]] = httpx.get(url).json()["requests"]
        return requests

    def test(self, session: str, server: str = "", status: int = 200) -> Any:
        query = f"?server={server}" if server else ""
        answer = self.post(f"/api/sessions/{session}/test{query}")
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str) -> httpx.Response:
        key = {"Authorization": f"Bearer {self.stack.operator_key}"}
        return httpx.post(f"{self.stack.url()}{path}", headers=key, timeout=20)

    def remaining(self, session: str) -> list[int]:
        found: dict[str, int] = self.stack.api(f"/api/sessions/{session}")["remaining"]
        return [*found.values()]

    def said(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.stack.tidegate(*arguments)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    stack = Stack(tmp_path_factory.mktemp("accounts"), TIDEGATE_POOL_MIN_SIZE="0")
    try:
        given = {name.replace("-", "_"): f'dialect = "{name}"' for name in DIALECTS}
        servers = stack.servers_toml(*DIALECTS, "plain", **given)
        stack.configure(f'{servers}\n[pool.provisioner]\nkind = "none"\n')
        stack.start_nats()
        for name in DIALECTS:
            stack.start_demo(name, "--dialect", name)
        stack.start_demo("plain")
        for service in ("pool", "balancer", "analytics"):
            stack.start(service, service)
        stack.start_gateway()
        for name in (*DIALECTS, "plain"):
            stack.wait_url(f"{stack.demo_url(name)}/ping")
        stack.ready("pool", "balancer", "analytics", "gateway")
        stack.environment["TIDEGATE_API"] = stack.url()
        made = Asked(stack)
        for credential in CREDENTIALS:
            region, dash, rest = credential.partition("-")
            named = {"region": region, "credential": rest} if region == "us" and dash else {}
            body = named or {"credential": credential}
            made.sessions += stack.api("/api/sessions", "POST", json=body)["data"]
        views = stack.api("/api/servers")["data"]
        stack.eventually(lambda: len(views) >= 5 and _healthy(stack), expected=True)
        yield made
    finally:
        stack.close()


def _healthy(stack: Stack) -> bool:
    return all(view["healthy"] for view in stack.api("/api/servers")["data"])


@pytest.fixture(autouse=True)
def well(asked: Asked) -> Iterator[None]:
    """Every account is well before a test, and no credential was said to anybody after it."""
    for name in DIALECTS:
        asked.account(name)
        asked.stack.faults(name)
    yield
    logs = "".join(path.read_text() for path in asked.stack.home.glob("*.log"))
    assert not any(secret in logs for secret in SECRETS)


@pytest.mark.parametrize("number", range(3))
def test_points_of_a_session_come_back_without_its_credential(asked: Asked, number: int) -> None:
    answer = asked.token("/token/points", asked.sessions[number], params={"x": "1"})

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-session-id"] == asked.sessions[number]
    server = answer.headers["x-server-id"]
    assert server != "drraw"
    assert server in {"jimeng", "plain"} or number == 0
    assert not any(secret in answer.text for secret in SECRETS)
    if server != "plain":
        (told,) = answer.json()
        assert (told["token"].endswith("(credential)"), told["points"]["totalCredit"]) == (True, 60)
        assert asked.seen(server)[0]["target"] == "/token/points?x=1"


@pytest.mark.parametrize("number", range(3))
def test_check_of_a_session_sends_its_credential_in_the_body(asked: Asked, number: int) -> None:
    credential = json.dumps({"token": CREDENTIALS[number]}).encode()

    answer = asked.token("/token/check", asked.sessions[number], json={"token": "another"})

    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["live"], bool)
    server = answer.headers["x-server-id"]
    able = {0: {*DIALECTS, "plain"}, 1: {"jimeng", "plain"}, 2: {"jimeng", "plain", "drraw"}}
    assert server in able[number]
    sent = asked.seen(server)[0]
    assert (sent["target"], sent["body_bytes"]) == ("/token/check", len(credential))
    assert "authorization" not in {name.lower() for name, _ in sent["headers"]}
    assert asked.stack.operator_key not in json.dumps(sent)


def test_answer_that_is_compressed_is_concealed_too(asked: Asked) -> None:
    for name in (*DIALECTS, "plain"):
        asked.stack.faults(name, kind="gzip", path="/token/points")

    answer = asked.token("/token/points", asked.sessions[0])

    assert "content-encoding" not in answer.headers
    assert answer.json()[0]["points"]["totalCredit"] == 60
    asked.stack.faults("plain")
    assert not any(secret in answer.text for secret in SECRETS)


def test_call_without_a_session_passes_as_it_came(asked: Asked) -> None:
    answer = asked.token("/token/check", json={"token": "mine"}, params={"sessions": "no"})

    assert answer.status_code == 200
    assert asked.seen(answer.headers["x-server-id"])[0]["target"] == "/token/check?sessions=no"


def test_session_that_is_not_there_or_not_named_is_told(asked: Asked) -> None:
    unknown = asked.token("/token/points", "ses_nobody")
    nameless = asked.token("/token/points", "")
    client = asked.token("/token/points", asked.sessions[0], key=asked.stack.client_key)

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert (nameless.status_code, nameless.json()["error"]["param"]) == (400, "session")
    assert client.status_code == 403


@pytest.mark.parametrize(
    ("server", "paths", "judged"),
    [
        ("jimeng", ["POST /token/check", "POST /token/points"], "alive"),
        ("jimeng-free-all", ["POST /token/points"], "alive"),
        ("jimeng-free", ["POST /token/points"], "alive"),
        ("drraw", ["POST /token/check"], "unknown"),
        ("plain", [], "unknown"),
    ],
)
def test_account_is_asked_after_as_each_dialect_can(
    asked: Asked, server: str, paths: list[str], judged: str
) -> None:
    found = asked.test(asked.sessions[0], server)

    assert (found["server_id"], found["dialect"], found["asked"]) == (server, server, paths)
    assert found["judged"] == judged
    assert (found["points"] or {}).get("totalCredit") == (60 if judged == "alive" else None)
    assert bool(found["message"]) == (judged == "unknown")


@pytest.mark.parametrize("server", DIALECTS)
def test_expired_login_is_dead_and_makes_a_suspect_until_it_lives(
    asked: Asked, server: str
) -> None:
    asked.account(server, expired=True)

    found = asked.test(asked.sessions[0], server)

    assert (found["judged"], found["used_up"]) == ("dead", False)
    assert "login error" in found["message"]
    assert found["status"] == "suspect"
    assert asked.stack.api(f"/api/sessions/{asked.sessions[0]}")["status"] == "suspect"

    asked.account(server)
    cleared = asked.test(asked.sessions[0], "jimeng")

    assert (cleared["judged"], cleared["status"]) == ("alive", "active")


def test_failure_that_repeats_the_credential_is_told_without_it(asked: Asked) -> None:
    message = f"[请求失败]: {PROXIED} (错误码: 7)"
    asked.stack.faults("jimeng", kind="code", code=-2001, message=message, path="/token/points")

    found = asked.test(asked.sessions[1], "jimeng")

    assert (found["judged"], found["points"]) == ("alive", None)
    asked.stack.faults("jimeng", kind="code", code=-2001, message=message, path="/token/")
    found = asked.test(asked.sessions[1], "jimeng")
    assert (found["judged"], "(credential)" in found["message"]) == ("unknown", True)
    assert not any(secret in json.dumps(found) for secret in SECRETS)


def test_server_that_does_not_answer_tells_nothing(asked: Asked) -> None:
    asked.stack.faults("drraw", kind="cut_before", path="/token/")

    found = asked.test(asked.sessions[0], "drraw")

    assert (found["judged"], found["asked"]) == ("unknown", ["POST /token/check"])


def test_proxy_goes_only_where_it_can_be_said(asked: Asked) -> None:
    assert asked.test(asked.sessions[1])["server_id"] == "jimeng"
    refused = asked.test(asked.sessions[1], "drraw", status=400)
    assert (refused["error"]["param"], "proxy" in refused["error"]["message"]) == ("server", True)
    assert asked.test(asked.sessions[2], "drraw")["judged"] == "unknown"
    assert asked.test(asked.sessions[2], "jimeng-free", status=400)
    assert asked.test(asked.sessions[0], "nobody", status=404)
    assert asked.test("ses_nobody", status=404)


def test_account_without_points_is_used_up_until_its_reset(asked: Asked) -> None:
    session = asked.sessions[3]
    asked.account("jimeng", gift=0)

    found = asked.test(session, "jimeng")

    assert (found["judged"], found["used_up"], found["points"]["totalCredit"]) == ("alive", True, 0)
    view = asked.stack.api(f"/api/sessions/{session}")
    assert view["status"] == "active"
    assert set(view["remaining"].values()) == {0}
    assert asked.test(session, "jimeng")["used_up"] is True
    rows = "select count(*) from entity_events where event = 'quota_observed' and caused_by <> ''"
    asked.stack.eventually(
        lambda: asked.stack.api("/api/sql", "POST", json={"query": rows})["rows"][0][0], 3
    )
    assert asked.stack.audit()["exit"] == 0
    cleared = asked.said("sessions", "clear", session)
    assert (cleared.returncode, set(asked.remaining(session))) == (0, {0})


def test_points_of_the_day_are_collected_where_there_are_none(asked: Asked) -> None:
    asked.account("jimeng", gift=0, daily=66)

    done = asked.said("sessions", "receive", asked.sessions[1], "--json")

    (found,) = json.loads(done.stdout)["data"]
    assert (done.returncode, found["received"], found["server_id"]) == (0, True, "jimeng")
    assert found["asked"] == ["POST /token/points", "POST /token/receive"]
    assert (found["before"]["totalCredit"], found["after"]["totalCredit"]) == (0, 66)
    asked.account("jimeng", gift=0)
    refused = asked.said("sessions", "receive", asked.sessions[1])
    assert "34010100" in refused.stdout
    wrong = asked.post(f"/api/sessions/{asked.sessions[0]}/receive?server=drraw")
    assert (wrong.status_code, "jimeng" in wrong.json()["error"]["message"]) == (400, True)
    asked.account("jimeng", expired=True)
    expired = asked.post(f"/api/sessions/{asked.sessions[0]}/receive").json()
    assert (expired["received"], expired["asked"]) == (False, ["POST /token/points"])
    assert "login error" in expired["message"]


def test_verb_tests_several_one_after_another(asked: Asked) -> None:
    two = asked.said("sessions", "test", *asked.sessions[:2], "--server", "jimeng")
    assert (two.returncode, two.stdout.count("alive")) == (0, 2)
    assert "gift 60 purchase 0 vip 0 total 60" in two.stdout
    some = asked.said("sessions", "test", "--all", "--limit", "3", "--json")
    assert len(json.loads(some.stdout)["data"]) == 3
    assert "1 more session was not tested" in some.stderr
    asked.account("jimeng", expired=True)
    dead = asked.said("sessions", "test", asked.sessions[0], "ses_nobody", "--server", "jimeng")
    assert dead.returncode == 1
    assert "dead" in dead.stdout
    assert "suspect" in dead.stdout
    assert "not asked" in dead.stdout
    assert asked.said("sessions", "test").returncode == 2
    assert asked.said("sessions", "test", "x", "--all").returncode == 2
    assert asked.said("sessions", "receive").returncode == 2


def test_servers_are_recognised_beside_what_is_configured(asked: Asked) -> None:
    done = asked.said("servers", "probe", "--json")
    told = json.loads(done.stdout)["data"]

    assert done.returncode == 0, done.stdout
    assert {one["server"]: one["recognised"] for one in told} == {
        **{name: name for name in DIALECTS},
        "plain": "plain",
    }

    assert asked.said("servers", "change", "drraw", "--dialect", "jimeng").returncode == 0
    try:
        differs = asked.said("servers", "probe", "drraw", asked.stack.demo_url("jimeng"))
    finally:
        asked.said("servers", "change", "drraw", "--dialect", "drraw")
    assert differs.returncode == 1
    assert "tidegate servers change drraw --dialect drraw" in differs.stdout
    silent = asked.said("servers", "probe", "http://127.0.0.1:1")
    assert (silent.returncode, "connection refused" in silent.stdout) == (1, True)
    assert asked.said("servers", "probe", "nobody").returncode == 1
    assert asked.said("servers", "probe", "ftp://127.0.0.1").returncode == 2


def test_doctor_says_who_may_reach_a_server_that_does_too_much(asked: Asked) -> None:
    findings = json.loads(asked.said("doctor", "--json").stdout)["findings"]

    told = [one for one in findings if one["area"] == "servers" and "alone" in one["message"]]
    assert {one["message"].partition(" ")[0] for one in told} == {"drraw", "jimeng-free-all"}
    assert {one["state"] for one in told} == {"fine"}


def test_configuration_is_made_of_the_servers_that_were_named(asked: Asked) -> None:
    file = asked.stack.home / "made.toml"
    urls = [asked.stack.demo_url(name) for name in ("drraw", "plain")]
    servers = [word for url in urls for word in ("--server", url)]

    done = asked.said("init", *servers, "--server", "http://127.0.0.1:1", "--file", str(file))

    assert done.returncode == 0, done.stderr
    assert file.read_text().count('dialect = "drraw"') == 1
    assert "did not answer" in done.stderr
    environment = {**asked.stack.environment, "TIDEGATE_CONFIG": str(file)}
    asked.stack.environment, kept = environment, asked.stack.environment
    try:
        assert asked.said("config", "check").returncode == 0
    finally:
        asked.stack.environment = kept
    again = asked.said("init", *servers, "--file", str(file))
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    forced = asked.said("init", *servers, "--file", str(file), "--force", "--json")
    assert [one["dialect"] for one in json.loads(forced.stdout)["servers"]] == ["drraw", "plain"]
    assert asked.said("init").returncode == 2
    assert asked.said("init", "--server", "host").returncode == 2
    assert asked.said("init", *servers, *servers).returncode == 2
    nowhere = asked.said("init", *servers, "--file", "/nowhere/made.toml")
    assert (nowhere.returncode, "cannot be written" in nowhere.stderr) == (1, True)
