"""A hook that the operator runs: asked over HTTP for as many credentials as the pool wants.

    POST <url>   {"wanted": 3}
    200          {"credentials": [{"credential": "…", "region": "us", "limits": {"image": 5},
                                   "quota_timezone": "Asia/Shanghai"}, …]}

`credential` alone is needed; one that is of no use is named in the log by its place, and costs none
of the others. What the pool has already is left out, and so is what is more than it
wanted: the hook may answer with all that it has, each time. After a failure, or an answer with
nothing new, the hook is left alone for a while: a second, then twice as long, up to a minute.
"""

import asyncio
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import httpx
import msgspec

from contracts.base import Part
from runtime.credentials import (
    Credential,
    WrongCredential,
    WrongCredentialError,
    credential_of,
    credentials_fault,
)
from runtime.texts import address_shown
from services.pool.provisioners.credential import (
    Known,
    Provisioner,
    ProvisionError,
    unique_credentials,
)

ANSWER_BYTES_MAX = 1_000_000
_PAUSE_FIRST_S, _PAUSE_LAST_S = 1.0, 60.0
_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header: no blanks, no control characters."""


class _Answer(Part, frozen=True, kw_only=True):
    credentials: list[Any]


class Hook(Provisioner):
    """Asks one URL, and remembers when to ask again."""

    has_source = True

    def __init__(
        self,
        url: str,
        token_file: Path | None,
        timeout_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        services: Collection[str] | None = None,
    ) -> None:
        """Ask nothing yet; `services` are the types that limits may name."""
        self._services = services
        self._url = url
        self._shown = address_shown(url)
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._not_before = float("-inf")
        self._pause_s = 0.0
        self._trouble = ""

    async def lacking_credentials(
        self, wanted: int, is_known: Known, at_most: int
    ) -> list[Credential]:
        """Ask for those that the pool wants, unless it is too soon after a failure."""
        asked = min(wanted, at_most)
        if asked <= 0:
            return []
        if self._monotonic() < self._not_before:
            if self._trouble:
                raise ProvisionError(self._trouble)
            return []
        try:
            answer = await self._ask_hook(asked)
        except ProvisionError as error:
            self._trouble = str(error)
            self._leave_alone()
            raise
        self._trouble = ""
        named = list(unique_credentials(answer))
        self._standing = [credential for credential in named if is_known(credential)]
        fresh = [credential for credential in named if not is_known(credential)][:asked]
        if fresh:
            self._pause_s = 0.0
        else:
            self._leave_alone()
        return fresh

    def _leave_alone(self) -> None:
        self._pause_s = min(max(self._pause_s * 2, _PAUSE_FIRST_S), _PAUSE_LAST_S)
        self._not_before = self._monotonic() + self._pause_s

    async def _ask_hook(self, wanted: int) -> list[Credential]:
        """Ask once. Raises `ProvisionError`, which repeats nothing of the answer's."""
        headers = (
            {} if self._token_file is None else {"authorization": f"Bearer {self._read_token()}"}
        )
        # No proxy of the environment, and no redirect: what comes back is secret.
        client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False, headers=headers)
        try:
            async with asyncio.timeout(self._timeout_s), client:
                request = client.build_request("POST", self._url, json={"wanted": wanted})
                response = await client.send(request, stream=True)
                body = await self._read_body(response)
        except TimeoutError:
            raise self._hook_error(f"expected an answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._hook_error(f"cannot be asked ({type(error).__name__})") from None
        return self._parse_answer(body)

    async def _read_body(self, response: httpx.Response) -> bytes:
        try:
            if response.status_code != httpx.codes.OK:
                raise self._hook_error(f"expected status 200, got {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise self._hook_error(f"expected at most {ANSWER_BYTES_MAX} bytes")
        finally:
            await response.aclose()
        return bytes(body)

    def _parse_answer(self, body: bytes) -> list[Credential]:
        """Read an answer's credentials; note those of no use. Raises `ProvisionError`."""
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._hook_error(f'expected {{"credentials": […]}}: {error}') from None
        places: list[tuple[int, Credential | WrongCredential]] = []
        for place, given in enumerate(answer.credentials):
            try:
                places.append((place, credential_of(given, self._services)))
            except WrongCredentialError as error:
                places.append((place, WrongCredential(str(error))))
        fault = credentials_fault(places, "credentials[{}]")
        self.complaint = f"{self._shown}: {fault}" if fault else ""
        good = [entry for _, entry in places if isinstance(entry, Credential)]
        if fault and not good:
            raise ProvisionError(self.complaint)
        return good

    def _read_token(self) -> str:
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

    def _hook_error(self, what: str) -> ProvisionError:
        return ProvisionError(f"{self._shown}: {what}")
