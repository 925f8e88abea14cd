"""What a backend says of an account: whether its login lives, and what points it has; pure.

The four answer `/token/*` as src/api/routes/token.ts of each has it. Only an envelope that says so
makes an account dead: `live: false` is what I says of every failure, and what the others say of
accounts that live (docs/explanation/backends.md).
"""

import json
from typing import Any, Literal, NamedTuple

import msgspec

from services.gateway.dialects.credentials import hide_secrets
from services.gateway.domain.answers.concealing import CONCEALED, blank_secrets
from services.gateway.domain.answers.envelopes import expand_body
from services.gateway.domain.answers.failures import FailureTables
from services.gateway.domain.answers.judgement import judge_body

CHECK, POINTS, RECEIVE = "/token/check", "/token/points", "/token/receive"
ASKED: dict[str, tuple[str, ...]] = {
    "jimeng": (CHECK, POINTS),
    "jimeng-free-all": (POINTS,),
    "jimeng-free": (POINTS,),
    "drraw": (CHECK,),
}
"""What is asked of each dialect to learn whether an account lives; of `plain` nothing is known."""
WITH_POINTS = ("jimeng", "jimeng-free-all", "jimeng-free")
COLLECTING = ("jimeng",)
"""Those that collect the points of the day when they are told to."""
_MESSAGE_MAX = 500
_READ_BYTES_MAX = 64 * 1024
_OK = 200

Standing = Literal["alive", "dead", "unknown"]


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has, as the backend counts it; None where it does not say."""

    giftCredit: float | None = None  # noqa: N815 (the backends' own names)
    purchaseCredit: float | None = None  # noqa: N815
    vipCredit: float | None = None  # noqa: N815
    totalCredit: float | None = None  # noqa: N815

    @property
    def none_left(self) -> bool:
        """Whether the backend said a total, and that it is nothing."""
        return self.totalCredit is not None and self.totalCredit <= 0


class AccountAnswer(NamedTuple):
    """One answer about an account, read."""

    standing: Standing = "unknown"
    message: str = ""
    points: Points | None = None
    received: bool = False


def read_said(
    path: str,
    status: int,
    encoding: str,
    body: bytes,
    tables: FailureTables,
    secrets: tuple[bytes, ...],
) -> AccountAnswer:
    """Read what was answered to `/token/check`, `/token/points` or `/token/receive`."""
    plain = expand_body(encoding, body, _READ_BYTES_MAX)
    answer = _read_object(plain) if isinstance(plain, bytes) else None
    if status != _OK or answer is None or _is_failure(answer):
        judged = judge_body(status, encoding, body[:_READ_BYTES_MAX], tables, secrets)
        dead = judged.meaning == "login_expired"
        message = judged.message or f"status {status}, and nothing that can be read"
        return AccountAnswer("dead" if dead else "unknown", message)
    if path == CHECK:
        live = isinstance(answer, dict) and answer.get("live") is True
        return (
            AccountAnswer("alive")
            if live
            else AccountAnswer("unknown", "live: false, which proves nothing")
        )
    first = answer[0] if isinstance(answer, list) and answer else None
    points = _read_points(first, "points" if path == POINTS else "credits")
    if points is None or not isinstance(first, dict):
        return AccountAnswer("unknown", "an answer without points")
    error = first.get("error")
    message = (
        hide_secrets(error, secrets, CONCEALED)[:_MESSAGE_MAX] if isinstance(error, str) else ""
    )
    return AccountAnswer("alive", message, points, received=first.get("received") is True)


def combine_said(answers: list[AccountAnswer]) -> AccountAnswer:
    """Make one of the answers of a test: a login that expired outweighs, then one that lives."""
    points = next((said.points for said in answers if said.points is not None), None)
    for standing in ("dead", "alive"):
        for said in reversed(answers):
            if said.standing == standing:
                return AccountAnswer(standing, said.message, points)
    messages = dict.fromkeys(said.message for said in answers if said.message)
    return AccountAnswer("unknown", "; ".join(messages), points)


def conceal_in_answer(body: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """Write an answer without any of these, as they are and as JSON has them."""
    for secret in secrets:
        quoted = json.dumps(secret.decode("latin-1"))[1:-1].encode()
        body = blank_secrets(body, (secret, quoted))
    return body


def _read_object(body: bytes) -> Any:
    """Read JSON as Node writes it; None where it is none."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _is_failure(answer: Any) -> bool:
    """Whether it is an envelope of a failure, or an error object."""
    if not isinstance(answer, dict):
        return False
    # A tuple: what a backend puts there may be of any kind, and lists are in no set.
    return bool(answer.get("error")) or answer.get("code") not in (None, 0, "0")


def _read_points(item: Any, name: str) -> Points | None:
    points = item.get(name) if isinstance(item, dict) else None
    if not isinstance(points, dict):
        return None
    return Points(**{field: _as_number(points.get(field)) for field in Points.__struct_fields__})


def _as_number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if good and abs(value) < float("inf") else None
