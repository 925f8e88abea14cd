"""What a client is told of an error: its row's words, and no more than a page of them."""

import json

from services.gateway.domain.errors import GatewayError


def test_message_is_cut_however_much_it_repeats() -> None:
    said = GatewayError("invalid_request", "x" * 4000, "p" * 200)
    cut = GatewayError("invalid_request", "x" * 4001, "p" * 201)

    told = [json.loads(error.as_body())["error"] for error in (said, cut)]
    assert [error["message"] for error in told] == ["x" * 4000, "x" * 4000 + "…"]
    assert [error["param"] for error in told] == ["p" * 200] * 2


def test_what_of_a_list_was_refused_is_told_with_its_reason() -> None:
    refused = [{"place": 2, "reason": "expected a credential"}]
    of_list = GatewayError("invalid_request", "none is good", refused=refused)
    of_none = GatewayError("invalid_request", "none is good")

    told = [json.loads(error.as_body())["error"] for error in (of_list, of_none)]

    assert [error.get("refused") for error in told] == [refused, None]


def test_a_key_that_is_none_is_told_how_to_bring_one() -> None:
    headers = GatewayError("invalid_api_key", "x").extra_headers()

    assert (b"www-authenticate", b'Bearer realm="tidegate"') in headers


def test_a_wait_is_bounded_where_its_row_says_so() -> None:
    waits = {
        code: dict(GatewayError(code, "x", retry_after_s=900.2).extra_headers())[b"retry-after"]
        for code in ("rate_limit_exceeded", "pool_saturated", "pool_quota_exhausted")
    }

    assert waits == {
        "rate_limit_exceeded": b"120",
        "pool_saturated": b"30",
        "pool_quota_exhausted": b"901",
    }


def test_what_a_backend_called_it_is_told_beside_our_own_code() -> None:
    error = GatewayError("upstream_rejected", "x", upstream_code="-2001")

    assert json.loads(error.as_body())["error"]["upstream_code"] == "-2001"
