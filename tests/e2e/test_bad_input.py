"""Bad input and broken connections: a clear error, no leaked lease, no growing memory."""

import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from tests.e2e.stack import Stack

GENERATE = "/v1/images/generations"
MB = 1_000_000


def post_raw(stack: Stack, path: str = GENERATE, **more: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stack.client_key}"}
    return httpx.post(f"{stack.url()}{path}", headers=headers, timeout=60, **more)  # type: ignore[arg-type]


def raw(stack: Stack, sent: bytes) -> bytes:
    """Send bytes, read what comes until the gateway closes or is silent."""
    with socket.create_connection(("127.0.0.1", stack.ports["gateway"]), 5) as connection:
        connection.sendall(sent)
        connection.settimeout(3)
        found = b""
        while True:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                return found
            if not part:
                return found
            found += part


@pytest.mark.parametrize(
    ("content", "param"),
    [(b"{", None), (b"[]", None), (b'{"model": 5}', "model"), (b'{"n": "x"}', "n")],
)
def test_wrong_json_is_named(stack: Stack, content: bytes, param: str | None) -> None:
    found = post_raw(stack, content=content)

    assert found.status_code == 400
    error = found.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", param)
    assert error["type"] == "invalid_request_error"
    assert error["message"]


@pytest.mark.parametrize(
    "content",
    [b'{"name":"\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b"{"],
    ids=["half a character", "brackets", "braces", "one brace"],
)
@pytest.mark.parametrize("path", ["/api/keys", "/api/sql", "/api/sessions", "/api/config/accept"])
def test_operators_body_that_is_no_json_is_named(stack: Stack, path: str, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {stack.operator_key}", "Content-Type": "application/json"}
    found = httpx.post(f"{stack.url()}{path}", headers=headers, content=content, timeout=60)

    assert (found.status_code, found.json()["error"]["code"]) == (400, "invalid_request")


def test_body_over_the_limit_is_refused(stack: Stack) -> None:
    found = raw(
        stack,
        b"POST /v1/images/generations HTTP/1.1\r\nHost: t\r\nContent-Length: 200000000\r\n"
        + f"Authorization: Bearer {stack.client_key}\r\n\r\n".encode(),
    )
    assert b" 413 " in found.split(b"\r\n")[0]
    assert b"request_too_large" in found


def test_client_that_sends_too_much_hears_of_it(stack: Stack) -> None:
    found = httpx.post(
        f"{stack.url()}{GENERATE}",
        headers={"Authorization": f"Bearer {stack.client_key}", "Content-Length": "150000000"},
        content=(b" " * MB for _ in range(150)),
        timeout=60,
    )
    assert found.status_code == 413


def test_client_that_leaves_after_a_large_body_is_noticed(stack: Stack) -> None:
    for server in ("one", "two"):
        stack.faults(server, kind="latency", latency_ms=30_000)
    body = b'{"prompt":"' + b"x" * 200_000 + b'"}'
    head = f"Content-Length: {len(body)}\r\nAuthorization: Bearer {stack.client_key}\r\n\r\n"
    sent = b"POST /v1/images/generations HTTP/1.1\r\nHost: t\r\n" + head.encode() + body
    connection = socket.create_connection(("127.0.0.1", stack.ports["gateway"]), 5)
    connection.sendall(sent)
    stack.eventually(stack.open_leases, 1)
    connection.close()
    try:
        stack.eventually(stack.open_leases, 0, 10)
    finally:
        for server in ("one", "two"):
            stack.faults(server)


def test_unknown_path_and_method_are_named(stack: Stack) -> None:
    assert post_raw(stack, "/v1/nothing").json()["error"]["code"] == "not_found"
    found = httpx.get(
        f"{stack.url()}{GENERATE}", headers={"Authorization": f"Bearer {stack.client_key}"}
    )
    assert (found.status_code, found.headers["allow"]) == (405, "POST")


def test_malformed_http_and_huge_heads_get_our_errors(stack: Stack) -> None:
    assert b'"code":"invalid_request"' in raw(stack, b"NONSENSE\r\n\r\n")
    huge = b"GET / HTTP/1.1\r\nHost: t\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n"
    assert b"request_header_too_large" in raw(stack, huge)


def test_no_key_says_what_was_expected(stack: Stack) -> None:
    found = httpx.post(f"{stack.url()}{GENERATE}", json={})

    assert found.status_code == 401
    assert found.headers["www-authenticate"]
    assert "Authorization" in found.json()["error"]["message"]


@pytest.mark.parametrize("fault", ["garbage", "cut_before", "cut_body"])
def test_server_that_breaks_off_or_talks_garbage_is_an_unknown_outcome(
    stack: Stack, fault: str
) -> None:
    for server in ("one", "two"):
        stack.faults(server, kind=fault)
    try:
        found = post_raw(stack, json={"model": "jimeng-4.0", "prompt": "p"})
    finally:
        for server in ("one", "two"):
            stack.faults(server)

    assert found.status_code == 502
    assert found.json()["error"]["code"] == "upstream_outcome_unknown"
    assert found.headers["x-should-retry"] == "false"

    stack.eventually(stack.open_leases, 0)


def test_disconnects_up_and_down_leak_no_lease(stack: Stack) -> None:
    head = (
        b"POST /v1/images/generations HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n"
        + f"Authorization: Bearer {stack.client_key}\r\n\r\n".encode()
    )
    for size in (10, 500_000, 2 * MB):
        with socket.create_connection(("127.0.0.1", stack.ports["gateway"])) as connection:
            connection.sendall(head + b" " * size)
    with (
        httpx.Client(timeout=30) as client,
        client.stream(
            "POST",
            f"{stack.url()}{GENERATE}",
            headers={"Authorization": f"Bearer {stack.client_key}", "X-Demo-Bytes": str(50 * MB)},
            json={"prompt": "big"},
        ) as answer,
    ):
        next(answer.iter_raw())
    stack.eventually(stack.open_leases, 0)


def _up(stack: Stack, size: int) -> int:
    field = b'--b\r\nContent-Disposition: form-data; name="'
    first = field + b'prompt"\r\n\r\na gate\r\n' + field + b'image"; filename="a.png"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield first
        for _ in range(size // MB):
            yield b"x" * MB
        yield b"\r\n--b--\r\n"

    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(len(first) + size + 9),
        "Authorization": f"Bearer {stack.client_key}",
    }
    found = httpx.post(
        f"{stack.url()}/v1/images/edits",
        headers=headers,
        content=body(),
        timeout=100,
    )
    return found.status_code


def _down(stack: Stack, size: int) -> int:
    headers = {"Authorization": f"Bearer {stack.client_key}", "X-Demo-Bytes": str(size)}
    with httpx.stream(
        "POST", f"{stack.url()}{GENERATE}", headers=headers, json={"prompt": "big"}, timeout=100
    ) as answer:
        return sum(len(part) for part in answer.iter_raw())


def test_large_bodies_stream_in_constant_memory(stack: Stack) -> None:
    process = psutil.Process(stack.processes["gateway"].pid)

    assert _up(stack, 20 * MB) == 200
    assert _down(stack, 20 * MB) >= 20 * MB
    before = process.memory_info().rss
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert _up(stack, 99 * MB) == 200
        assert _down(stack, 300 * MB) >= 300 * MB
    finally:
        done.set()
        watcher.join()
    assert max(peak) - before < 20 * MB


@pytest.mark.timeout(180)
def test_items_that_are_units_are_bounded_at_the_gateway(
    new_stack: Callable[..., Stack],
) -> None:
    stack = new_stack(TIDEGATE_POOL_MIN_SIZE="1", TIDEGATE_POOL_MAX_SIZE="1")
    stack.configure('[services.image]\nunits = "n"\n' + stack.servers_toml("one"))
    stack.start_all("one")

    beyond = [post_raw(stack, json={"model": "m", "n": n}) for n in (0, 10_001, 2**63, 10**31)]
    form = post_raw(stack, data={"model": "m"}, files={"n": (None, str(2**63))})
    over_the_limit = post_raw(stack, json={"model": "m", "n": 10_000})

    for refused in [*beyond, form]:
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, "n")
        assert error["message"].startswith("n: expected a whole number from 1 to 10,000, got ")
    assert (over_the_limit.status_code, over_the_limit.json()["error"]["param"]) == (400, "n")
    assert "daily limit" in over_the_limit.json()["error"]["message"]
    served = post_raw(stack, json={"model": "m", "prompt": "p", "n": 2})
    assert served.status_code == 200, served.text
    report = stack.audit()
    assert (report["duckdb"], report["violations"], report["set_aside"]) == ("agrees", [], 0)
