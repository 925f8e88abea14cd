"""What an upstream's answer means: its envelope first, then the status (leases.md).

Backends of this kind answer HTTP 200 for failures, so a status alone proves nothing while a
short JSON body can still be read. What a failure's envelope says, `failures` knows.
"""

from typing import Any

import msgspec

from contracts.pool import Verdict
from services.gateway.dialects.credentials import hide_secrets
from services.gateway.dialects.words import SUBMITTED_AFTER_S
from services.gateway.domain.answers.concealing import CONCEALED
from services.gateway.domain.answers.envelopes import (
    Said,
    code_of,
    message_of,
    read_envelope,
    unreadable_code,
)
from services.gateway.domain.answers.failures import (
    FailureMeaning,
    FailureTables,
    Meaning,
    is_poll_failure,
    openai_meaning,
)

_MESSAGE_MAX = 500
_UNKNOWN_STATUSES = frozenset({408, 409, 425})
"""Of the 4xx those that do not say that nothing was begun: too slow, in conflict, too early."""
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

    @property
    def session_doubt(self) -> bool:
        """Whether it may be the session's fault as well as the client's: no table lists it."""
        return self.verdict is Verdict.REJECTED and self.meaning is None


def judge_head(
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


def judge_body(
    status: int,
    encoding: str,
    body: bytes,
    tables: FailureTables,
    secrets: tuple[bytes, ...] = (),
    *,
    waited_s: float = SUBMITTED_AFTER_S,
    submitted_after_s: float = SUBMITTED_AFTER_S,
    closing: bool = False,
    quoting: bool = False,
    by_url: bool = False,
) -> Judgement:
    """Judge a whole body of at most 64 KB; one that is longer once decoded is as long as that.

    What a backend says goes to the client and into the log: `secrets`, of the credential that
    was sent, are taken out of it. `waited_s` is from the request's last byte to the answer's first,
    `submitted_after_s` how long a backend takes at most until it has submitted;
    `closing` says that the answer's head closes the connection, `quoting` that the request named
    addresses of pictures, `by_url` what `judge_head` is told by it.
    """
    if not body and closing and status in REFUSED_BY_NODE:
        message = f"the backend answered {status} without a word: it read no request"
        return _judge_meaning("not_accepted", status, message=message)
    answer = read_envelope(encoding, body, by_url=by_url)
    if not isinstance(answer, Said):
        reason = None if answer is None else answer.reason
        return _judge_status(status, reason, "", waited_s > submitted_after_s)
    code = code_of(answer)
    odd = code is None and answer.code is not None and unreadable_code(answer)
    if code is None and not odd and not answer.error and 200 <= status < 300:  # noqa: PLR2004
        return _judge_result(status, answer, by_url=by_url)
    said = message_of(answer)
    message = hide_secrets(said, secrets, CONCEALED)[:_MESSAGE_MAX]
    # A code that repeats the status says no more than that, so its message is no envelope's.
    if code is None or code == status:
        meaning = tables.codes.get(str(code)) or openai_meaning(answer.error)
        failure = FailureMeaning(meaning)
    else:
        failure = tables.failure_of(code, said, quoting=quoting, waited_s=waited_s)
    if failure.meaning is not None:
        submitted = is_poll_failure(failure, waited_s, submitted_after_s)
        return _judge_meaning(
            failure.meaning, status, code, failure.inner_code, message, submitted=submitted
        )
    # A failure that no table names: whatever its status says, the work may have been done.
    if odd or (code is not None and code != status):
        verdict = Verdict.OUTCOME_UNKNOWN
        return Judgement(verdict, status, None, code, failure.inner_code, message)
    return _judge_status(status, answer, message, waited_s > submitted_after_s)


def _judge_meaning(
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


def _judge_status(
    status: int,
    answer: Said | str | None,
    message: str,
    submitted: bool,  # noqa: FBT001 (one of four facts)
) -> Judgement:
    """Judge an answer that no table names, by its status alone."""
    if 200 <= status < 300:  # noqa: PLR2004
        return _judge_result(status, answer)
    if status == 429:  # noqa: PLR2004
        return Judgement(Verdict.RATE_LIMITED, status, message=message, submitted=submitted)
    if status == 401:  # noqa: PLR2004
        return Judgement(Verdict.LOGIN_EXPIRED, status, message=message, submitted=submitted)
    if 400 <= status < 500 and status not in _UNKNOWN_STATUSES:  # noqa: PLR2004
        return Judgement(Verdict.REJECTED, status, message=message)
    return Judgement(Verdict.OUTCOME_UNKNOWN, status, message=message)


def _judge_result(status: int, answer: Said | str | None, *, by_url: bool = False) -> Judgement:
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
