"""What an upstream's answer means: the outcome table of leases.md, row by row."""

import gzip
import json
import tracemalloc
import zlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from contracts.balancer import NoServer
from contracts.base import ServerId
from contracts.pool import Attempt, Outcome, Refusal, Refused, Verdict
from services.gateway.dialects.credentials import secrets_of
from services.gateway.domain import (
    another_session,
    client_error,
    failure_error,
    judge_body,
    judge_head,
    models_error,
    no_server_error,
    outcome_of,
    pause_before,
    refusal_error,
)
from services.gateway.domain.answers.envelopes import JUDGED_BYTES_MAX, envelope_of, tells_results
from services.gateway.domain.answers.failures import FailureTables
from services.gateway.domain.answers.judgement import Judgement
from services.gateway.domain.failure import Failure
from services.gateway.domain.heads import headers_passing

TABLES = FailureTables()
OK = {"created": 1, "data": [{"url": "u"}]}


def verdict_of(status: int, body: Any) -> Verdict:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge_body(status, "", text, TABLES).verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, OK, Verdict.SUCCESS),
        (200, {"choices": [{"message": {}}]}, Verdict.SUCCESS),
        (200, {"code": 0, "data": {"task": 1}}, Verdict.SUCCESS),
        (200, {"code": "0", "data": [1]}, Verdict.SUCCESS),
        (200, [1, 2], Verdict.SUCCESS),
        (200, {"code": -2009, "message": "used up", "data": None}, Verdict.QUOTA_EXHAUSTED),
        (200, {"code": "1006"}, Verdict.QUOTA_EXHAUSTED),
        (500, {"code": -2006}, Verdict.REJECTED),
        (200, {"code": -2000}, Verdict.REJECTED),
        (200, {"code": 4013}, Verdict.RISK_CONTROL),
        (200, {"code": 34010105}, Verdict.LOGIN_EXPIRED),
        (200, {"code": 77, "data": [1]}, Verdict.OUTCOME_UNKNOWN),
        (200, {"code": -2001, "message": "request failed"}, Verdict.OUTCOME_UNKNOWN),
        (200, {"data": [{"url": None}]}, Verdict.OUTCOME_UNKNOWN),
        (
            200,
            {"data": [{"url": ""}, {"b64_json": None, "revised_prompt": "p"}]},
            Verdict.OUTCOME_UNKNOWN,
        ),
        (200, {"data": [{"url": None}, {"url": "u"}]}, Verdict.SUCCESS),
        (200, {"data": [{"embedding": [0.1]}]}, Verdict.SUCCESS),
        (200, {"data": [None]}, Verdict.OUTCOME_UNKNOWN),
        (200, {"data": [{}]}, Verdict.OUTCOME_UNKNOWN),
        (200, {"data": [{"revised_prompt": "p"}]}, Verdict.OUTCOME_UNKNOWN),
        (200, {"data": [], "choices": [1]}, Verdict.SUCCESS),
        (429, {"error": {"code": "insufficient_quota"}}, Verdict.QUOTA_EXHAUSTED),
        (429, {"error": {"type": "insufficient_quota", "code": None}}, Verdict.QUOTA_EXHAUSTED),
        (429, {"error": {"code": "rate_limit_exceeded"}}, Verdict.RATE_LIMITED),
        (400, {"error": {"code": "content_policy_violation"}}, Verdict.REJECTED),
        (403, {"error": {"code": "invalid_api_key"}}, Verdict.LOGIN_EXPIRED),
        (400, {"error": {"code": 7, "type": "invalid_request_error"}}, Verdict.REJECTED),
        (400, {"code": 77}, Verdict.OUTCOME_UNKNOWN),
        (429, {"code": 429}, Verdict.RATE_LIMITED),
        (200, {"data": []}, Verdict.OUTCOME_UNKNOWN),
        (200, {"data": None}, Verdict.OUTCOME_UNKNOWN),
        (200, {"created": 1}, Verdict.OUTCOME_UNKNOWN),
        (200, b"{cut", Verdict.OUTCOME_UNKNOWN),
        (429, b"slow down", Verdict.RATE_LIMITED),
        (401, {"error": {"message": "no"}}, Verdict.LOGIN_EXPIRED),
        (403, {}, Verdict.REJECTED),
        (404, b"", Verdict.REJECTED),
        (408, {}, Verdict.OUTCOME_UNKNOWN),
        (409, {}, Verdict.OUTCOME_UNKNOWN),
        (425, {}, Verdict.OUTCOME_UNKNOWN),
        (302, {}, Verdict.OUTCOME_UNKNOWN),
        (500, {}, Verdict.OUTCOME_UNKNOWN),
        (503, b"<html>", Verdict.OUTCOME_UNKNOWN),
    ],
)
def test_body_code_comes_first_then_the_status(status: int, body: Any, verdict: Verdict) -> None:
    assert verdict_of(status, body) is verdict


