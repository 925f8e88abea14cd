"""What Node refuses by itself, without a word: no application saw it, so nothing was bought."""

import time
from collections.abc import Iterator

import httpx
import pytest

from services.gateway.clients.uploads import KEPT_BYTES_MAX
from tests.e2e.stack import Stack

WITHIN_S = 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that does not know what its server is, and streams every body."""
    made = Stack(tmp_path_factory.mktemp("node"), TIDEGATE_POOL_MIN_SIZE="5")
    try:
        made.configure(made.servers_toml("one"))
        made.start_all("one", being=("--dialect", "jimeng", "--request-within-s", str(WITHIN_S)))
        made.environment["TIDEGATE_API"] = made.url()
        yield made
    finally:
        made.close()


def slowly() -> Iterator[bytes]:
    """More than the gateway takes before it asks for a lease, and then little by little."""
    yield b'{"prompt":"a gate","user":"' + b"u" * KEPT_BYTES_MAX
    for _ in range(WITHIN_S * 5):
        time.sleep(0.5)
        yield b"u" * 64
    yield b'"}'


@pytest.mark.parametrize(("refused", "body_bytes"), [(408, 0), (431, 0), (431, 20_000_000)])
def test_bare_refusal_gives_the_unit_back_and_blames_nobody(
    stack: Stack, refused: int, body_bytes: int
) -> None:
    """Of a long body it reads nothing, so that a reset follows the refusal at once."""
    before = stack.api("/api/sessions")["remaining"]["image"]
    headers = {
        "Authorization": f"Bearer {stack.client_key}",
        "Content-Type": "application/json",
    }
    if refused == 431:
        headers["X-Long"] = "x" * 17_000
    long = b'{"prompt":"a gate","user":"' + b"u" * body_bytes + b'"}'
    body = slowly() if refused == 408 else long

    answer = httpx.post(
        f"{stack.url()}/v1/images/generations", content=body, headers=headers, timeout=60
    )

    assert answer.status_code == 502, answer.text
    assert answer.json()["error"]["code"] == "upstream_error"
    assert f"answered {refused} without a word" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "true"
    assert stack.served("one") == 0
    stack.eventually(lambda: stack.api("/api/sessions")["remaining"]["image"], before)
    assert {one["status"] for one in stack.api("/api/sessions")["data"]} == {"active"}
    assert stack.audit()["exit"] == 0
