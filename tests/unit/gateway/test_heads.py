"""Which headers go up and which come down, and what may stand in one at all."""

import pytest

from contracts.base import ServerId, SessionId
from services.gateway.clients.browsers import preflight_headers
from services.gateway.clients.headers import own_headers
from services.gateway.domain.heads import (
    clean_headers,
    goes_up,
    headers_passing,
    hop_names,
    name_objection,
    names_passing,
)
from services.gateway.domain.summary import Summary
from services.gateway.settings import GatewaySection
from services.gateway.wire.writing import head_of
from tests.unit.gateway.test_headers import request_with, sent_upstream

JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    "name",
    [
        *("x-remote-groups", "x-webauth-user", "x-consumer-username", "x-jwt-assertion"),
        *("x-goog-authenticated-user-email", "x-proxyuser-ip", "openai-api-key", "access-token"),
        *("x-functions-key", "private-token", "authentication", "x-session-token"),
        *("x-original-url", "x-rewrite-url", "x-http-method-override", "x-api-key", "api-key"),
        *("x_forwarded_for", "x-user_id", "x.forwarded.for", "x-forwarded-prefix", "x-client-ip"),
        *("x-client-region", "cf-ipcountry", "cloudfront-viewer-country", "x-vercel-ip-country"),
        *("x-appengine-country", "x-country-code"),
        *("cf-connecting-ip", "true-client-ip", "x-auth-request-user", "remote-user", "proxy"),
        *("x-accel-mapping", "x-sendfile-type", "x-middleware-subrequest", "http2-settings"),
        *("x-ssl-client-cert", "x-envoy-original-path", "via", "x-session-affinity", "cookie"),
    ],
)
def test_what_other_software_trusts_goes_to_no_server(name: str) -> None:
    assert name.encode() not in sent_upstream(request_with((name.encode(), b"1")))


@pytest.mark.parametrize(
    "name",
    [
        *("accept", "user-agent", "content-type", "idempotency-key", "prefer", "traceparent"),
        *("x-stainless-retry-count", "openai-beta", "x-kept", "accept-language", "x-customer"),
    ],
)
def test_what_else_a_client_says_goes_to_the_server(name: str) -> None:
    assert goes_up(name.encode())


@pytest.mark.parametrize("length", [129, 60_000])
def test_name_that_nobody_has_goes_nowhere(length: int) -> None:
    long = b"x" * length

    assert long not in sent_upstream(request_with((long, b"1")))


def test_what_any_connection_header_names_ends_here_on_the_way_up() -> None:
    found = sent_upstream(
        request_with(
            (b"connection", b"keep-alive, X-One"),
            (b"x-one", b"1"),
            (b"x-two", b"2"),
            (b"connection", b" x-two ,content-type,Host"),
            (b"x-three", b"3"),
            JSON,
        )
    )

    assert not {b"x-one", b"x-two", b"connection"} & found.keys()
    assert found[b"x-three"] == b"3"
    assert found[b"content-type"] == b"application/json"
    assert found[b"host"] == b"server:9001"


def test_what_any_connection_header_names_ends_here_on_the_way_down() -> None:
    upstream = [(b"ETag", b"e"), (b"Connection", b"close, ETAG, content-type"), JSON]

    assert headers_passing(upstream) == [JSON]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "X-Accel-Redirect",
            "Clear-Site-Data",
            "Strict-Transport-Security",
            "Refresh",
            "Location",
        ),
        *("Content-Security-Policy", "Access-Control-Allow-Credentials", "Set-Cookie", "Link"),
        *("X-Sendfile", "Server", "X-Session-ID", "Public-Key-Pins", "NEL", "SourceMap"),
    ],
)
def test_nothing_that_a_front_or_a_browser_obeys_comes_down(name: str) -> None:
    assert headers_passing([(name.encode(), b"/etc/passwd"), JSON]) == [JSON]