def test_head_alone_judges_what_is_no_short_json() -> None:
    assert judge_head(200, "application/json; charset=utf-8", 100) is None
    assert judge_head(200, "", None) is None
    assert judge_head(200, "application/json", JUDGED_BYTES_MAX + 1) is None
    assert judge_head(500, "text/html", 100) is None
    assert judge_head(200, "text/plain", 100) is None
    assert judge_head(200, "application/problem+json", 100) is None
    for kind, length, verdict in (
        ("text/event-stream", None, Verdict.SUCCESS),
        ("image/png", 10, Verdict.SUCCESS),
        ("text/html", 0, Verdict.OUTCOME_UNKNOWN),
        ("application/json", 0, Verdict.OUTCOME_UNKNOWN),
    ):
        found = judge_head(200, kind, length)
        assert found is not None
        assert found.verdict is verdict


def encoded(encoding: str, body: bytes) -> Verdict:
    return judge_body(200, encoding, body, TABLES).verdict


def test_encoded_answers_are_decoded_for_judging_only() -> None:
    good = json.dumps(OK).encode()
    bad = json.dumps({"code": -2009, "data": None}).encode()

    for encoding, encode in (
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ):
        assert encoded(encoding, encode(good)) is Verdict.SUCCESS
        assert encoded(encoding, encode(bad)) is Verdict.QUOTA_EXHAUSTED
        assert encoded(encoding, encode(good)[:-9]) is Verdict.OUTCOME_UNKNOWN
        assert encoded(encoding, b"no") is Verdict.OUTCOME_UNKNOWN


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip"])
def test_answer_that_cannot_be_read_is_no_result(encoding: str) -> None:
    assert encoded(encoding, b"\x1b\x03") is Verdict.OUTCOME_UNKNOWN
    assert judge_body(403, encoding, b"\x1b", TABLES).verdict is Verdict.REJECTED


def test_answer_that_is_long_once_decoded_is_a_success_by_its_status() -> None:
    padding = "x" * JUDGED_BYTES_MAX
    body = json.dumps({"code": -2009, "data": None, "padding": padding}).encode()
    assert encoded("gzip", gzip.compress(body)) is Verdict.SUCCESS


def test_decoding_takes_no_more_memory_than_is_judged() -> None:
    bomb = gzip.compress(b" " * 64_000_000)

    assert len(bomb) < JUDGED_BYTES_MAX

    tracemalloc.start()
    try:
        assert encoded("gzip", bomb) is Verdict.SUCCESS
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_results_are_counted() -> None:
    found = judge_body(200, "", json.dumps({"data": [1, 2, None, {"url": ""}]}).encode(), TABLES)
    assert found.results == 2


@pytest.mark.parametrize("key", ["message", "msg", "errmsg"])
def test_message_of_the_backend_is_kept(key: str) -> None:
    body = json.dumps({"code": -2006, key: "no such thing"}).encode()
    found = judge_body(200, "", body, TABLES)

    assert client_error(found, None).message == "no such thing"
    assert client_error(found, None).upstream_code == -2006


@pytest.mark.parametrize(
    ("verdict", "outcome", "again"),
    [
        (Verdict.SUCCESS, Outcome.SETTLED, False),
        (Verdict.REJECTED, Outcome.RELEASED, False),
        (Verdict.RATE_LIMITED, Outcome.RELEASED, True),
        (Verdict.QUOTA_EXHAUSTED, Outcome.RELEASED, True),
        (Verdict.LOGIN_EXPIRED, Outcome.RELEASED, True),
        (Verdict.RISK_CONTROL, Outcome.RELEASED, True),
        (Verdict.UNREACHABLE, Outcome.RELEASED, False),
        (Verdict.OUTCOME_UNKNOWN, Outcome.UNKNOWN, False),
    ],
)
def test_each_verdict_has_one_outcome(verdict: Verdict, outcome: Outcome, again: bool) -> None:  # noqa: FBT001
    assert outcome_of(verdict, sent=True, answered=False) is outcome
    assert outcome_of(verdict, sent=True, answered=False, submitted=True) is Outcome.UNKNOWN
    assert another_session(verdict) is again


