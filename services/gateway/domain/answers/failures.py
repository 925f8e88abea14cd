"""What a backend's failure says: its envelope's code, its message, a code inside the message.

The family of backends this was built for answers `{"code": N, "message": text, "data": null}`,
mostly with HTTP 200, and says -2001, "request failed", for nearly everything. So the message
decides, and with care: it is matched from its first character only, the first entry that fits
decides, and what a client wrote is never read. A picture's URL comes back inside messages; one
that reads like an expired login must blame no session (docs/explanation/backends.md).

In the comments, I is iptag/jimeng-api, D gdtiti/drraw_nopoint, Z zhizinan1997/jimeng-free-api-all
and L LLM-Red-Team/jimeng-free-api.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from services.gateway.dialects.words import SUBMITTED_AFTER_S

Meaning = Literal[
    "bad_parameter",
    "content_rejected",
    "quota_exhausted",
    "risk_control",
    "login_expired",
    "not_accepted",
]
"""What a failure says; `not_accepted`: nothing was submitted, and nobody is to blame."""

FIRST_POLL_S = 0.9
"""Before it no backend of this family fails by a network's word while it polls: Z and L wait a
second before they ask, I and D go on asking for three at least; a call that is tried again waits
five. So such a word that comes sooner is of the first call, or of one before the submission."""
_READ_MAX = 1000
"""Of a message, at most so many characters are matched."""

CODES: dict[str, Meaning] = {
    "-2000": "bad_parameter",  # I, D, Z, L: API_REQUEST_PARAMS_INVALID
    "-2003": "bad_parameter",  # I, D, Z, L: API_FILE_URL_INVALID
    "-2004": "bad_parameter",  # I, D, Z, L: API_FILE_EXECEEDS_SIZE
    "-2006": "content_rejected",  # I, D, Z, L: API_CONTENT_FILTERED
    "-2009": "quota_exhausted",  # I, D, Z, L: API_IMAGE_GENERATION_INSUFFICIENT_POINTS
    "-2002": "login_expired",  # I, D, Z, L: API_TOKEN_EXPIRES
    # The generator's own codes, where a backend passes them on as its own.
    "4002": "bad_parameter",
    "4001": "content_rejected",
    "1006": "quota_exhausted",
    "4013": "risk_control",
    "34010105": "login_expired",
}
"""Of the envelope. -2001 is "request failed": its message says of what."""

INNER_CODES: dict[str, Meaning] = {
    "1015": "login_expired",  # I, D: errors.ts; the generator's own
    "34010105": "login_expired",
    "1006": "quota_exhausted",  # I, D, Z, L: points used up
    "5000": "quota_exhausted",
    "4002": "bad_parameter",
    "4001": "content_rejected",
    "2038": "content_rejected",  # I, D: the text was filtered
    "2003": "content_rejected",
    "1019": "risk_control",  # I, D: the account is watched
    "-4": "risk_control",
    "-6": "risk_control",
    "4013": "risk_control",
    "1017": "risk_control",
    "3018": "risk_control",
    "34010100": "not_accepted",
    "3000": "risk_control",  # I, D: region not allow
    "2047": "content_rejected",  # I, D: forbidden words
    "2039": "quota_exhausted",  # Z: src/api/controllers/images.ts:657
}
"""Of the generator behind the backend, told inside a message."""

UPLOADING = (
    r"(?:图片上传失败: |首帧图片上传失败: |参考图上传失败: "
    r"|(?:image|video)_file(?:_\d+)? (?:URL图片)?处理失败: )"
)
"""Said while reference pictures are uploaded, before anything is submitted."""
_MAYBE = f"{UPLOADING}?"

_LOGIN = (
    rf"{_MAYBE}\[登录失效\]",
    rf"{_MAYBE}获取上传凭证失败，账号可能已掉线",  # noqa: RUF001
    r"\[请求jimeng失败\]: (?:check )?login error",
    r'Invalid character in header content \["Cookie"\]',  # the credential cannot be sent
)
_QUOTA = (
    rf"{_MAYBE}\[积分不足\]",
    r"积分不足",
    r"\[无法生成图像\]: 即梦积分",
    r"\[请求jimeng失败\]: 积分不足",
    r"今日.{2}生成次数已达上限",
)
_CONTENT = (
    rf"{_MAYBE}图片内容检测未通过",
    rf"{_MAYBE}\[内容违规\]",
    r"\[请求jimeng失败\]: (?:输入内容包含违规信息|risk not pass|detected risk)",
)
_PARAMETER = (
    rf"{_MAYBE}\[参数错误\]",
    r"Params .* invalid",
    r"不支持的(?:参数|分辨率|比例)",
    r'在 ".*" 分辨率下',
    r"(?:国际版|国内站)不支持",
    r"(?:至少需要|至少上传|最多支持|最多上传|最多只能上传|总数不超过)",
    r"图片 \d+ (?:格式不正确|缺少url字段)",
    r"在form-data中缺少",
    r"(?:该模型|veo3|sora2|3\.5-pro|seedance).*(?:仅支持|支持 4~15)",
    r"duration (?:必须是|参数格式错误)",
    r"视频(?:总)?时长",
    r"消息不能为空",
    r"omni_reference ",
    r"\[请求有误\]: ",
    r"全能模式(?:最多|至少|图片)",
    r"nanobananapro 模型在 ",
    # What Node, koa-body and formidable say of a body that they cannot read.
    r"无效的JSON格式",
    r"Unexpected (?:end|token|non-whitespace)",
    r"Expected ['\"]?[^ ]{1,40}(?: .{0,80})? in JSON",
    r"(?:Bad control character|Bad escaped character|Unterminated string|No number after minus)",
    r"invalid JSON, only supports",
    r"bad content-type header",
    r"MultipartParser\.end\(\)",
    r"options\.max(?:FileSize|Fields|FieldsSize)",
    r"request entity too large",
    r"\w{1,20}\.startsWith is not a function",
    rf"{UPLOADING}(?:Invalid URL|Failed to parse URL|Request failed with status code 4)",
    rf"{UPLOADING}(?:下载(?:图片|视频)失败|文件不存在|File |视频(?:总)?时长)",
    # Of an address that a client gave; the backend's own are no fault of its.
    rf"{UPLOADING}getaddrinfo \w+ (?!\S*(?:jianying|capcut|bytedance|byteimg|volc))",
)
_INNER = (
    rf"{_MAYBE}\[请求失败\]: .{{0,300}} \(错误码: (-?\d{{1,12}})\)\Z",
    r"(?:图像|视频)生成失败，状态码: \d+，错误码: (\d{1,12})\Z",  # noqa: RUF001
    r"生成失败: (\d{1,12})\Z",
)
_POLLED = r"(?:(?:图像|视频)生成失败，状态码: \d+，错误码: |生成失败: \d)"  # noqa: RUF001
"""I and D say so only of what they poll (smart-poller.ts), Z and L only of its answer."""
_UNREACHED = (
    r"(?:connect (?:ECONNREFUSED|ENETUNREACH|EHOSTUNREACH)"
    r"|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)) "
)
_RISK = (
    r"\[请求jimeng失败\]: (?:shark|region not allow|permission denied)",
    r"\[请求jimeng失败\]: 生成失败，疑似存在异常行为",  # noqa: RUF001
)
_NOTHING_SUBMITTED = (
    UPLOADING,
    r"首帧上传失败\Z",
    r"Cannot (?:read|destructure).{0,120}(?:gift_credit|'credit'|cur_total_credits)",
    r"\[请求jimeng失败\]: param error\Z",
    r"Invalid URL\Z",
    r"request (?:aborted|size did not match)",
)
MESSAGES: tuple[tuple[tuple[str, ...], Meaning | None], ...] = (
    (_LOGIN, "login_expired"),
    (_QUOTA, "quota_exhausted"),
    (_CONTENT, "content_rejected"),
    (_PARAMETER, "bad_parameter"),
    (_INNER, None),
    (_RISK, "risk_control"),
    (_NOTHING_SUBMITTED, "not_accepted"),
)
"""In the order in which they are tried; without a meaning: the code inside says it."""

_ALL = tuple((re.compile("|".join(texts)), meaning) for texts, meaning in MESSAGES)
_WHILE_UPLOADING = re.compile(UPLOADING)
_OF_THE_WORK = re.compile(_POLLED)
_NO_CONNECTION = re.compile(_UNREACHED)
_GENERATORS = re.compile(r"\[请求jimeng失败\]: ")
"""L passes the generator's message on so, and drops its code."""
_LOWERED = "积分不足，已自动降"  # noqa: RUF001
"""Z says so, as -2009, wherever its own message holds 1006, 2039 or the words for no points; also
in the address of a picture that could not be fetched (src/api/controllers/images.ts:657)."""

