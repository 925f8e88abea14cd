"""The OpenAPI document against the running gateway: every answer is one that it describes."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.gateway.domain.errors import KINDS
from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

CHECKS = "status_code_conformance,content_type_conformance"
CHECKS += ",response_schema_conformance,response_headers_conformance"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("openapi"), TIDEGATE_POOL_MIN_SIZE="5")
    try:
        made.configure(made.servers_toml("demo"))
        made.start_all("demo")
        yield made
    finally:
        made.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "which",
    [
        ["--exclude-path-regex", "^/api/(keys/|events/stream|servers/(probe|.*/test))"],
        # By itself, for it takes its time where servers that were made up do not answer.
        ["--include-path-regex", "^/api/servers/(probe|.*/test)$", "--max-examples", "4"],
        # By itself, for it revokes the key that it comes with.
        ["--include-path-regex", "^/api/keys/"],
    ],
)
def test_nothing_is_answered_that_is_not_described(stack: Stack, which: list[str]) -> None:
    made = stack.api("/api/keys", "POST", json={"name": "explorer", "scope": "admin"})
    found = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{stack.url()}/schema/openapi.json",
            *("-H", f"Authorization: Bearer {made['key']}"),
            *("--checks", CHECKS, "--seed", "7", "--max-examples", "25", "--no-color"),
            *("--request-timeout", "20"),
            *which,
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=350,
        cwd=stack.home,
    )

    assert found.returncode == 0, found.stdout
    assert " passed" in found.stdout


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/keys", {"Host": "evil.example"}, 421),
        ("/metrics", {"Host": "evil.example"}, 421),
        ("/health?key=sk-x", {}, 400),
        ("/livez?key=sk-x", {}, 400),
    ],
)
def test_what_is_refused_before_any_room_is_described(
    stack: Stack, path: str, headers: dict[str, str], status: int
) -> None:
    admin = {"Authorization": f"Bearer {stack.operator_key}"}
    described = httpx.get(f"{stack.url()}/schema/openapi.json", headers=admin).json()

    assert httpx.get(f"{stack.url()}{path}", headers=headers).status_code == status
    responses = described["paths"][path.partition("?")[0]]["get"]["responses"]
    assert str(status) in responses


def test_every_operation_describes_its_errors(stack: Stack) -> None:
    described: dict[str, Any] = httpx.get(
        f"{stack.url()}/schema/openapi.json",
        headers={"Authorization": f"Bearer {stack.operator_key}"},
    ).json()

    assert "/v1/images/generations" in described["paths"]
    codes = described["components"]["schemas"]["Error"]["properties"]["error"]["properties"]
    assert codes["code"]["enum"] == sorted(KINDS)
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert "500" in responses, (method, path)
            if path.startswith(("/api/", "/v1/", "/token/")):
                assert "401" in responses, (method, path)
            for status, response in responses.items():
                if status[0] in "45" and path != "/readyz":
                    assert response["content"]["application/json"]["schema"] == {
                        "$ref": "#/components/schemas/Error"
                    }