def test_units_of_a_client_that_left_depend_on_when_it_left() -> None:
    gone = Verdict.CLIENT_GONE

    assert outcome_of(gone, sent=False, answered=False) is Outcome.RELEASED
    assert outcome_of(gone, sent=True, answered=False) is Outcome.UNKNOWN
    assert outcome_of(gone, sent=True, answered=True) is Outcome.SETTLED


@pytest.mark.parametrize(
    ("judgement", "code", "status"),
    [
        (Judgement(Verdict.REJECTED, 200, "content_rejected"), "content_policy_violation", 400),
        (Judgement(Verdict.REJECTED, 200, "bad_parameter"), "invalid_request", 400),
        (Judgement(Verdict.REJECTED, 403), "upstream_rejected", 403),
        (Judgement(Verdict.RATE_LIMITED, 429), "pool_saturated", 503),
        (Judgement(Verdict.RISK_CONTROL, 200), "pool_saturated", 503),
        (Judgement(Verdict.QUOTA_EXHAUSTED, 200), "pool_saturated", 503),
        (Judgement(Verdict.LOGIN_EXPIRED, 401), "upstream_error", 502),
        (Judgement(Verdict.OUTCOME_UNKNOWN, 500), "upstream_outcome_unknown", 502),
        (Judgement(Verdict.REJECTED, 200, "not_accepted"), "upstream_error", 502),
        (
            Judgement(Verdict.LOGIN_EXPIRED, 200, "login_expired", submitted=True),
            "upstream_outcome_unknown",
            502,
        ),
    ],
)
def test_each_last_verdict_has_its_error(judgement: Judgement, code: str, status: int) -> None:
    error = client_error(judgement, 5)
    assert (error.code, error.http_status) == (code, status)


def test_failures_tell_whether_the_work_may_have_been_done() -> None:
    assert failure_error(Failure.CONNECT, sent=False).code == "upstream_error"
    assert failure_error(Failure.CUT, sent=True).http_status == 502
    assert failure_error(Failure.TIMEOUT, sent=True).http_status == 504
    assert failure_error(Failure.TIMEOUT, sent=True, safe=True).error_kind.should_retry
    assert not failure_error(Failure.CUT, sent=True).error_kind.should_retry


@pytest.mark.parametrize(
    ("judgement", "code", "status"),
    [
        (Judgement(Verdict.REJECTED, 404), "upstream_rejected", 404),
        (Judgement(Verdict.RATE_LIMITED, 429), "pool_saturated", 503),
        (Judgement(Verdict.LOGIN_EXPIRED, 401), "upstream_error", 502),
        (Judgement(Verdict.OUTCOME_UNKNOWN, 500, message="oh"), "upstream_error", 502),
    ],
)
def test_answer_without_models_blames_no_session(
    judgement: Judgement, code: str, status: int
) -> None:
    error = models_error(judgement, 5)
    assert (error.code, error.http_status) == (code, status)
    assert str(judgement.status) in error.message or error.retry_after_s == 5


@pytest.mark.parametrize(
    ("attempts", "retry_after_s", "chance", "seconds"),
    [
        (1, None, 0.0, 0.5),
        (1, None, 1.0, 0.25),
        (2, None, 0.0, 1.0),
        (3, None, 0.5, 1.5),
        (1, 7.0, 0.0, 7.0),
        (2, 0.0, 0.0, 1.0),
    ],
)
def test_same_server_is_left_alone_longer_each_time(
    attempts: int, retry_after_s: float | None, chance: float, seconds: float
) -> None:
    assert pause_before(attempts, retry_after_s, chance) == seconds


@pytest.mark.parametrize("reason", list(Refusal))
def test_every_refusal_is_worded(reason: Refusal) -> None:
    error = refusal_error(Refused(reason=reason, retry_after_s=7), "image")
    assert error.message
    assert error.http_status >= 400


