"""What of an answer is read before it is passed on, and what is made of it."""

import msgspec

from contracts.pool import Verdict
from services.gateway.dialects.words import Translation
from services.gateway.domain import Judgement, judge_body, judge_head
from services.gateway.domain.answers.envelopes import (
    JUDGED_BYTES_MAX,
    NOT_ASKED_FOR,
    envelope_of,
    expand_body,
    tells_results,
)
from services.gateway.domain.answers.expanding import is_readable
from services.gateway.domain.answers.failures import FailureTables
from services.gateway.domain.answers.judgement import REFUSED_BY_NODE
from services.gateway.transport import ServerAnswer, TransportFailure


class BodyStart(msgspec.Struct, frozen=True):
    """What of an answer's body was read before it is passed on."""

    content: bytes
    whole: bool
    """Whether that is all of it."""


class JudgedAnswer(msgspec.Struct, frozen=True):
    """What an answer means, and what of it was read to find that."""

    judgement: Judgement
    begun: bytes = b""
    whole: bool = False
    """Whether `begun` can be answered as a whole: it is all, and no longer than what is judged."""


async def judge_answer(
    answer: ServerAnswer,
    tables: FailureTables,
    secrets: tuple[bytes, ...],
    translation: Translation | None,
    submitted_after_s: float,
) -> JudgedAnswer:
    """Judge an answer by its head and, where it has a say, its body. Raises `TransportFailure`."""
    status = answer.status
    encoding = encoding_of(answer)
    if 200 <= status < 300 and not is_readable(encoding):  # noqa: PLR2004
        unread = Judgement(Verdict.OUTCOME_UNKNOWN, status, message=NOT_ASKED_FOR)
        return JudgedAnswer(unread)
    length = answer.header_text(b"content-length")
    by_url = translation is not None
    kind = answer.header_text(b"content-type")
    by_head = judge_head(status, kind, int(length) if length else None, by_url=by_url)
    if by_head is not None:
        return JudgedAnswer(by_head)
    start = await _read_judged_part(answer)
    begun = start.content
    whole = start.whole and expand_body(encoding, begun) is not None
    read = begun if whole else envelope_of(encoding, begun, secrets)
    told = 200 <= status < 300 and (not by_url or tells_results(encoding, begun))  # noqa: PLR2004
    if read is None and told:
        return JudgedAnswer(Judgement(Verdict.SUCCESS, status), begun, whole)
    if read is None:
        return JudgedAnswer(judge_body(status, "", b"{}", tables), begun, whole)
    judgement = judge_body(
        status,
        encoding if whole else "",
        read,
        tables,
        secrets,
        waited_s=answer.waited_s,
        submitted_after_s=submitted_after_s,
        closing=_says_close(answer),
        quoting=translation is not None and translation.quoting,
        by_url=by_url,
    )
    return JudgedAnswer(judgement, begun, whole)


def encoding_of(answer: ServerAnswer) -> str:
    """Read in which encoding its body came, if in any."""
    return answer.header_text(b"content-encoding").strip().lower()


def _says_close(answer: ServerAnswer) -> bool:
    """Whether it says that its connection ends with it."""
    return answer.header_text(b"connection").lower() == "close"


async def _read_judged_part(answer: ServerAnswer) -> BodyStart:
    """Take what may be judged. Raises `TransportFailure`."""
    body = answer.whole_body()
    if body is not None:
        return BodyStart(body, whole=len(body) <= JUDGED_BYTES_MAX)
    taken: list[bytes] = []
    size = 0
    try:
        async for chunk in answer:
            taken.append(chunk)
            size += len(chunk)
            if size > JUDGED_BYTES_MAX:
                return BodyStart(b"".join(taken), whole=False)
    except TransportFailure:
        # Node closes over bytes that it has not read: then a reset ends what has no body.
        bare = answer.status in REFUSED_BY_NODE and _says_close(answer)
        if taken or not bare or answer.header_text(b"content-length"):
            raise
    return BodyStart(b"".join(taken), whole=True)
