"""What a backend says of an account, by the bodies as the four sources give them."""

import gzip
import json
from typing import Any

import pytest

from services.gateway.dialects.credentials import authorization_of, secrets_of
from services.gateway.domain.answers.accounts import (
    CHECK,
    POINTS,
    RECEIVE,
    AccountAnswer,
    Points,
    combine_said,
    conceal_in_answer,
    read_said,
)
from services.gateway.domain.answers.failures import FailureTables

PROXIED = 'http://me:pass"word@10.0.0.9:1080@token-of-somebody'
SECRETS = secrets_of(authorization_of("us", PROXIED))
SIXTY = {"giftCredit": 60, "purchaseCredit": 0, "vipCredit": 0, "totalCredit": 60}
NOTHING = dict.fromkeys(SIXTY, 0)


def account_answer(path: str, body: Any, status: int = 200, encoding: str = "") -> AccountAnswer:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_said(path, status, encoding, written, FailureTables(), SECRETS)


def failed(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "data": None}


@pytest.mark.parametrize(
    ("path", "status", "body", "standing"),
    [
        (CHECK, 200, {"live": True}, "alive"),
        (CHECK, 200, {"live": False}, "unknown"),
        (CHECK, 200, {}, "unknown"),
        (CHECK, 200, [], "unknown"),
        (CHECK, 200, {"live": True, "code": []}, "unknown"),
        (CHECK, 200, {"live": True, "code": {}}, "unknown"),
        (CHECK, 401, failed(-2002, "[登录失效]: login error。请重新获取"), "dead"),
        (CHECK, 500, failed(-2001, "[请求失败]: x (错误码: 4)"), "unknown"),
        (CHECK, 500, failed(-2001, "[请求失败]: x (错误码: 1015)"), "dead"),
        (CHECK, 401, {"detail": "of a proxy before it"}, "unknown"),
        (POINTS, 200, [{"token": "x", "points": SIXTY}], "alive"),
        (POINTS, 200, failed(-2001, "[请求失败]: login error (错误码: 1015)"), "dead"),
        (POINTS, 200, failed(-2001, "[请求jimeng失败]: login error"), "dead"),
        (POINTS, 200, failed(-2001, "[请求jimeng失败]: shark not pass"), "unknown"),
        (POINTS, 200, failed(-1000, "Cannot read properties of undefined"), "unknown"),
        (POINTS, 200, {"error": {"message": "no"}}, "unknown"),
        (POINTS, 200, {"code": 0, "data": 1}, "unknown"),
        (POINTS, 200, [], "unknown"),
        (POINTS, 200, [{"token": "x"}], "unknown"),
        (POINTS, 200, b"<html>", "unknown"),
        (POINTS, 502, b"", "unknown"),
    ],
)
def test_only_an_envelope_that_says_so_makes_an_account_dead(
    path: str, status: int, body: Any, standing: str
) -> None:
    found = account_answer(path, body, status)

    assert found.standing == standing
    assert bool(found.message) == (standing != "alive")


def test_points_are_those_that_the_backend_counts() -> None:
    found = account_answer(POINTS, [{"token": "x", "points": SIXTY}]).points

    assert found == Points(giftCredit=60, purchaseCredit=0, vipCredit=0, totalCredit=60)
    assert not found.none_left


@pytest.mark.parametrize(
    ("points", "left"),
    [
        (NOTHING, True),
        (NOTHING | {"totalCredit": -1}, True),
        (NOTHING | {"totalCredit": None}, False),
        (NOTHING | {"totalCredit": False}, False),
        ({}, False),
    ],
)
def test_nothing_is_left_only_where_a_total_says_so(points: dict[str, Any], left: bool) -> None:  # noqa: FBT001
    found = account_answer(POINTS, [{"points": points}]).points

    assert found is not None
    assert found.none_left == left


def test_points_that_could_not_be_collected_say_why_without_the_credential() -> None:
    error = "[请求失败]: token-of-somebody (错误码: 34010100)"
    body = [{"token": PROXIED, "credits": NOTHING, "received": False, "error": error}]

    found = account_answer(RECEIVE, body)

    assert (found.received, found.message) == (False, "[请求失败]: (credential) (错误码: 34010100)")
    assert account_answer(RECEIVE, [{"credits": SIXTY, "received": True}]).received


def test_message_of_a_failure_is_told_without_the_credential() -> None:
    found = account_answer(
        CHECK, failed(-1000, f"bad header {PROXIED.replace('token-', 'us-token-')}"), 500
    )

    assert "somebody" not in found.message
    assert "pass" not in found.message


def test_answer_that_is_compressed_is_read() -> None:
    body = gzip.compress(json.dumps({"live": True}).encode())

    assert account_answer(CHECK, body, encoding="gzip").standing == "alive"
    assert account_answer(CHECK, body, encoding="br").standing == "unknown"


def test_login_that_expired_outweighs_and_one_that_lives_is_believed() -> None:
    alive, unknown, dead = (
        AccountAnswer("alive"),
        AccountAnswer("unknown", "false"),
        AccountAnswer("dead", "gone"),
    )
    points = AccountAnswer("alive", "", Points(totalCredit=7))

    assert combine_said([unknown, points]) == points
    assert combine_said([alive, dead]) == dead
    assert combine_said([alive, unknown]).standing == "alive"
    assert combine_said([unknown, unknown, AccountAnswer("unknown", "no")]).message == "false; no"


def test_answer_is_concealed_also_where_json_quotes_the_secret() -> None:
    whole = authorization_of("us", PROXIED).removeprefix(b"Bearer ").decode()
    body = json.dumps([{"token": whole, "why": 'pass"word', "of": "token-of-somebody"}]).encode()

    told = conceal_in_answer(body, SECRETS)

    assert json.loads(told) == [dict.fromkeys(("token", "why", "of"), "(credential)")]