def test_exhausted_quota_is_told_with_the_time_of_the_next_day_if_that_is_known() -> None:
    reset = datetime(2025, 3, 2, 8, tzinfo=timezone(timedelta(hours=8)))

    known = refusal_error(Refused(reason=Refusal.QUOTA_EXHAUSTED, resets_at=reset), "image")
    unknown = refusal_error(Refused(reason=Refusal.QUOTA_EXHAUSTED), "image")

    assert unknown.message == "no session has a unit of image left today"
    assert known.message == (
        f"{unknown.message}; the next quota day begins at 2025-03-02T00:00:00Z"
    )


def test_a_refusal_says_why_the_pool_adds_no_session() -> None:
    refused = Refused(reason=Refusal.CREDENTIALS_EXHAUSTED, held="none is bought")

    assert refusal_error(refused, "image").message.endswith("key is good; none is bought")


def test_a_refusal_says_why_it_waits_no_longer() -> None:
    refused = Refused(reason=Refusal.SATURATED, wait="an operator dropped it from the queue")

    said = refusal_error(refused, "image").message

    assert said.endswith("being made; an operator dropped it from the queue")


def test_credential_that_a_backend_repeats_is_taken_out_of_its_message() -> None:
    secret = "x" * 30
    said = "y" * 480 + f" token us-{secret} expired"
    body = json.dumps({"code": -2001, "message": said}).encode()

    found = judge_body(200, "", body, TABLES, (secret.encode(),))

    assert "xxx" not in found.message
    assert found.message.endswith("us-(credentia")
    assert judge_body(200, "", body, TABLES).message == said[:500]


@pytest.mark.parametrize(
    ("authorization", "secret"),
    [(b"Bearer us-abc", b"abc"), (b"Bearer abc", b"abc"), (b"Bearer usa-b", b"usa-b"), (None, b"")],
)
def test_header_that_repeats_the_credential_is_not_passed_on(
    authorization: bytes | None, secret: bytes
) -> None:
    assert secrets_of(authorization) == ((secret,) if secret else ())
    upstream = [(b"ETag", b"t=" + (secret or b"abc")), (b"Content-Type", b"image/png")]

    kept = headers_passing(upstream, secrets=secrets_of(authorization))

    png = (b"content-type", b"image/png")
    assert kept == ([png] if secret else [(b"etag", b"t=abc"), png])


ODD_CODES = (
    *(b'"%b"' % code for code in (b"9" * 25, b"--5", b"5" * 5000, b"1e400", b"+ 5", b"1_0")),
    *(b"9" * 40, b"5" * 5000, b"-" + b"5" * 5000, b"1e400", b"-1e400", b"0.5", b"NaN", b"1e30"),
    '"１００６"'.encode(),  # noqa: RUF001
)


@pytest.mark.parametrize("data", [b"null", b'[{"url":"u"}]'])
@pytest.mark.parametrize("code", ODD_CODES, ids=range(len(ODD_CODES)))
def test_code_that_nobody_can_read_is_an_outcome_nobody_knows(code: bytes, data: bytes) -> None:
    body = b'{"code":%b,"message":"x","data":%b}' % (code, data)

    found = judge_body(200, "", body, TABLES)

    assert (found.verdict, found.upstream_code) == (Verdict.OUTCOME_UNKNOWN, None)
    assert client_error(found, None).message == "the backend answered 200: x"


@pytest.mark.parametrize("code", ["null", '"0"', "0.0", '""', "false", '"SUCCESS"', "{}", '" 0 "'])
def test_code_that_says_nothing_spoils_no_result(code: str) -> None:
    found = judge_body(200, "", b'{"code":%b,"data":[{"url":"u"}]}' % code.encode(), TABLES)

    assert (found.verdict, found.results) == (Verdict.SUCCESS, 1)


@pytest.mark.parametrize("code", ["-2009", '" -2009 "', "-2009.0"])
def test_code_is_read_however_a_backend_writes_its_number(code: str) -> None:
    found = judge_body(200, "", b'{"code":%b,"data":null}' % code.encode(), TABLES)

    assert (found.verdict, found.upstream_code) == (Verdict.QUOTA_EXHAUSTED, -2009)