_OPENAI: dict[str, Meaning] = {
    "insufficient_quota": "quota_exhausted",
    "invalid_api_key": "login_expired",
    "authentication_error": "login_expired",
    "content_policy_violation": "content_rejected",
    "moderation_blocked": "content_rejected",
}
"""`error.code` or `error.type` of OpenAI's own error object (its API reference, "Error codes")."""

_WHILE_POLLING = frozenset({"login_expired", "risk_control", "bad_parameter", "quota_exhausted"})


class FailureMeaning(msgspec.Struct, frozen=True):
    """What a failure says, and how one knows."""

    meaning: Meaning | None
    inner_code: int | None = None
    """The generator's own code, when the message tells it."""
    uploading: bool = False
    """It was said before anything was submitted."""
    polled: bool = False
    """It was said of work that had been submitted."""
    relayed: bool = False
    """In the generator's own words, which it may say of any call, without a code."""


class FailureTables(msgspec.Struct, frozen=True):
    """Which codes and messages mean what; messages are tried in order, the operator's first."""

    codes: Mapping[str, Meaning] = msgspec.field(default_factory=lambda: CODES)
    inner_codes: Mapping[str, Meaning] = msgspec.field(default_factory=lambda: INNER_CODES)
    messages: tuple[tuple[re.Pattern[str], Meaning | None], ...] = _ALL

    def failure_of(
        self, code: int, message: str, *, quoting: bool = False, waited_s: float = SUBMITTED_AFTER_S
    ) -> FailureMeaning:
        """Read a failure's envelope: its code where that says something, else its message.

        `quoting`: the request named addresses, which the backend may have read its own words in.
        `waited_s` is from the request's last byte to the answer's first.
        """
        failure = self._read_failure(code, message[:_READ_MAX], quoting=quoting)
        if failure.meaning is None and waited_s < FIRST_POLL_S and _NO_CONNECTION.match(message):
            return FailureMeaning("not_accepted")
        return failure

    def _read_failure(self, code: int, message: str, *, quoting: bool) -> FailureMeaning:
        """Find what a code, or else the first pattern that matches the message, means."""
        if quoting and message.startswith(_LOWERED):
            return FailureMeaning("not_accepted")
        uploading = _WHILE_UPLOADING.match(message) is not None
        meaning = self.codes.get(str(code))
        if meaning is not None:
            return FailureMeaning(meaning, uploading=uploading)
        for pattern, named in self.messages:
            match = pattern.match(message)
            if match is None:
                continue
            if named is not None:
                relayed = _GENERATORS.match(message) is not None
                return FailureMeaning(named, uploading=uploading, relayed=relayed)
            inner = next(group for group in match.groups() if group is not None)
            meaning = self.inner_codes.get(inner)
            if meaning is not None:
                polled = _OF_THE_WORK.match(message) is not None
                return FailureMeaning(meaning, int(inner), uploading=uploading, polled=polled)
            inner_code = int(inner)
            return FailureMeaning(
                "not_accepted" if uploading else None, inner_code, uploading=uploading
            )
        return FailureMeaning(None)


