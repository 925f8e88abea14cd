"""What passes through the gateway, what does not, and what each key may do."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Stack

IMAGES = "/v1/images/generations"
BOTH = ("one", "two")


@pytest.fixture(autouse=True)
def faultless(stack: Stack) -> Iterator[None]:
    yield
    for server in BOTH:
        stack.faults(server)


def both(stack: Stack, **fault: Any) -> None:
    for server in BOTH:
        stack.faults(server, **fault)


def post(stack: Stack, path: str = IMAGES, key: str = "", **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or stack.client_key}", **more.pop("headers", {})}
    if "content" not in more:
        more.setdefault("json", {"model": "jimeng-4.0", "prompt": "a gate"})
    return httpx.post(f"{stack.url()}{path}", headers=headers, timeout=30, **more)


def seen(stack: Stack, request_id: str) -> dict[str, Any]:
    """What a demo server saw of a request."""
    for server in BOTH:
        url = f"{stack.demo_url(server)}/demo/requests?request_id={request_id}"
        found = httpx.get(url, timeout=10).json()["requests"]
        if found:
            return dict(found[0])
    raise AssertionError(f"no server saw {request_id}")


def requests(stack: Stack) -> int:
    """How many POSTs the servers have seen."""
    found = [
        httpx.get(f"{stack.demo_url(name)}/demo/requests?limit=1000").json()["requests"]
        for name in BOTH
    ]
    return sum(one["method"] == "POST" for each in found for one in each)


def bounded_key(stack: Stack, **bounds: Any) -> dict[str, Any]:
    made: dict[str, Any] = stack.api("/api/keys", "POST", json={"name": "bounded", **bounds})
    return made


def test_body_goes_through_byte_for_byte_and_secrets_do_not(stack: Stack) -> None:
    body = b'{ "model":"jimeng-4.0",\n\t"prompt":"\xe9\x97\xb8", "x":[1,2] }  '
    answer = post(
        stack,
        f"{IMAGES}?a=%20b&c",
        content=body,
        headers={"Cookie": "mine=1", "Content-Type": "application/json", "X-Kept": "yes"},
    )

    assert answer.status_code == 200
    found = seen(stack, answer.headers["x-request-id"])
    headers = {name.lower(): value for name, value in found["headers"]}
    assert found["target"] == f"{IMAGES}?a=%20b&c"
    assert found["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert "cookie" not in headers
    assert stack.client_key not in json.dumps(found)
    assert headers["x-kept"] == "yes"
    assert headers["accept-encoding"] == "identity"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == stack.url().removeprefix("http://")


@pytest.mark.parametrize(
    ("path", "body", "service"),
    [
        ("/v1/images/compositions", {"prompt": "p", "images": ["http://x/a.png"]}, "image"),
        ("/v1/videos/generations", {"model": "jimeng-video-3.0", "prompt": "p"}, "video"),
        ("/v1/videos/avatar", {"prompt": "p"}, "avatar"),
        ("/any/digital-human/make", {"prompt": "p"}, "avatar"),
        (
            "/v1/chat/completions",
            {"model": "jimeng-video-3.0", "messages": [{"role": "user", "content": "p"}]},
            "video",
        ),
    ],
)
def test_each_generation_path_has_its_service_type(
    stack: Stack, path: str, body: dict[str, Any], service: str
) -> None:
    answer = post(stack, path, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-service-type"] == service


def test_compressed_answer_is_expanded_on_its_way(stack: Stack) -> None:
    both(stack, kind="gzip")
    answer = post(stack)

    assert "content-encoding" not in answer.headers
    assert answer.json()["data"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "redirect"}, 502, "upstream_outcome_unknown"),
        ({"kind": "no_result"}, 502, "upstream_outcome_unknown"),
        ({"kind": "code", "code": 12345}, 502, "upstream_outcome_unknown"),
        ({"kind": "status", "status": 403}, 403, "upstream_rejected"),
        ({"kind": "code", "code": -2006}, 400, "content_policy_violation"),
    ],
)
def test_what_ends_a_request_at_once(
    stack: Stack, fault: dict[str, Any], status: int, code: str
) -> None:
    both(stack, **fault)
    answer = post(stack)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-session-id"]


def test_upstream_code_is_kept(stack: Stack) -> None:
    both(stack, kind="code", code=-2000)
    assert post(stack).json()["error"]["upstream_code"] == -2000


def _stream(stack: Stack, body: dict[str, Any], into: list[bytes]) -> None:
    """Read a streamed answer to its end, part by part."""
    headers = {"Authorization": f"Bearer {stack.client_key}"}
    url = f"{stack.url()}/v1/chat/completions"
    with httpx.stream("POST", url, headers=headers, json=body, timeout=30) as answer:
        for part in answer.iter_raw():
            into.append(part)  # noqa: PERF402 (what came before the cut counts)


def test_stream_that_is_cut_ends_with_an_error_and_without_done(stack: Stack) -> None:
    both(stack, kind="cut_stream")
    body = {"model": "jimeng-4.0", "messages": [{"role": "user", "content": "p"}], "stream": True}
    received: list[bytes] = []

    with pytest.raises(httpx.RemoteProtocolError):
        _stream(stack, body, received)
    told = b"".join(received)
    assert b'data: {"error":{' in told
    assert b"[DONE]" not in told
    stack.eventually(stack.open_leases, 0)


def test_long_body_is_routed_by_what_its_first_part_says(stack: Stack) -> None:
    padding = "x" * 1_500_000
    message = [{"role": "user", "content": padding}]
    answer = post(
        stack, "/v1/chat/completions", json={"model": "jimeng-video-3.0", "messages": message}
    )

    assert answer.headers["x-service-type"] == "video"


def test_rate_of_a_key_is_bounded_and_told(stack: Stack) -> None:
    key = bounded_key(stack, requests_per_minute=2)["key"]
    first, second, third = (post(stack, key=key) for _ in range(3))

    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 429)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    assert 0 < int(third.headers["retry-after"]) <= 120


def test_concurrency_of_a_key_is_bounded(stack: Stack) -> None:
    key = bounded_key(stack, concurrency=1)["key"]
    both(stack, kind="latency", latency_ms=2000)
    slow: list[int] = []
    client = threading.Thread(target=lambda: slow.append(post(stack, key=key).status_code))
    client.start()
    stack.eventually(stack.open_leases, 1)
    assert post(stack, key=key).status_code == 429
    client.join()
    assert slow == [200]
    both(stack)
    assert post(stack, key=key).status_code == 200


def test_revoked_key_opens_nothing(stack: Stack) -> None:
    made = bounded_key(stack)

    assert post(stack, key=made["key"]).status_code == 200

    stack.api(f"/api/keys/{made['id']}", "DELETE")
    stack.eventually(lambda: post(stack, key=made["key"]).status_code, 401, 2)


def test_upload_that_was_begun_with_a_key_revoked_since_buys_nothing(stack: Stack) -> None:
    made = bounded_key(stack)
    before = stack.served(*BOTH)

    def slowly() -> Iterator[bytes]:
        yield b'{"prompt":'
        stack.api(f"/api/keys/{made['id']}", "DELETE")
        stack.eventually(lambda: post(stack, key=made["key"]).status_code, 401, 2)
        yield b'"a gate"}'

    answer = httpx.post(
        f"{stack.url()}{IMAGES}",
        content=slowly(),
        headers={"Authorization": f"Bearer {made['key']}", "Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert stack.served(*BOTH) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/keys", b'{"name":"backdoor","scope":"admin"}'),
        ("/api/sql", b'{"query":"select 42"}'),
        ("/token/points", b'{"token":"x"}'),
    ],
)
def test_admin_key_revoked_since_a_body_was_begun_opens_no_door(
    stack: Stack, path: str, body: bytes
) -> None:
    made = bounded_key(stack, scope="admin")
    headers = {"Authorization": f"Bearer {made['key']}", "Content-Type": "application/json"}

    def opens() -> int:
        return httpx.get(f"{stack.url()}/api/keys", headers=headers).status_code

    def slowly() -> Iterator[bytes]:
        yield body[:10]
        stack.api(f"/api/keys/{made['id']}", "DELETE")
        stack.eventually(opens, 401, 2)
        yield body[10:]

    answer = httpx.post(f"{stack.url()}{path}", content=slowly(), headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "backdoor" not in [one["name"] for one in stack.api("/api/keys")["data"]]


def test_models_that_a_key_may_use_are_those_of_the_moment_of_its_lease(stack: Stack) -> None:
    made = bounded_key(stack)
    before = stack.served(*BOTH)
    headers = {"Authorization": f"Bearer {made['key']}", "Content-Type": "application/json"}

    def slowly() -> Iterator[bytes]:
        yield b'{"model":"jimeng-4.0",'
        bounds = {"models": ["other*"]}
        stack.api(f"/api/keys/{made['id']}", "PATCH", json=bounds)
        stack.eventually(lambda: post(stack, key=made["key"]).status_code, 403, 2)
        yield b'"prompt":"a gate"}'

    answer = httpx.post(f"{stack.url()}{IMAGES}", content=slowly(), headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert stack.served(*BOTH) == before


def test_stream_of_events_ends_with_its_key(stack: Stack) -> None:
    made = bounded_key(stack, scope="admin")
    headers = {"Authorization": f"Bearer {made['key']}"}
    url = f"{stack.url()}/api/events/stream"
    with httpx.stream("GET", url, headers=headers, timeout=60) as answer:
        lines = answer.iter_lines()

        assert next(lines) == ": the log"

        stack.api(f"/api/keys/{made['id']}", "DELETE")

        assert all("error" not in line for line in lines)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/../../token/points",
        "/v1/images/%2e%2e/%2e%2e/token/points",
        "/v1/images/../videos/generations",
        "/v1//images/generations",
        "/v1/images/generations;a=b",
    ],
)
def test_path_that_says_two_things_is_refused_as_it_is(stack: Stack, path: str) -> None:
    before = requests(stack)
    host, port = stack.url().removeprefix("http://").split(":")
    body = b'{"prompt":"p"}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.client_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_request"' in answer
    assert requests(stack) == before


def test_the_same_affinity_of_a_key_gets_the_same_session(stack: Stack) -> None:
    mine = [post(stack, headers={"X-Session-Affinity": "x"}).headers["x-session-id"]]
    for _ in range(3):
        # Between them the least used one changes; one that is still busy would be passed over.
        post(stack)
        stack.eventually(stack.open_leases, 0)
        mine.append(post(stack, headers={"X-Session-Affinity": "x"}).headers["x-session-id"])

    assert len({*mine}) == 1


def test_metrics_are_no_service_whatever_stands_behind(stack: Stack) -> None:
    assert post(stack, "/metrics/avatar").status_code in {404, 405}


def test_key_of_some_models_may_not_use_others(stack: Stack) -> None:
    key = bounded_key(stack, models=["allowed-*"])["key"]
    answer = post(stack, key=key)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    allowed = {"model": "allowed-1", "prompt": "p"}
    assert post(stack, key=key, json=allowed).status_code == 200


def test_token_paths_are_for_admins_and_carry_no_credential(stack: Stack) -> None:
    assert post(stack, "/token/check", json={"token": "t"}).status_code == 403
    answer = post(stack, "/token/check", key=stack.operator_key, json={"token": "t"})
    assert answer.status_code == 200
    found = seen(stack, answer.headers["x-request-id"])
    assert "authorization" not in {name.lower() for name, _ in found["headers"]}


def test_models_are_kept_for_a_while(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.client_key}"}
    first = httpx.get(f"{stack.url()}/v1/models", headers=headers)
    second = httpx.get(f"{stack.url()}/v1/models", headers=headers)

    assert first.content == second.content
    assert first.headers["cache-control"] == "public, max-age=300"
    with pytest.raises(AssertionError):
        seen(stack, second.headers["x-request-id"])


def test_preflight_answers_as_the_original_did(stack: Stack) -> None:
    answer = httpx.options(f"{stack.url()}{IMAGES}")

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-max-age"] == "86400"


def test_operator_endpoints_agree_with_what_was_done(stack: Stack) -> None:
    answer = post(stack)
    session = answer.headers["x-session-id"]
    stack.eventually(stack.open_leases, 0)
    usage = stack.api(f"/api/session/usage?sessionId={session}")
    assert usage["usage"]["image_count"] + usage["remaining"]["image"] == usage["limits"]["image"]
    assert usage["remaining"] == json.loads(answer.headers["x-remaining-quota"])
    health = httpx.get(f"{stack.url()}/health").json()
    assert health["status"] == "ok"
    assert health["servers"]["total"] == 2
    servers = stack.api("/api/load-balancer")["servers"]
    assert {server["id"] for server in servers} == set(BOTH)


def test_every_process_tells_its_health_and_metrics(stack: Stack) -> None:
    for name in ("gateway", "pool", "balancer", "analytics"):
        base = f"http://127.0.0.1:{stack.health[name]}"
        assert httpx.get(f"{base}/livez").json() == {"status": "ok"}
        assert httpx.get(f"{base}/readyz").status_code == 200
        assert f"tidegate_{name}_" in httpx.get(f"{base}/metrics").text


def test_no_secret_is_in_any_log(stack: Stack) -> None:
    post(stack, key="sk-wrong-but-secret")
    logs = "".join(path.read_text() for path in stack.home.glob("*.log"))

    for path in (stack.home / "secrets").iterdir():
        if path.suffix in {".key", ".nats"}:
            assert path.read_text().strip() not in logs
    for secret in (stack.client_key, stack.operator_key, "sk-wrong-but-secret", "Bearer "):
        assert secret not in logs
