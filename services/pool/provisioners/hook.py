"""A hook that the operator runs: asked over HTTP for as many credentials as the pool wants.

    POST <url>   {"wanted": 3}
    200          {"credentials": [{"credential": "…", "region": "us", "limits": {"image": 5},
                                   "quota_timezone": "Asia/Shanghai"}, …]}

`credential` alone is needed. What the pool has already is left out, and so is what is more than it
wanted: the hook may answer with all that it has, each time. After a failure, or an answer with
nothing new, the hook is left alone for a while: a second, then twice as long, up to a minute.
"""

import asyncio
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import msgspec

from contracts.base import Part
from services.pool.provisioners.credential import (
    REGIONS,
    Credential,
    Known,
    Provisioner,
    ProvisionError,
    nameless,
    one_account,
    unique,
)

ANSWER_BYTES_MAX = 1_000_000
_PAUSE_FIRST_S, _PAUSE_LAST_S = 1.0, 60.0
_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header: no blanks, no control characters."""


class _Answer(Part, frozen=True, kw_only=True):
    credentials: list[Credential]


class Hook(Provisioner):
    """Asks one URL, and remembers when to ask again."""

    def __init__(
        self,
        url: str,
        token_file: Path | None,
        timeout_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet."""
        self._url = url
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._not_before = float("-inf")
        self._pause_s = 0.0
        self._trouble = ""

    async def lacking(self, wanted: int, known: Known, at_most: int) -> list[Credential]:
        """Ask for those that the pool wants, unless it is too soon after a failure."""
        asked = min(wanted, at_most)
        if asked <= 0:
            return []
        if self._monotonic() < self._not_before:
            if self._trouble:
                raise ProvisionError(self._trouble)
            return []
        try:
            answer = await self._answer(asked)
        except ProvisionError as error:
            self._trouble = str(error)
            self._leave_alone()
            raise
        self._trouble = ""
        found = [one for one in unique(answer) if not known(one)][:asked]
        if found:
            self._pause_s = 0.0
        else:
            self._leave_alone()
        return found

    def _leave_alone(self) -> None:
        self._pause_s = min(max(self._pause_s * 2, _PAUSE_FIRST_S), _PAUSE_LAST_S)
        self._not_before = self._monotonic() + self._pause_s

    async def _answer(self, wanted: int) -> list[Credential]:
        """Ask once. Raises `ProvisionError`, which repeats nothing of the answer's."""
        headers = {} if self._token_file is None else {"authorization": f"Bearer {self._token()}"}
        # No proxy of the environment, and no redirect: what comes back is secret.
        client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False, headers=headers)
        try:
            async with asyncio.timeout(self._timeout_s), client:
                request = client.build_request("POST", self._url, json={"wanted": wanted})
                response = await client.send(request, stream=True)
                body = await self._body(response)
        except TimeoutError:
            raise self._error(f"expected an answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error(f"cannot be asked ({type(error).__name__})") from None
        return self._read(body)

    async def _body(self, response: httpx.Response) -> bytes:
        try:
            if response.status_code != httpx.codes.OK:
                raise self._error(f"expected status 200, got {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise self._error(f"expected at most {ANSWER_BYTES_MAX} bytes")
        finally:
            await response.aclose()
        return bytes(body)

    def _read(self, body: bytes) -> list[Credential]:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = nameless(error)
            raise self._error(f'expected {{"credentials": […]}}: {reason}') from None
        for place, one in enumerate(answer.credentials):
            wrong = _wrong(one)
            if wrong:
                raise self._error(f"credentials[{place}].{wrong}")
        return answer.credentials

    def _token(self) -> str:
        """Read the token anew each time: it may have been rotated."""
        path = self._token_file
        assert path is not None
        try:
            token = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ProvisionError(f"{path}: expected the hook's token: {reason}") from None
        if not _SENDABLE.fullmatch(token):
            raise ProvisionError(f"{path}: expected one token of visible ASCII characters")
        return token

    def _error(self, what: str) -> ProvisionError:
        return ProvisionError(f"{self._url}: {what}")


def _wrong(one: Credential) -> str:
    """Say what of a credential cannot be used; empty when all can."""
    if not _SENDABLE.fullmatch(one.credential):
        return "credential: expected 1 to 4096 visible ASCII characters, no blanks"
    if not one_account(one.credential):
        return "credential: expected one account, and `,` separates several"
    if one.region and one.region not in REGIONS:
        return f"region: expected one of {', '.join(REGIONS)}, or none"
    if one.quota_timezone and not _is_zone(one.quota_timezone):
        return 'quota_timezone: expected one such as "Asia/Shanghai"'
    return ""


@cache
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
