"""What an upstream's answer means: its envelope first, then the status (architecture §4).

Backends of this kind answer HTTP 200 for failures, so a status alone proves nothing while a
short JSON body can still be read. What a failure's envelope says, `failures` knows.
"""

import json
import re
import zlib
from typing import Any

import msgspec

from contracts.pool import Verdict
from services.gateway.dialects.credentials import hidden
from services.gateway.dialects.words import LATE_S
from services.gateway.domain.failures import (
    Failure,
    FailureTables,
    Meaning,
    openai_meaning,
    said_while_polling,
)

JUDGED_BYTES_MAX = 64 * 1024
"""Of longer bodies only this much is read, and of that an envelope at its very start."""
CONCEALED = "(credential)"
_MESSAGE_MAX = 500
_CODE = re.compile(r"-?[0-9]{1,18}")
_CODE_LIMIT = 10**18
_ENVELOPE = re.compile(
    rb'\s{0,100}\{\s{0,100}"code"\s{0,9}:\s{0,9}"?(-?[0-9]{1,18})"?\s{0,9},\s{0,100}'
    rb'"(?:message|msg|errmsg)"\s{0,9}:\s{0,9}"((?:[^"\\]|\\.){0,1000})'
)
_RESULT = re.compile(rb'"(?:url|b64_json)"\s{0,9}:\s{0,9}"[^"]')
_UNKNOWN_STATUSES = frozenset({408, 409, 425})
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""How zlib is told of each encoding that can be judged (RFC 9110 §8.4.1)."""
_VERDICTS: dict[Meaning, Verdict] = {
    "bad_parameter": Verdict.REJECTED,
    "content_rejected": Verdict.REJECTED,
    "quota_exhausted": Verdict.QUOTA_EXHAUSTED,
    "risk_control": Verdict.RISK_CONTROL,
    "login_expired": Verdict.LOGIN_EXPIRED,
    "not_accepted": Verdict.REJECTED,  # a word of its own, but for the log's enumeration
}
REFUSED_BY_NODE = frozenset({400, 408, 431})
"""What Node's own parser answers, without a body, to what never reached the application."""


class Judgement(msgspec.Struct, frozen=True):
    """A verdict and what the backend said for it."""

    verdict: Verdict
    status: int = 0
    meaning: Meaning | None = None
    upstream_code: int | None = None
    inner_code: int | None = None
    message: str = ""
    submitted: bool = False
    """Said while polling: the session is treated as said, the unit is unknown, and that is all."""
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