def openai_meaning(error: object) -> Meaning | None:
    """Read OpenAI's own error object; None where it leaves the word to the status."""
    if not isinstance(error, dict):
        return None
    for name in ("code", "type"):
        said = error.get(name)
        if isinstance(said, str) and said in _OPENAI:
            return _OPENAI[said]
    return None


def is_poll_failure(
    failure: FailureMeaning, waited_s: float, submitted_after_s: float = SUBMITTED_AFTER_S
) -> bool:
    """Tell whether the work had been submitted when a failure was said: by its words, or so late.

    `waited_s` is from the request's last byte to the answer's first. The session is treated as
    said, but the unit is unknown: another session would buy a second generation. Rejected content
    is given back, whenever it is found out.
    """
    if failure.meaning in {None, "content_rejected"} or failure.uploading:
        return False
    if failure.polled:
        return True
    own = failure.relayed or failure.inner_code is not None
    generators = failure.meaning == "not_accepted" and own
    return waited_s > submitted_after_s and (generators or failure.meaning in _WHILE_POLLING)


def failure_tables(
    codes: Mapping[str, Meaning],
    inner_codes: Mapping[str, Meaning],
    messages: Iterable[tuple[str, Meaning]],
    *,
    replace: bool,
) -> FailureTables:
    """Lay an operator's tables over the built-in ones, or put them in their place."""
    own = tuple((re.compile(text), meaning) for text, meaning in messages)
    if replace:
        return FailureTables(codes, inner_codes, own)
    return FailureTables({**CODES, **codes}, {**INNER_CODES, **inner_codes}, (*own, *_ALL))
