"""Hosts and origins: what a page in a browser may name and read."""

import pytest

from services.gateway.clients.browsers import crossing, familiar, preflight
from services.gateway.clients.headers import CORS

OPS = "https://ops.example.org"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::1]",
        "localhost",
        "LOCALHOST:80",
        "gateway:80",
    ],
)
def test_addresses_and_names_without_a_dot_are_ours(host: str) -> None:
    assert familiar(host, ())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.",
        "ai.",
        "1.2.3",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not familiar(host, ())


def test_configured_names_are_ours_in_any_letter_case_and_on_any_port() -> None:
    assert familiar("Gate.Example.org:443", {"gate.example.org"})
    assert not familiar("x.gate.example.org", {"gate.example.org"})


@pytest.mark.parametrize("path", ["/health", "/api/session/usage", "/v1/models", "/ping", "/none"])
def test_paths_of_the_original_and_of_clients_may_be_read_from_everywhere(path: str) -> None:
    assert crossing(path, "https://any.example", []) is CORS
    assert CORS[0] in preflight(path, [(b"origin", b"https://any.example")], [])


@pytest.mark.parametrize(
    "path", ["/api", "/api/keys", "/metrics", "/schema", "/schema/openapi.json"]
)
def test_operators_paths_may_be_read_by_the_configured_origins_alone(path: str) -> None:
    told = dict(crossing(path, OPS, [OPS]))
    refused = dict(crossing(path, "https://evil.example", [OPS]))

    assert told[b"access-control-allow-origin"] == OPS.encode()
    assert told[b"vary"] == refused[b"vary"] == b"Origin"
    assert b"access-control-allow-origin" not in refused
    assert b"access-control-allow-headers" not in dict(preflight(path, [], [OPS]))
    assert b"access-control-allow-headers" in dict(
        preflight(path, [(b"origin", OPS.encode())], [OPS])
    )
    assert crossing(path, "https://any.example", ["*"]) is CORS