@pytest.mark.parametrize("encode", [bytes, gzip.compress])
def test_byte_order_mark_before_an_answer_says_nothing(encode: Any) -> None:
    encoding = "" if encode is bytes else "gzip"
    bad = b'\xef\xbb\xbf{"code":-2009,"message":"' + b"A" * 70_000 + b'","data":null}'

    good = judge_body(200, encoding, encode(b"\xef\xbb\xbf" + json.dumps(OK).encode()), TABLES)
    found = envelope_of(encoding, encode(bad)[:JUDGED_BYTES_MAX])

    assert (good.verdict, good.results) == (Verdict.SUCCESS, 1)
    assert found is not None
    assert judge_body(200, "", found, TABLES).verdict is Verdict.QUOTA_EXHAUSTED


@pytest.mark.parametrize("half", [b"\\ud83d", b"\xf0\x9f"])
def test_half_of_an_emoji_spoils_neither_a_result_nor_a_failure(half: bytes) -> None:
    good = b'{"created":1,"data":[{"url":"u","revised_prompt":"a' + half + b'"}]}'
    bad = b'{"code":-2006,"message":"a' + half + b'","data":null}'

    assert judge_body(200, "", good, TABLES).results == 1
    found = judge_body(200, "", bad, TABLES)
    assert found.meaning == "content_rejected"
    assert found.message.encode()


def test_envelope_is_found_at_the_start_of_what_is_too_long_to_be_read() -> None:
    message = "图片上传失败: Failed to parse URL from data:image/png;base64," + "A" * 70_000
    for ascii_only, separators in ((False, (",", ":")), (True, (", ", ": "))):
        body = json.dumps(
            {"code": -2001, "message": message}, ensure_ascii=ascii_only, separators=separators
        ).encode()
        for encoding, sent in (("", body), ("gzip", gzip.compress(body))):
            envelope = envelope_of(encoding, sent[:JUDGED_BYTES_MAX])
            assert envelope is not None
            assert judge_body(200, "", envelope, TABLES).meaning == "bad_parameter"


@pytest.mark.parametrize(
    ("encoding", "begun"),
    [
        ("", b'{"created":1,"data":[{"b64_json":"' + b"A" * 70_000),
        ("", b" " * 70_000),
        ("", b'{"code":"x","message":"y'),
        ("gzip", b"no gzip"),
        ("", b'{"code":1,"message":' + b"[" * 70_000),
    ],
)
def test_what_begins_with_no_envelope_has_none(encoding: str, begun: bytes) -> None:
    assert envelope_of(encoding, begun) is None


def test_what_is_no_json_object_even_to_the_lenient_is_no_answer() -> None:
    assert verdict_of(200, b"NaN") is Verdict.OUTCOME_UNKNOWN


def test_message_cut_within_a_character_is_still_read() -> None:
    begun = b'{"code":-2006,"message":"' + b"a" * 998 + b"\\u00e9" + b"a" * 70_000
    envelope = envelope_of("", begun)

    assert envelope is not None
    assert judge_body(200, "", envelope, TABLES).meaning == "content_rejected"


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("before", [*range(290, 336, 5), *range(890, 1004, 7)])
def test_nothing_is_left_of_a_credential_at_which_a_message_is_cut(
    before: int, encoding: str, *, ascii_only: bool
) -> None:
    secret = b'tok"en/' + bytes(range(0x41, 0x5B)) * 4
    several = f"{secret.decode()} " * 6 if ascii_only else ""
    rest = "积" * (before - len(several))
    long = f"{several}{rest}{secret.decode()} expired{'A' * 70_000}"
    told = {"code": -2001, "message": long}
    body = json.dumps(told, ensure_ascii=ascii_only).replace("/", "\\/").encode()
    begun = gzip.compress(body) if encoding else body[: JUDGED_BYTES_MAX + 1]

    envelope = envelope_of(encoding, begun, (b"other", secret))

    assert envelope is not None
    found = judge_body(200, "", envelope, TABLES, (b"other", secret))

    assert "tok" not in found.message
    assert found.message


