"""Origins: what a page in a browser may read."""

import pytest

from services.gateway.clients.browsers import cross_origin_headers, preflight_headers
from services.gateway.clients.headers import CORS

OPS = "https://ops.example.org"


@pytest.mark.parametrize(
    "path", ["/health", "/api/session/usage", "/api/stats/daily/", "/v1/models", "/ping", "/none"]
)
def test_paths_of_the_original_and_of_clients_may_be_read_from_everywhere(path: str) -> None:
    assert cross_origin_headers(path, "https://any.example", []) is CORS
    assert CORS[0] in preflight_headers(path, [(b"origin", b"https://any.example")], [])


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/keys",
        "/api/keys/",
        "/metrics",
        "/metrics/",
        "/schema",
        "/schema/openapi.json",
        "/",
        "/ui/app.js",
    ],
)
def test_operators_paths_may_be_read_by_the_configured_origins_alone(path: str) -> None:
    told = dict(cross_origin_headers(path, OPS, [OPS]))
    refused = dict(cross_origin_headers(path, "https://evil.example", [OPS]))

    assert told[b"access-control-allow-origin"] == OPS.encode()
    assert told[b"vary"] == refused[b"vary"] == b"Origin"
    assert b"access-control-allow-origin" not in refused
    assert b"access-control-allow-headers" not in dict(preflight_headers(path, [], [OPS]))
    assert b"access-control-allow-headers" in dict(
        preflight_headers(path, [(b"origin", OPS.encode())], [OPS])
    )
    assert cross_origin_headers(path, "https://any.example", ["*"]) is CORS