def judged_head(
    status: int, content_type: str, length: int | None, *, by_url: bool = False
) -> Judgement | None:
    """Judge by the head alone; None when the body has a say (or is the message to pass on).

    `by_url`: of a backend that tells its results by `url` or `b64_json`, and nothing in any other
    way, the body always has.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not 200 <= status < 300:  # noqa: PLR2004
        return None
    if length == 0:
        return Judgement(Verdict.OUTCOME_UNKNOWN, status, message="an empty answer")
    if not by_url and (kind == "text/event-stream" or not _may_be_json(kind)):
        return Judgement(Verdict.SUCCESS, status)
    return None


def _may_be_json(kind: str) -> bool:
    """Whether a body of this kind is read: JSON, whatever says nothing, and text of any kind."""
    return (
        not kind or kind == "application/json" or kind.endswith("+json") or kind.startswith("text/")
    )


def judged_body(
    status: int,
    encoding: str,
    body: bytes,
    tables: FailureTables,
    secrets: tuple[bytes, ...] = (),
    *,
    waited_s: float = LATE_S,
    late_s: float = LATE_S,
    closing: bool = False,
    quoting: bool = False,
    by_url: bool = False,
) -> Judgement:
    """Judge a whole body of at most 64 KB; one that is longer once decoded is as long as that.

    What a backend says goes to the client and into the log: `secrets`, of the credential that
    was sent, are taken out of it. `waited_s` is from the request's last byte to the answer's first,
    `late_s` how long a backend takes at most until it has submitted;
    `closing` says that the answer's head closes the connection, `quoting` that the request named
    addresses of pictures, `by_url` what `judged_head` is told by it.
    """
    if not body and closing and status in REFUSED_BY_NODE:
        message = f"the backend answered {status} without a word: it read no request"
        return _meant("not_accepted", status, message=message)
    answer = _decoded(encoding, body, by_url=by_url)
    if not isinstance(answer, _Answer):
        return _by_status(status, answer, "", waited_s > late_s)
    code = _code_of(answer)
    if code is None and not answer.error and 200 <= status < 300:  # noqa: PLR2004
        return _result(status, answer, by_url=by_url)
    said = _message_of(answer)
    message = hidden(said, secrets, CONCEALED)[:_MESSAGE_MAX]
    if code is None or code == status:
        meaning = tables.codes.get(str(code)) or openai_meaning(answer.error)
        failure = Failure(meaning)
    else:
        failure = tables.failure(code, said, quoting=quoting, waited_s=waited_s)
    if failure.meaning is not None:
        late = said_while_polling(failure, waited_s, late_s)
        return _meant(failure.meaning, status, code, failure.inner_code, message, submitted=late)
    if code is not None and code != status:
        verdict = Verdict.OUTCOME_UNKNOWN
        return Judgement(verdict, status, None, code, failure.inner_code, message)
    return _by_status(status, answer, message, waited_s > late_s)


def _meant(
    meaning: Meaning,
    status: int,
    code: int | None = None,
    inner_code: int | None = None,
    message: str = "",
    *,
    submitted: bool = False,
) -> Judgement:
    verdict = _VERDICTS[meaning]
    return Judgement(verdict, status, meaning, code, inner_code, message, submitted)


def _by_status(
    status: int,
    answer: "_Answer | str | None",
    message: str,
    late: bool,  # noqa: FBT001 (one of four facts)
) -> Judgement:
    if 200 <= status < 300:  # noqa: PLR2004
        return _result(status, answer)
    if status == 429:  # noqa: PLR2004
        return Judgement(Verdict.RATE_LIMITED, status, message=message, submitted=late)
    if status == 401:  # noqa: PLR2004
        return Judgement(Verdict.LOGIN_EXPIRED, status, message=message, submitted=late)
    if 400 <= status < 500 and status not in _UNKNOWN_STATUSES:  # noqa: PLR2004
        return Judgement(Verdict.REJECTED, status, message=message)
    return Judgement(Verdict.OUTCOME_UNKNOWN, status, message=message)


def _result(status: int, answer: "_Answer | str | None", *, by_url: bool = False) -> Judgement:
    """Look for a result in a 2xx; `answer` is None when the body is no JSON object."""
    if answer is None:
        return Judgement(Verdict.SUCCESS, status)
    if isinstance(answer, str):
        return Judgement(Verdict.OUTCOME_UNKNOWN, status, message=answer)
    if isinstance(answer.data, list):
        count = sum(_is_result(item, by_url=by_url) for item in answer.data)
        if count:
            return Judgement(Verdict.SUCCESS, status, results=count)
    elif answer.data and not by_url:
        return Judgement(Verdict.SUCCESS, status)
    if answer.choices and not by_url:
        return Judgement(Verdict.SUCCESS, status)
    return Judgement(Verdict.OUTCOME_UNKNOWN, status, message="an answer without a result")


def _is_result(item: Any, *, by_url: bool) -> bool:
    """Whether an item of `data` is one: a picture or film without its URL or bytes is none.

    What names neither is of a kind that is not known here, and believed if it says anything.
    """
    if not isinstance(item, dict):
        return item is not None and not by_url
    if item.get("url") or item.get("b64_json"):
        return True
    if by_url or "url" in item or "b64_json" in item:
        return False
    return any(value for name, value in item.items() if name != "revised_prompt")


def _decoded(encoding: str, body: bytes, *, by_url: bool = False) -> "_Answer | str | None":
    """Decode for judging only: the object, None for what is not read, or why it is none."""
    plain = expanded(encoding, body)
    if not isinstance(plain, bytes):
        return plain
    try:
        return _answers.decode(plain)
    except msgspec.ValidationError:
        return "an answer that is no JSON object" if by_url else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _leniently(plain)


def _leniently(body: bytes) -> "_Answer | str":
    """Read what Node writes and the strict reader refuses, such as half of an emoji."""
    try:
        found = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return "an answer that is not valid JSON"
    return _Answer(**{name: found.get(name) for name in _Answer.__struct_fields__})


def envelope_of(encoding: str, begun: bytes) -> bytes | None:
    """Find the code and message at the start of a body too long to be read; None: it has none.

    A message may repeat a picture that the client gave, whole.
    """
    if encoding in _WINDOWS:
        try:
            begun = zlib.decompressobj(_WINDOWS[encoding]).decompress(begun, JUDGED_BYTES_MAX)
        except zlib.error:
            return None
    found = _ENVELOPE.match(begun)
    if found is None:
        return None
    code, said = found.groups()
    try:
        message = json.loads(b'"%b"' % said)
    except ValueError:  # cut within a character
        message = said.decode("utf-8", "replace")
    return json.dumps({"code": int(code), "message": message}).encode()


def tells_results(encoding: str, begun: bytes) -> bool:
    """Whether the start of an answer too long to be read has a result: an address, or bytes."""
    if encoding in _WINDOWS:
        try:
            begun = zlib.decompressobj(_WINDOWS[encoding]).decompress(begun, JUDGED_BYTES_MAX)
        except zlib.error:
            return False
    return _RESULT.search(begun) is not None


def expanded(encoding: str, body: bytes, bytes_max: int = JUDGED_BYTES_MAX) -> bytes | str | None:
    """Take an encoding off: the body, None when it becomes over `bytes_max`, or why it is none.

    Whoever answers in an encoding that nobody asked for, and that cannot be read here, may have
    said anything: that is no result.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in _WINDOWS:
        return "an answer in an encoding that was not asked for"
    expanding = zlib.decompressobj(_WINDOWS[encoding])
    try:
        plain = expanding.decompress(body, bytes_max + 1)
    except zlib.error:
        return "an answer that does not decompress"
    if len(plain) > bytes_max:
        return None
    return plain if expanding.eof else "an answer that does not decompress"


def _code_of(answer: _Answer) -> int | None:
    """Read a code that says something: 0, absence and what is longer than any code say nothing."""
    value = answer.code
    if isinstance(value, str) and _CODE.fullmatch(value):
        value = int(value)
    return value if type(value) is int and 0 < abs(value) < _CODE_LIMIT else None


def _message_of(answer: _Answer) -> str:
    nested = answer.error.get("message") if isinstance(answer.error, dict) else answer.error
    for value in (answer.message, answer.msg, answer.errmsg, nested):
        if isinstance(value, str) and value:
            return value.encode("utf-8", "replace").decode()
    return ""
