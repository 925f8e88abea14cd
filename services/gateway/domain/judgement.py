"""What an upstream's answer means: the body's code first, then the status (architecture §4).

Backends of this kind answer HTTP 200 for failures, so a status alone proves nothing while a
short JSON body can still be read.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.pool import Verdict
from services.gateway.settings import Meaning

JUDGED_BYTES_MAX = 64 * 1024
"""Longer JSON bodies, like streams, are judged by their status."""
CONCEALED = "(credential)"
_MESSAGE_MAX = 500
_UNKNOWN_STATUSES = frozenset({408, 409, 425})
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""How zlib is told of each encoding that can be judged (RFC 9110 §8.4.1)."""
_VERDICTS: dict[Meaning, Verdict] = {
    "bad_parameter": Verdict.REJECTED,
    "content_rejected": Verdict.REJECTED,
    "quota_exhausted": Verdict.QUOTA_EXHAUSTED,
    "risk_control": Verdict.RISK_CONTROL,
    "login_expired": Verdict.LOGIN_EXPIRED,
}


class Judgement(msgspec.Struct, frozen=True):
    """A verdict and what the backend said for it."""

    verdict: Verdict
    status: int = 0
    meaning: Meaning | None = None
    upstream_code: int | None = None
    message: str = ""
    results: int = 0
    """Items in `data`, when the body was read."""


class _Answer(msgspec.Struct):
    code: Any = None
    message: Any = None
    msg: Any = None
    errmsg: Any = None
    error: Any = None
    data: Any = None
    choices: Any = None


_answers = msgspec.json.Decoder(_Answer)


def judged_head(status: int, content_type: str, length: int | None) -> Judgement | None:
    """Judge by the head alone; None when the body has a say (or is the message to pass on)."""
    kind = content_type.partition(";")[0].strip().lower()
    if not 200 <= status < 300:  # noqa: PLR2004
        return None
    if length == 0:
        return Judgement(Verdict.OUTCOME_UNKNOWN, status, message="an empty answer")
    if kind == "text/event-stream" or not _may_be_json(kind):
        return Judgement(Verdict.SUCCESS, status)
    if length is not None and length > JUDGED_BYTES_MAX:
        return Judgement(Verdict.SUCCESS, status)
    return None


def _may_be_json(kind: str) -> bool:
    """Whether a body of this kind is read: JSON, whatever says nothing, and text of any kind."""
    return (
        not kind or kind == "application/json" or kind.endswith("+json") or kind.startswith("text/")
    )


def judged_body(
    status: int, encoding: str, body: bytes, codes: Mapping[str, Meaning], secret: str = ""
) -> Judgement:
    """Judge a whole body of at most 64 KB; one that is longer once decoded is as long as that.

    What a backend says goes to the client and into the log: `secret`, the credential that was
    sent, is taken out of it.
    """
    answer = _decoded(encoding, body)
    if isinstance(answer, _Answer):
        code = _code_of(answer)
        meaning = codes.get(str(code)) if code is not None else None
        message = _message_of(answer, secret)
        if meaning is not None:
            return Judgement(_VERDICTS[meaning], status, meaning, code, message)
        if code is not None and code != status:
            return Judgement(Verdict.OUTCOME_UNKNOWN, status, None, code, message)
        return _by_status(status, answer, message)
    return _by_status(status, answer, "")


def _by_status(status: int, answer: "_Answer | str | None", message: str) -> Judgement:
    if 200 <= status < 300:  # noqa: PLR2004
        return _result(status, answer)
    if status == 429:  # noqa: PLR2004
        return Judgement(Verdict.RATE_LIMITED, status, message=message)
    if status == 401:  # noqa: PLR2004
        return Judgement(Verdict.LOGIN_EXPIRED, status, message=message)
    if 400 <= status < 500 and status not in _UNKNOWN_STATUSES:  # noqa: PLR2004
        return Judgement(Verdict.REJECTED, status, message=message)
    return Judgement(Verdict.OUTCOME_UNKNOWN, status, message=message)


def _result(status: int, answer: "_Answer | str | None") -> Judgement:
    """Look for a result in a 2xx; `answer` is None when the body is no JSON object."""
    if answer is None:
        return Judgement(Verdict.SUCCESS, status)
    if isinstance(answer, str):
        return Judgement(Verdict.OUTCOME_UNKNOWN, status, message=answer)
    if answer.data or answer.choices:
        count = len(answer.data) if isinstance(answer.data, list) else 0
        return Judgement(Verdict.SUCCESS, status, results=count)
    return Judgement(Verdict.OUTCOME_UNKNOWN, status, message="an answer without a result")


def _decoded(encoding: str, body: bytes) -> "_Answer | str | None":
    """Decode for judging only: the object, None for what is not read, or why it is none."""
    if encoding not in {"", "identity"}:
        expanded = _expanded(encoding, body)
        if not isinstance(expanded, bytes):
            return expanded
        body = expanded
    try:
        return _answers.decode(body)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "an answer that is not valid JSON"


def _expanded(encoding: str, body: bytes) -> bytes | str | None:
    """Take an encoding off: the body, None when it is too long to be judged, or why it is none.

    Whoever answers in an encoding that nobody asked for, and that cannot be read here, may have
    said anything: that is no result.
    """
    if encoding not in _WINDOWS:
        return "an answer in an encoding that was not asked for"
    expanding = zlib.decompressobj(_WINDOWS[encoding])
    try:
        expanded = expanding.decompress(body, JUDGED_BYTES_MAX + 1)
    except zlib.error:
        return "an answer that does not decompress"
    if len(expanded) > JUDGED_BYTES_MAX:
        return None
    return expanded if expanding.eof else "an answer that does not decompress"


def _code_of(answer: _Answer) -> int | None:
    """Read a code that says something: 0 and absence say nothing."""
    value = answer.code
    if isinstance(value, str) and value.lstrip("-").isdecimal():
        value = int(value)
    return value if type(value) is int and value else None


def _message_of(answer: _Answer, secret: str) -> str:
    nested = answer.error.get("message") if isinstance(answer.error, dict) else answer.error
    for value in (answer.message, answer.msg, answer.errmsg, nested):
        if isinstance(value, str) and value:
            told = value.replace(secret, CONCEALED) if secret else value
            return told[:_MESSAGE_MAX]
    return ""
