"""What a client is told of an error: its row's words, and no more than a page of them."""

import json

from services.gateway.domain.errors import GatewayError


def test_message_is_cut_however_much_it_repeats() -> None:
    said = GatewayError("invalid_request", "x" * 4000, "p" * 200)
    cut = GatewayError("invalid_request", "x" * 4001, "p" * 201)

    told = [json.loads(error.as_body())["error"] for error in (said, cut)]
    assert [error["message"] for error in told] == ["x" * 4000, "x" * 4000 + "…"]
    assert [error["param"] for error in told] == ["p" * 200] * 2
