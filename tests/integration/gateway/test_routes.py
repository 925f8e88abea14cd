"""The operator's doors by themselves: who may come in, every error's shape."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts import subjects
from services.gateway.domain.errors import KINDS
from tests.integration.gateway.doors import Desk

pytestmark = pytest.mark.anyio
ADMIN_ONLY = [
    ("GET", "/api/load-balancer"),
    ("GET", "/api/session/usage?sessionId=x"),
    ("GET", "/api/session/stats?sessionId=x"),
    ("GET", "/api/stats/daily?start=2026-01-01&end=2026-01-01"),
    ("GET", "/api/stats/summary"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("PATCH", "/api/keys/x"),
    ("DELETE", "/api/keys/x"),
    ("POST", "/api/keys/x/rotate"),
    ("GET", "/api/sessions"),
    ("GET", "/api/sessions/x"),
    ("POST", "/api/sessions"),
    ("PATCH", "/api/sessions"),
    ("DELETE", "/api/sessions"),
    ("PATCH", "/api/sessions/x"),
    ("DELETE", "/api/sessions/x"),
    ("POST", "/api/sessions/x/test"),
    ("POST", "/api/sessions/x/receive"),
    ("GET", "/api/leases"),
    ("POST", "/api/leases/x/reconcile"),
    ("GET", "/api/queue"),
    ("DELETE", "/api/queue?all=true"),
    ("GET", "/api/servers"),
    ("POST", "/api/servers"),
    ("PATCH", "/api/servers/x"),
    ("DELETE", "/api/servers/x"),
    ("POST", "/api/servers/x/drain"),
    ("POST", "/api/servers/x/undrain"),
    ("POST", "/api/servers/probe"),
    ("POST", "/api/servers/x/test"),
    ("GET", "/api/balancer/strategy"),
    ("PUT", "/api/balancer/strategy"),
    ("PUT", "/api/balancer/pin"),
    ("DELETE", "/api/balancer/pin"),
    ("GET", "/api/config"),
    ("GET", "/api/secrets"),
    ("POST", "/api/secrets/rotate"),
    ("POST", "/api/config/accept"),
    ("POST", "/api/sql"),
    ("GET", "/api/stats/query?measures=leases"),
    ("GET", "/api/stats/export?measures=leases"),
    ("GET", "/api/stats/words"),
    ("GET", "/api/reports/daily"),
    ("GET", "/api/requests/x/explain"),
    ("GET", "/api/events"),
    ("GET", "/api/events/stream"),
    ("GET", "/api/overview"),
    ("GET", "/api/requests"),
    ("GET", "/api/audit"),
    ("POST", "/api/audit/runs"),
    ("POST", "/api/audit/backups"),
    ("GET", "/api/servers/history"),
    ("GET", "/api/stats/limits"),
    ("GET", "/api/sign-in"),
    ("DELETE", "/api/sign-in"),
    ("POST", "/api/sign-in/links"),
    ("POST", "/api/doctor/try"),
]

REFUSED = [
    ("POST", "/", 405, "method_not_allowed"),
    ("GET", "/nothing/here", 404, "not_found"),
    ("GET", "/api/nothing", 404, "not_found"),
    ("GET", "/schema/nothing", 404, "not_found"),
    ("POST", "/v1/async/images/generations", 404, "not_found"),
    ("POST", "/ping", 405, "method_not_allowed"),
    ("PUT", "/api/keys", 405, "method_not_allowed"),
]
"""Method, path, status, code; the paths of later issues are unknown ones."""
ABSENT = [
    ("/api/session/usage?sessionId=x", "pool", "ledger_unavailable", "2"),
    ("/api/sessions", "pool", "ledger_unavailable", "2"),
    ("/api/leases", "pool", "ledger_unavailable", "2"),
    ("/api/load-balancer", "balancer", "no_backend", "5"),
    ("/api/servers", "balancer", "no_backend", "5"),
    ("/api/stats/summary", "analytics", "ledger_unavailable", "2"),
    ("/api/session/stats?date=2026-01-01", "analytics", "ledger_unavailable", "2"),
]
"""Path, the service it asks, code, seconds to wait."""
WRONG: list[tuple[str, str, Any, str | None, str]] = [
    ("POST", "/api/keys", {}, "name", "missing"),
    ("POST", "/api/keys", {"name": "x", "nam": 1}, "nam", "no such field"),
    ("POST", "/api/keys", {"name": 5}, "name", "expected `str`"),
    ("POST", "/api/keys", {"name": ""}, "name", "1 to 100"),
    ("POST", "/api/keys", {"name": "x", "scope": "boss"}, "scope", "client, admin"),
    ("POST", "/api/keys", {"name": "x", "concurrency": -1}, "concurrency", ">= 0"),
    ("POST", "/api/keys", {"name": "x", "models": [""]}, "models", "patterns"),
    ("POST", "/api/keys", [], None, "expected `object`"),
    ("POST", "/api/keys", None, None, "expected JSON"),
    ("POST", "/api/sessions", [], None, "1 to 10000 sessions"),
    ("POST", "/api/sessions", {"credential": "a b"}, "credential", "no blanks"),
    ("POST", "/api/sessions", [{"credential": "\n"}], "[0].credential", "no blanks"),
    ("POST", "/api/sessions", {"credential": "a", "region": "mars"}, "region", "us, hk"),
    ("POST", "/api/sessions", {"credential": "a", "timezone": "X/Y"}, "timezone", "Shanghai"),
    ("POST", "/api/sessions", {"credential": "a", "timezone": "../x"}, "timezone", "Shanghai"),
    ("POST", "/api/sessions", {"credential": "a", "limits": {"x": 1}}, "limits", "music"),
    ("PATCH", "/api/sessions/x", {}, None, "at least one"),
    ("PATCH", "/api/sessions/x", {"status": "cooling"}, "status", "active, draining"),
    ("PATCH", "/api/sessions/x", {"cool_s": -1}, "cool_s", ">= 0"),
    ("PATCH", "/api/sessions/x", {"limits": {"x": 1}}, "limits", "music"),
    ("POST", "/api/leases/x/reconcile", {"units": 1}, "reason", "missing"),
    ("POST", "/api/leases/x/reconcile", {"units": -1, "reason": "r"}, "units", ">= 0"),
    ("POST", "/api/servers", {"id": "a b", "url": "http://x"}, "id", "regex"),
    ("POST", "/api/servers", {"id": "a"}, "url", "missing"),
    ("PUT", "/api/balancer/strategy", {}, "strategy", "missing"),
    ("PUT", "/api/balancer/strategy", {"strategy": "x", "reason": "y" * 201}, "reason", "<= 200"),
    ("POST", "/api/sql", {"query": ""}, "query", "length >= 1"),
    ("GET", "/api/session/usage", None, "sessionId", "session's id"),
    ("GET", "/api/session/stats", None, "sessionId", "either sessionId"),
    ("GET", "/api/session/stats?sessionId=x&date=2026-01-01", None, "sessionId", "either"),
    ("GET", "/api/session/stats?sessionId=x&days=0", None, "days", "1 to 366"),
    (
        "GET",
        "/api/session/stats?sessionId=x&days=many",
        None,
        "days",
        "expected a whole number, got 'many'",
    ),
    ("GET", "/api/session/stats?sessionId=x&days=1e2", None, "days", "a whole number, got '1e2'"),
    ("GET", "/api/session/stats?date=20260101", None, "date", "2026-01-31"),
    ("GET", "/api/session/stats?date=2026-02-30", None, "date", "2026-01-31"),
    ("GET", "/api/stats/daily", None, "start", "got none"),
    ("GET", "/api/stats/daily?start=2026-01-02&end=2026-01-01", None, "end", "or later"),
    ("GET", "/api/stats/daily?start=2026-01-02&end=2028-01-01", None, "end", "366"),
    ("GET", "/api/leases?state=lost", None, "state", "open, unknown, expired"),
    ("GET", "/api/sessions?limit=0", None, "limit", ">= 1"),
    ("GET", "/api/sessions?limit=1e3", None, "limit", "a whole number, got '1e3'"),
    ("GET", "/api/sessions?limit=+5", None, "limit", "a whole number, got ' 5'"),
    ("GET", "/api/sessions?limit=1_0", None, "limit", "a whole number, got '1_0'"),
    ("GET", "/api/events?limit=%EF%BC%95", None, "limit", "a whole number"),
    ("GET", "/api/stats/query?measures=leases&limit=1e3", None, "limit", "a whole number"),
]
"""Method, path, body, the field that is named, and what is said of it."""

SAID = [
    (b'{"type":"failed","code":"ledger_unavailable","message":"full"}', 503, "ledger_unavailable"),
    (b'{"type":"failed","code":"not_leader","message":"stepping down"}', 503, "ledger_unavailable"),
    (b'{"type":"failed","code":"bad_request","message":"x: y"}', 400, "invalid_request"),
    (b'{"type":"failed","code":"not_found","message":"gone"}', 404, "not_found"),
    (b'{"type":"failed","code":"internal","message":"secret"}', 500, "internal_error"),
    (b'{"type":"done"}', 500, "internal_error"),
    (b"garbage", 500, "internal_error"),
]
"""What the pool answers, and the status and code that come of it."""


async def test_every_administrative_path_wants_an_admin_key(alone: Desk) -> None:
    described = (await alone.http.get("/schema/openapi.json")).json()["paths"]
    known = {
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if path.startswith("/api")
    }
    known.remove(("POST", "/api/sign-in"))  # by which whoever has a key comes in

    assert len(known) == len(ADMIN_ONLY)
    for method, path in ADMIN_ONLY:
        for authorization, status, code in (
            (None, 401, "invalid_api_key"),
            ("Bearer sk-guess", 401, "invalid_api_key"),
            (f"Bearer {alone.client_key}", 403, "model_not_allowed"),
        ):
            headers = {"authorization": authorization} if authorization else {}
            answer = await alone.http.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path
            assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_admin_key_is_taken_without_bearer_too(alone: Desk) -> None:
    answer = await alone.http.get("/api/keys", headers={"authorization": alone.admin})

    assert answer.status_code == 200


async def test_open_paths_want_no_key(alone: Desk) -> None:
    for path in ("/ping", "/livez", "/readyz", "/health", "/schema"):
        assert (await alone.http.get(path)).status_code == 200, path


async def test_unknown_paths_and_methods_have_the_shape_of_errors(alone: Desk) -> None:
    for method, path, status, code in REFUSED:
        error = await alone.refused(method, path, status)
        assert (error["code"], error["type"]) == (code, KINDS[code].type), path


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/images/generations", "; the base address of a client ends in /v1"),
        ("/chat/completions", "; the base address of a client ends in /v1"),
        ("/v1/embeddings", ""),
        ("/imagesque", ""),
    ],
)
async def test_base_address_without_a_version_is_named(alone: Desk, path: str, advice: str) -> None:
    error = await alone.refused("POST", path, 404)

    assert error["message"] == f"there is no path {path}{advice}"


async def test_refused_method_names_those_there_are(alone: Desk) -> None:
    answer = await alone.http.post("/ping")

    assert "GET" in answer.headers["allow"]


async def test_preflight_answers_as_the_original_did(alone: Desk) -> None:
    for path in ("/api/load-balancer", "/health", "/nothing"):
        answer = await alone.http.options(path)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        allowed = answer.headers["access-control-allow-methods"].split(", ")
        assert {"GET", "POST", "PUT", "DELETE", "OPTIONS"} <= set(allowed)
        names = answer.headers["access-control-allow-headers"].split(", ")
        assert {"Content-Type", "Authorization", "X-Requested-With"} <= set(names)
        assert answer.headers["access-control-max-age"] == "86400"


async def test_every_answer_is_exposed_named_and_not_stored(alone: Desk) -> None:
    for path in ("/health", "/api/keys", "/nothing", "/api/stats/summary"):
        answer = await alone.http.get(path)
        crosses = answer.headers.get("access-control-allow-origin") == "*"
        assert crosses == (path != "/api/keys")
        assert crosses == ("access-control-expose-headers" in answer.headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"] == alone.logged[-1]["request_id"]


async def test_request_is_one_line_without_any_secret(alone: Desk) -> None:
    before = len(alone.logged)
    await alone.ask("GET", "/api/keys")

    (line,) = alone.logged[before:]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/keys", 200)
    assert alone.admin not in str(alone.logged)


async def test_whoever_watches_leaves_no_line(alone: Desk) -> None:
    before = len(alone.logged)
    for path in ("/ping", "/livez", "/metrics", "/readyz", "/nothing"):
        await alone.http.get(path)

    assert [line["path"] for line in alone.logged[before:]] == ["/nothing"]


async def test_head_is_get_without_a_body(alone: Desk) -> None:
    answer = await alone.http.head("/livez")

    assert answer.status_code == 200
    assert answer.content == b""


async def test_large_answers_are_compressed_for_those_who_take_it(alone: Desk) -> None:
    async with alone.http.stream(
        "GET", "/schema/openapi.json", headers={"accept-encoding": "gzip"}
    ) as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
    plain = await alone.http.get("/schema/openapi.json", headers={"accept-encoding": "identity"})

    assert "content-encoding" not in plain.headers
    assert json.loads(gzip.decompress(packed)) == plain.json()


async def test_page_of_the_schema_loads_nothing_from_elsewhere(alone: Desk) -> None:
    answer = await alone.http.get("/schema")

    assert answer.headers["content-type"].startswith("text/html")
    assert "/schema/openapi.json" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


async def test_schema_names_the_key_that_administration_wants(alone: Desk) -> None:
    schema = (await alone.http.get("/schema/openapi.json")).json()

    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            keyed = path.startswith(("/api", "/v1", "/token"))
            keyed = keyed and (method, path) != ("post", "/api/sign-in")  # the key is in its body
            assert bool(operation.get("security")) == keyed, (method, path)
            assert operation["summary"]


async def test_service_that_is_not_there_is_503_with_a_time_to_come_back(alone: Desk) -> None:
    for path, service, code, wait in ABSENT:
        answer = await alone.http.get(path, headers={"authorization": alone.admin})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == wait
        assert answer.json()["error"]["code"] == code
        assert service in answer.json()["error"]["message"]


async def test_whatever_a_service_answers_the_error_has_its_shape(alone: Desk) -> None:
    said = b""

    async def say(message: Any) -> None:
        await message.respond(said)

    await alone.doors.client.subscribe(subjects.pool_status(), cb=say)
    for said, status, code in SAID:
        error = await alone.refused("GET", "/api/sessions", status)
        assert error["code"] == code, said
        assert error["param"] == ("x" if status == 400 else None)
        assert "secret" not in error["message"]


async def test_silent_service_is_503_and_the_command_is_not_sent_again(
    alone: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.routes.doors._ASK_TIMEOUT_S", 0.1)
    heard: list[bytes] = []

    async def say_nothing(message: Any) -> None:
        heard.append(message.data)

    await alone.doors.client.subscribe(subjects.pool_admin(), cb=say_nothing)
    await alone.doors.client.subscribe(subjects.pool_status(), cb=say_nothing)

    read = await alone.refused("GET", "/api/sessions", 503)

    assert read["message"] == "the pool did not answer within 0.1 s"

    heard.clear()
    error = await alone.refused("POST", "/api/sessions", 503, json={"credential": "c"})

    assert "unknown" in error["message"]
    assert len(heard) == 1


async def test_fault_of_the_gateway_is_told_to_its_log_alone(
    alone: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr(alone.doors.key_log.ring, "all_keys", broken)

    error = await alone.refused("GET", "/api/keys", 500)

    assert (error["code"], error["type"]) == ("internal_error", "server_error")
    assert "secret" not in error["message"]
    assert any("the inner secret" in str(line.get("exc_info")) for line in alone.logged)


async def test_wrong_input_names_the_field_and_what_was_expected(alone: Desk) -> None:
    for method, path, body, param, expected in WRONG:
        given = {} if body is None else {"json": body}
        error = await alone.refused(method, path, 400, **given)
        assert error["code"] == "invalid_request"
        assert (param, path) == (error["param"], path)
        assert expected in error["message"], path


async def test_body_that_is_no_json_is_400(alone: Desk) -> None:
    error = await alone.refused("POST", "/api/keys", 400, content=b'{"name": ')

    assert error["code"] == "invalid_request"


async def test_body_over_the_limit_is_413(alone: Desk) -> None:
    error = await alone.refused("POST", "/api/keys", 413, content=b" " * 10_000_001)

    assert error["code"] == "request_too_large"


@pytest.mark.parametrize(("method", "path"), [one for one in ADMIN_ONLY if one[0] != "POST"])
async def test_parameter_that_would_be_ignored_is_refused_by_name(
    alone: Desk, method: str, path: str
) -> None:
    path += "&as_of=100" if "?" in path else "?as_of=100"

    error = await alone.refused(method, path, 400)

    assert error["param"] == "as_of"
    assert "there are: " in error["message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/sessions?limit=1&limit=2", "limit"),
        ("/api/session/usage?sessionId=x&sessionId=y", "sessionId"),
        ("/api/events?limit=1&%6cimit=1", "limit"),
        ("/api/stats/daily?start=2026-01-01&end=2026-01-01&end=2026-01-02", "end"),
        ("/api/stats/query?from=2026-01-01&from=2026-01-02", "from"),
        ("/api/stats/query?limit=1&limit=2", "limit"),
        ("/api/stats/query?query=session_total&session_id=a&session_id=b", "session_id"),
        ("/api/stats/query?query=session_total&query=other", "query"),
        ("/api/stats/export?format=csv&format=xlsx", "format"),
    ],
)
async def test_parameter_that_is_there_twice_is_refused_by_name(
    alone: Desk, path: str, name: str
) -> None:
    error = await alone.refused("GET", path, 400)

    assert (error["param"], error["code"]) == (name, "invalid_request")
    assert "expected it once" in error["message"]


async def test_list_may_be_in_several_parts(alone: Desk) -> None:
    path = "/api/stats/query?filter=service:image&filter=outcome:settled&measures=leases"
    error = await alone.refused("GET", f"{path}&measures=units_used&_=1&_=2", 503)

    assert "analytics" in error["message"]  # which is not there


async def test_parameters_that_keep_caches_away_are_let_through(alone: Desk) -> None:
    await alone.ask("GET", "/api/keys?_=1790000000&t=1")
    await alone.refused("GET", "/api/keys?__=1", 400)


@pytest.mark.parametrize("key", ["app", "nobody"])
async def test_body_is_taken_of_no_client_and_no_stranger(alone: Desk, key: str) -> None:
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        taken += 1
        yield b"[" * 9_000_000

    text = alone.client_key if key == "app" else "nobody"
    headers = {"authorization": f"Bearer {text}", "content-type": "application/json"}
    answer = await alone.http.post("/api/sessions", headers=headers, content=body())

    assert answer.status_code == (403 if key == "app" else 401)
    assert taken == 0
