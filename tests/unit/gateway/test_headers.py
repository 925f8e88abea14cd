"""What of a client's head goes to a server, and what an answer's head says."""

from typing import Any

from services.gateway.clients.headers import upstream_headers
from services.gateway.clients.request import Request


def request_with(*headers: tuple[bytes, bytes], **scope: Any) -> Request:
    """A request as the HTTP server hands it over."""
    return Request(
        {
            "method": "POST",
            "path": "/v1/images/generations",
            "query_string": b"",
            "headers": list(headers),
            "client": ("192.0.2.7", 4711),
            **scope,
        }
    )


def sent_upstream(request: Request) -> dict[bytes, bytes]:
    found = upstream_headers(request, b"server:9001", b"Bearer secret", 2)
    assert len({name for name, _ in found}) == len(found)
    return dict(found)


def test_what_is_meant_for_the_gateway_goes_no_further() -> None:
    ours = {
        b"authorization": b"Bearer sk-mine",
        b"cookie": b"a=1",
        b"x-max-wait-ms": b"500",
        b"x-request-id": b"mine",
        b"accept-encoding": b"br, zstd",
    }

    found = sent_upstream(request_with(*ours.items(), (b"x-kept", b"yes")))

    assert b"x-max-wait-ms" not in found
    assert b"cookie" not in found
    assert found[b"authorization"] == b"Bearer secret"
    assert found[b"accept-encoding"] == b"identity"
    assert found[b"x-request-id"] != b"mine"
    assert found[b"x-kept"] == b"yes"


def test_server_is_told_the_address_and_scheme_that_the_gateway_believes() -> None:
    claimed = [
        (b"x-forwarded-for", b"203.0.113.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"bank.example"),
        (b"forwarded", b"for=203.0.113.1;proto=https"),
        (b"x-real-ip", b"203.0.113.1"),
        (b"host", b"gate.example"),
    ]

    found = sent_upstream(request_with(*claimed, scheme="http"))

    assert found[b"x-forwarded-for"] == b"192.0.2.7"
    assert found[b"x-forwarded-proto"] == b"http"
    assert found[b"x-forwarded-host"] == b"gate.example"
    assert not {b"forwarded", b"x-real-ip"} & found.keys()
