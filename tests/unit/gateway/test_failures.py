"""What a failure's codes and messages say, and when it was said."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.pool import Verdict
from runtime.settings import SettingsError, read_configuration
from services.gateway.dialects.words import FILM_SUBMITTED_AFTER_S, SUBMITTED_AFTER_S
from services.gateway.domain import judge_body
from services.gateway.domain.answers.failures import (
    MESSAGES,
    FailureMeaning,
    FailureTables,
    Meaning,
    is_poll_failure,
)
from services.gateway.settings import GatewaySection

TABLES = FailureTables()
PICTURE = "图像生成失败，状态码: 30，错误码: "  # noqa: RUF001
FILM = "视频生成失败，状态码: 30，错误码: "  # noqa: RUF001
BODIES = Path(__file__).with_name("failures.jsonl")


class Body(msgspec.Struct, frozen=True):
    """A failure as the source of a backend gives it."""

    backend: str
    source: str
    status: int
    code: int
    message: str
    meaning: Meaning | None
    inner_code: int | None = None
    note: str = ""


def bodies() -> list[Body]:
    lines = BODIES.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Body) for line in lines]


@pytest.mark.parametrize("body", bodies(), ids=lambda body: f"{body.backend}-{body.source}")
def test_failure_is_read_as_its_source_means_it(body: Body) -> None:
    text = json.dumps({"code": body.code, "message": body.message, "data": None}).encode()

    found = judge_body(body.status, "", text, TABLES)

    assert (found.meaning, found.inner_code) == (body.meaning, body.inner_code)
    assert found.upstream_code == body.code
    if body.meaning is None:
        assert found.verdict is Verdict.OUTCOME_UNKNOWN


def test_every_pattern_has_a_body_that_it_decides() -> None:
    undecided = {text for texts, _ in MESSAGES for text in texts}
    for body in bodies():
        for texts, _ in MESSAGES:
            decided = next((text for text in texts if re.match(text, body.message)), None)
            if decided is not None:
                undecided.discard(decided)
                break

    assert undecided == set()


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("参考图上传失败: Invalid URL: [登录失效]: x (错误码: 1015)", "bad_parameter"),
        ("图片上传失败: 下载图片失败: [积分不足]: x (错误码: 1006)", "bad_parameter"),
        ("图片上传失败: [登录失效]x", "login_expired"),
        ("x [登录失效]: x", None),
        ("[请求失败]: [登录失效] (错误码: 77)", None),
        ("[请求失败]: x (错误码: 1015) and more", None),
        ("[请求失败]: x (错误码: 1015)\n", None),
        ("request failed", None),
        ("", None),
    ],
)
def test_what_a_client_wrote_decides_nothing(message: str, meaning: Meaning | None) -> None:
    assert TABLES.failure_of(-2001, message).meaning == meaning


def test_inner_code_that_nobody_knows_is_not_accepted_only_while_uploading() -> None:
    polling = TABLES.failure_of(-2001, "[请求失败]: busy (错误码: 77)")
    uploading = TABLES.failure_of(-2001, "图片上传失败: [请求失败]: busy (错误码: 77)")

    assert (polling.meaning, polling.inner_code) == (None, 77)
    assert (uploading.meaning, uploading.inner_code) == ("not_accepted", 77)


def test_code_of_the_envelope_decides_before_its_message() -> None:
    assert TABLES.failure_of(-2002, "[积分不足]: x").meaning == "login_expired"


def test_patterns_are_read_in_time_that_does_not_explode() -> None:
    for start in ("图片上传失败: File ", "[请求失败]: ", "Params ", "seedance", "Cannot read"):
        assert TABLES.failure_of(-2001, start + "(错误码: " * 100_000) is not None


def judged_late(
    body: dict[str, Any] | bytes, status: int = 200, waited_s: float = SUBMITTED_AFTER_S + 1
) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge_body(status, "", text, TABLES, waited_s=waited_s)


@pytest.mark.parametrize(
    ("status", "body", "submitted"),
    [
        (200, {"code": -2002, "message": "token expired"}, True),
        (200, {"code": -2001, "message": "[请求失败]: x (错误码: 1019)"}, True),
        (200, {"code": -2000, "message": "duration"}, True),
        (200, {"code": -2001, "message": "图片上传失败: [登录失效]"}, False),
        (200, {"code": -2009, "message": "used up"}, True),
        (200, {"code": -2001, "message": "[请求失败]: x (错误码: 1006)"}, True),
        (200, {"code": -2001, "message": "[请求失败]: param error (错误码: 34010100)"}, True),
        (200, {"code": -2001, "message": "[请求jimeng失败]: param error"}, True),
        (200, {"code": -2006, "message": "no"}, False),
        (200, {"code": -2001, "message": "图片上传失败: timeout"}, False),
        (429, b"slow down", True),
        (401, b"", True),
        (403, b"", False),
    ],
)
def test_what_is_said_late_was_said_after_the_submission(
    status: int,
    body: Any,
    submitted: bool,  # noqa: FBT001
) -> None:
    assert judged_late(body, status).submitted is submitted
    assert judged_late(body, status, SUBMITTED_AFTER_S).submitted is False


def test_what_was_proved_by_its_words_never_comes_too_late() -> None:
    assert is_poll_failure(FailureMeaning("login_expired"), SUBMITTED_AFTER_S + 0.1)
    assert is_poll_failure(
        FailureMeaning("login_expired"), FILM_SUBMITTED_AFTER_S + 0.1, FILM_SUBMITTED_AFTER_S
    )
    assert not is_poll_failure(FailureMeaning(None), 99)
    assert not is_poll_failure(FailureMeaning("not_accepted"), 99)
    assert not is_poll_failure(FailureMeaning("risk_control", uploading=True), 99)


@pytest.mark.parametrize(
    ("message", "submitted"),
    [
        (PICTURE + "1017", True),
        (PICTURE + "1006", True),
        (FILM + "1019", True),
        ("生成失败: 1006", True),
        (PICTURE + "2038", False),
        ("[请求失败]: x (错误码: 1017)", False),
    ],
)
def test_what_is_said_of_the_work_was_said_after_the_submission_however_soon(
    message: str,
    submitted: bool,  # noqa: FBT001
) -> None:
    assert judged_late({"code": -2007, "message": message}, waited_s=0.1).submitted is submitted


@pytest.mark.parametrize(
    ("message", "waited_s", "meaning"),
    [
        ("connect ECONNREFUSED 127.0.0.1:443", 0.005, "not_accepted"),
        ("getaddrinfo ENOTFOUND jimeng.jianying.com", 0.005, "not_accepted"),
        ("connect ECONNREFUSED 127.0.0.1:443", 1.0, None),
        ("getaddrinfo ENOTFOUND jimeng.jianying.com", 15.0, None),
        ("socket hang up", 0.005, None),
        ("read ECONNRESET", 0.005, None),
    ],
)
def test_generator_that_cannot_be_reached_at_once_was_sent_nothing(
    message: str, waited_s: float, meaning: str | None
) -> None:
    assert judged_late({"code": -1000, "message": message}, waited_s=waited_s).meaning == meaning


@pytest.mark.parametrize("status", [400, 408, 431])
def test_what_node_refuses_by_itself_reached_no_application(status: int) -> None:
    found = judge_body(status, "", b"", TABLES, closing=True)

    assert found.meaning == "not_accepted"
    assert judge_body(status, "", b"", TABLES).meaning is None
    assert judge_body(status, "", b"bad", TABLES, closing=True).meaning is None


def section(**tables: Any) -> GatewaySection:
    return read_configuration(tables, GatewaySection, "file")


def test_tables_of_an_operator_are_laid_over_the_built_in_ones() -> None:
    tables = section(
        codes={"-2001": "login_expired", "9": "risk_control"},
        inner_codes={"77": "quota_exhausted"},
        messages=[{"pattern": "busy|full", "meaning": "not_accepted"}],
    ).failure_tables()

    assert tables.failure_of(-2001, "x").meaning == "login_expired"
    assert tables.failure_of(9, "x").meaning == "risk_control"
    assert tables.failure_of(-2009, "x").meaning == "quota_exhausted"
    assert tables.failure_of(-1, "full").meaning == "not_accepted"
    assert tables.failure_of(-1, "[请求失败]: x (错误码: 77)").meaning == "quota_exhausted"
    assert tables.failure_of(-1, "[请求失败]: x (错误码: 1015)").meaning == "login_expired"


def test_tables_of_an_operator_may_stand_in_their_place() -> None:
    tables = section(codes={"9": "risk_control"}, codes_replace=True).failure_tables()

    assert tables.failure_of(9, "x").meaning == "risk_control"
    assert tables.failure_of(-2009, "[登录失效]").meaning is None


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"codes": {"1": "nonsense"}}, "bad_parameter"),
        ({"messages": [{"pattern": "(", "meaning": "risk_control"}]}, "regular expression"),
        ({"messages": [{"meaning": "risk_control"}]}, "pattern"),
    ],
)
def test_wrong_table_is_refused_by_name(tables: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        section(**tables)


def test_words_that_a_backend_may_have_read_in_an_address_close_no_account() -> None:
    told = "积分不足，已自动降至最低画质仍然不足"  # noqa: RUF001

    assert TABLES.failure_of(-2009, told).meaning == "quota_exhausted"
    assert TABLES.failure_of(-2009, told, quoting=True).meaning == "not_accepted"
    assert TABLES.failure_of(-2009, "[积分不足]: x", quoting=True).meaning == "quota_exhausted"
