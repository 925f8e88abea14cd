"""What of an answer is read before it is passed on, and what is made of it."""

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
from services.gateway.transport import Answer, TransportFailure


async def judge_answer(
    answer: Answer,
    tables: FailureTables,
    secrets: tuple[bytes, ...],
    translation: Translation | None,
    late_s: float,
) -> tuple[Judgement, bytes, bool]:
    """Judge an answer by its head and, where it has a say, its body.

    Returns what was read of the body too, and whether it can be answered as a whole: that was all,
    and reads as no more than is judged. Raises `TransportFailure`.
    """
    status = answer.status
    encoding = encoding_of(answer)
    if 200 <= status < 300 and not is_readable(encoding):  # noqa: PLR2004
        return Judgement(Verdict.OUTCOME_UNKNOWN, status, message=NOT_ASKED_FOR), b"", False
    length = answer.header_text(b"content-length")
    by_url = translation is not None
    kind = answer.header_text(b"content-type")
    by_head = judge_head(status, kind, int(length) if length else None, by_url=by_url)
    if by_head is not None:
        return by_head, b"", False
    begun, whole = await _read_judged_part(answer)
    whole = whole and expand_body(encoding, begun) is not None
    read = begun if whole else envelope_of(encoding, begun, secrets)
    told = 200 <= status < 300 and (not by_url or tells_results(encoding, begun))  # noqa: PLR2004
    if read is None and told:
        return Judgement(Verdict.SUCCESS, status), begun, whole
    if read is None:
        return judge_body(status, "", b"{}", tables), begun, whole
    judgement = judge_body(
        status,
        encoding if whole else "",
        read,
        tables,
        secrets,
        waited_s=answer.waited_s,
        late_s=late_s,
        closing=_says_close(answer),
        quoting=translation is not None and translation.quoting,
        by_url=by_url,
    )
    return judgement, begun, whole


def encoding_of(answer: Answer) -> str:
    """Read in which encoding its body came, if in any."""
    return answer.header_text(b"content-encoding").strip().lower()


def _says_close(answer: Answer) -> bool:
    """Whether it says that its connection ends with it."""
    return answer.header_text(b"connection").lower() == "close"


async def _read_judged_part(answer: Answer) -> tuple[bytes, bool]:
    """Take what may be judged; true when that was all."""
    body = answer.whole_body()
    if body is not None:
        return body, len(body) <= JUDGED_BYTES_MAX
    taken: list[bytes] = []
    size = 0
    try:
        async for chunk in answer:
            taken.append(chunk)
            size += len(chunk)
            if size > JUDGED_BYTES_MAX:
                return b"".join(taken), False
    except TransportFailure:
        # Node closes over bytes that it has not read: then a reset ends what has no body.
        bare = answer.status in REFUSED_BY_NODE and _says_close(answer)
        if taken or not bare or answer.header_text(b"content-length"):
            raise
    return b"".join(taken), True
