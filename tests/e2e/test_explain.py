"""`explain` as a client's operator meets it: by our id or the client's, or unknown."""

import json

import httpx
import pytest

from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(180)


def explain(stack: Stack, *words: str) -> tuple[int, str, str]:
    stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])
    done = stack.tidegate("explain", *words)
    return done.returncode, done.stdout, done.stderr


def test_a_request_is_explained_by_the_id_of_its_answer_and_by_its_clients_own(
    stack: Stack,
) -> None:
    answer = httpx.post(
        f"{stack.url()}/v1/images/generations",
        headers={"Authorization": f"Bearer {stack.client_key}", "X-Request-ID": "order 66?#"},
        json={"model": "jimeng-4.0", "prompt": "a gate"},
        timeout=60,
    )
    stack.eventually(stack.open_leases, 0)
    ours = answer.headers["X-Request-ID"]

    code, out, _ = explain(stack, ours, "--json")
    story = json.loads(out)["data"][0]
    by_client = json.loads(explain(stack, "order 66?#", "--json")[1])

    assert (code, story["request_id"]) == (0, ours)
    assert [lease["session_id"] for lease in story["leases"]] == [answer.headers["X-Session-ID"]]
    assert story["leases"][0]["outcome"] == "settled"
    (attempt,) = story["attempts"]
    assert attempt["server_id"] == answer.headers["X-Server-ID"]
    assert {one["server_id"] for one in attempt["candidates"]} == {"one", "two"}
    assert by_client["data"] == [story]
    code, text, _ = explain(stack, ours)
    assert (code, "settled: 1 used" in text, "order 66?#" in text) == (0, True, True)


def test_an_unknown_request_is_404_and_exit_1(stack: Stack) -> None:
    code, out, err = explain(stack, "nobody")
    answer = httpx.get(
        f"{stack.url()}/api/requests/nobody/explain",
        headers={"Authorization": f"Bearer {stack.operator_key}"},
        timeout=20,
    )

    assert (code, out) == (1, "")
    assert "the log knows no request 'nobody'" in err
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_only_an_admin_is_told(stack: Stack) -> None:
    answer = httpx.get(
        f"{stack.url()}/api/requests/nobody/explain",
        headers={"Authorization": f"Bearer {stack.client_key}"},
        timeout=20,
    )

    assert answer.status_code == 403