def test_message_that_ends_before_it_is_cut_keeps_its_end() -> None:
    begun = b'{"code":-2001,"message":"the prompt","data":"' + b"A" * 70_000

    envelope = envelope_of("", begun, (b"token-of-an-account",))

    assert envelope is not None
    assert judge_body(200, "", envelope, TABLES).message == "the prompt"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"5",
        b'"done"',
        b"OK",
        b"data: {}\n\n",
        b"\x89PNG",
        b'{"data":[5]}',
        b'{"data":[{"embedding":[1]}]}',
        b'{"data":{"task":1}}',
        b'{"choices":[1]}',
    ],
)
def test_backend_that_tells_results_by_url_is_believed_nothing_else(body: bytes) -> None:
    for kind in ("application/json", "text/event-stream", "application/octet-stream"):
        assert judge_head(200, kind, None, by_url=True) is None
    found = judge_body(200, "", body, TABLES, by_url=True)

    assert found.verdict is Verdict.OUTCOME_UNKNOWN


def test_long_answer_of_such_a_backend_is_believed_as_any() -> None:
    body = gzip.compress(b'{"data":[{"b64_json":"' + b"A" * 100_000 + b'"}]}')

    assert judge_body(200, "gzip", body, TABLES, by_url=True).verdict is Verdict.SUCCESS


@pytest.mark.parametrize(
    ("rests_s", "tried", "code", "wait"),
    [
        (0, False, "no_backend", b"5"),
        (0, True, "upstream_error", None),
        (12.5, True, "pool_saturated", b"13"),
        (600, False, "pool_saturated", b"30"),
    ],
)
def test_server_that_only_rests_is_no_outage(
    rests_s: float,
    tried: bool,  # noqa: FBT001
    code: str,
    wait: bytes | None,
) -> None:
    attempts = [failed_attempt("b")] if tried else []

    error = no_server_error(NoServer(reason="a: rests", rests_s=rests_s), "image", attempts)

    assert error.code == code
    assert dict(error.extra_headers()).get(b"retry-after") == wait


def failed_attempt(server_id: str, status: int = 0, failure: str = "") -> Attempt:
    return Attempt(
        server_id=ServerId(server_id), verdict=Verdict.UNREACHABLE, status=status, failure=failure
    )


def test_why_there_is_no_other_server_is_how_those_failed_that_were_tried() -> None:
    names = ("a", "b", "c", "d", "e")
    tried = NoServer(reason="; ".join(f"{name}: already tried" for name in names) + "; f: down")
    attempts = [
        failed_attempt("a", failure="connect"),
        failed_attempt("b", status=502),
        failed_attempt("c", failure="something odd"),
        failed_attempt("d"),
    ]

    error = no_server_error(tried, "image", attempts)

    assert error.code == "upstream_error"
    assert error.message == (
        "no server can do image: a: it cannot be connected to; b: it answered 502;"
        " c: something odd; d: already tried; e: already tried; f: down"
    )


def test_start_of_a_long_answer_tells_a_result_or_none() -> None:
    good = b'{"created":1,"data":[{"b64_json":"' + b"A" * 70_000
    bad = b'{"data":null,"message":"' + b"x" * 70_000

    assert tells_results("", good)
    assert tells_results("gzip", gzip.compress(good))
    assert not tells_results("", bad)
    assert not tells_results("gzip", b"no gzip")
    assert not tells_results("", b'{"data":[{"url":null')


@pytest.mark.parametrize("said", ["", "[登录失效]: Token invalid"])
def test_client_is_told_that_it_is_not_its_own_key_that_is_invalid(said: str) -> None:
    error = client_error(Judgement(Verdict.LOGIN_EXPIRED, 401, message=said), None)
    exhausted = refusal_error(Refused(reason=Refusal.CREDENTIALS_EXHAUSTED), "image")

    assert "the pool's credential invalid; your own key is good" in error.message
    assert error.message.endswith(said)
    assert "your own key is good" in exhausted.message


def test_where_all_are_ejected_clients_hear_so_and_when_the_next_is_tried() -> None:
    reason = "every server that can do image is ejected: a (5 failures in a row)"

    error = no_server_error(NoServer(reason=reason, back_in_s=17.2), "image")

    assert error.code == "no_backend"
    assert error.message == (
        f"no server can do image: {reason}; the next of those that are ejected is tried in 18 s"
    )
    assert dict(error.extra_headers())[b"retry-after"] == b"18"