def test_what_an_operator_names_comes_down_as_often_as_it_is_said() -> None:
    names = names_passing(["X-Seed"])
    seeds = [(b"x-seed", b"1"), (b"x-seed", b"2")]

    assert headers_passing([*seeds, JSON, JSON], names) == [*seeds, JSON]
    assert headers_passing(seeds) == []


@pytest.mark.parametrize(
    "name",
    [
        *("", "X Seed", "X-Seed:", "x_seed", "x\r\ny", "ключ", "a" * 65, "*"),
        *(
            "Connection",
            "X-Accel-Redirect",
            "access-control-allow-origin",
            "Set-Cookie",
            "Location",
        ),
        *("X-Request-ID", "transfer-encoding", "X-RateLimit-Limit-Requests"),
    ],
)
def test_name_that_cannot_be_passed_on_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^response_headers: expected "):
        GatewaySection(response_headers=["X-Fine", name])
    assert name_objection("X-Fine") is None


@pytest.mark.parametrize("evil", [b"r\r\nX-Evil: 1", b"r\nX", b"r\rX", b"r\0", b"\x1b[2J", b"\x7f"])
def test_what_would_begin_another_header_is_left_out(evil: bytes) -> None:
    assert clean_headers([(b"x-a", evil), JSON, (evil, b"b")]) == [JSON]
    assert clean_headers([(b"x-a", b"b\tc"), JSON]) == [(b"x-a", b"b\tc"), JSON]


def test_sdk_is_allowed_what_it_sends_and_asks_for() -> None:
    asked_for = (
        b"authorization,x-stainless-lang, X-Stainless-Retry-Count,openai-new,x-evil,"
        b"x-stainless-\r\nx,x-stainless-" + b"a" * 65
    )
    headers = dict(
        preflight_headers(
            "/v1/chat/completions", [(b"access-control-request-headers", asked_for)], []
        )
    )

    allowed = headers[b"access-control-allow-headers"].decode().split(", ")
    always = {"Content-Type", "Authorization", "Idempotency-Key", "Prefer", "OpenAI-Beta"}

    assert always < {*allowed}
    assert allowed[-3:] == ["openai-new", "x-stainless-lang", "x-stainless-retry-count"]
    assert not {"x-evil", "*"} & {*allowed}
    assert headers[b"vary"] == b"Access-Control-Request-Headers"


def test_preflight_that_asks_for_thousands_gets_some() -> None:
    many = b",".join(b"x-stainless-%d" % number for number in range(9000))
    headers = dict(
        preflight_headers("/v1/chat/completions", [(b"access-control-request-headers", many)], [])
    )

    assert len(headers[b"access-control-allow-headers"]) < 3000


def test_own_headers_say_where_an_answer_comes_from() -> None:
    known = Summary(
        server_id=ServerId("one"),
        server_region="evil\r\nX-Evil: 1",
        session_id=SessionId("ses_1"),
        session_label="account 7",
    )

    found = head_of(200, own_headers(request_with(), None, known), [(b"x-mode\x1b[2J", b"b"), JSON])

    assert b"\r\nx-server-id: one\r\n" in found
    assert b"\r\nx-session-id: ses_1\r\n" in found
    assert b"account 7" not in found  # that is for operators alone
    assert b"x-server-region" not in found
    assert found.endswith(b"\r\ncontent-type: application/json\r\n")
    assert b"\x1b" not in found


def test_a_credential_of_one_character_takes_nothing_away_that_frames_the_answer() -> None:
    framing = [(b"content-type", b"application/json"), (b"content-length", b"115")]
    upstream = [*framing, (b"etag", b'"v1"')]

    assert headers_passing(upstream, secrets=(b"1", b"a")) == framing


@pytest.mark.parametrize("value", [b"close", b"keep-alive", b"Keep-Alive", b"content-type"])
def test_a_connection_header_that_names_nothing_of_ours_takes_nothing_away(value: bytes) -> None:
    assert hop_names(value) == frozenset()
