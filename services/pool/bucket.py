"""The KV bucket of ciphertexts: a key per session id, the newest only.

The revision of a ciphertext is its stream sequence; each is stored behind the one that its writer
knows (compare and set).
"""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.base import SessionId
from contracts.subjects import CREDENTIALS_BUCKET, CREDENTIALS_STREAM
from runtime.nats.bus import Bus

_PREFIX = f"$KV.{CREDENTIALS_BUCKET}."
_BEHIND = "Nats-Expected-Last-Subject-Sequence"
_MOVED = 10071
"""The server's code where something else was stored meanwhile."""
_NO_MESSAGE = 10037
_TIMEOUT_S = 2.0
_PAGE = 1000
_END_OF_PAGE = "204"
_NOT_FOUND = "404"


class CredentialsUnavailableError(Exception):
    """The bucket did not do what was asked."""


class CredentialMovedError(CredentialsUnavailableError):
    """Something else was stored meanwhile."""


class Ciphertext(NamedTuple):
    """What is stored for a session."""

    session_id: SessionId
    revision: int
    """0: nothing ever was."""
    sealed: bytes
    """Empty: it was taken out."""


class CredentialBucket:
    """The bucket over one connection."""

    def __init__(self, client: Bus) -> None:
        """Use `client`; nothing is read yet."""
        self._client = client

    async def store_behind(self, session_id: SessionId, sealed: bytes, revision: int) -> int:
        """Store a ciphertext behind this revision, 0 for none; its own.

        Raises `CredentialMovedError` when there is another, and `CredentialsUnavailableError`.
        """
        return await self._store(session_id, sealed, {_BEHIND: str(revision)})

    async def _store(self, session_id: SessionId, content: bytes, headers: dict[str, str]) -> int:
        answer = await self._ask(_PREFIX + session_id, content, headers)
        if "error" not in answer:
            return int(answer["seq"])
        error = answer["error"]
        if error.get("err_code") != _MOVED:
            raise CredentialsUnavailableError(f"{session_id}: {error['description']}")
        raise CredentialMovedError(f"{session_id}: another was stored at the same time")

    async def delete_behind(self, session_id: SessionId, revision: int) -> int:
        """Take a ciphertext out behind this revision; the revision of what marks its absence.

        The bucket keeps the newest of each session alone: the ciphertext is in it no more. Raises
        as `store_behind`.
        """
        headers = {_BEHIND: str(revision), "KV-Operation": "DEL"}
        return await self._store(session_id, b"", headers)

    async def read_newest(self, session_id: SessionId) -> Ciphertext:
        """Read what is stored for a session. Raises `CredentialsUnavailableError`."""
        body = json.dumps({"last_by_subj": _PREFIX + session_id}).encode()
        answer = await self._ask(f"$JS.API.STREAM.MSG.GET.{CREDENTIALS_STREAM}", body)
        if "error" not in answer:
            found = answer["message"]
            sealed = base64.b64decode(found.get("data", ""))
            return Ciphertext(session_id, int(found["seq"]), sealed)
        if answer["error"].get("err_code") == _NO_MESSAGE:
            return Ciphertext(session_id, 0, b"")
        raise CredentialsUnavailableError(f"{session_id}: {answer['error']['description']}")

    async def pages_behind(self, after: int) -> AsyncIterator[list[Ciphertext]]:
        """Yield what is stored behind a revision, in order.

        Raises `CredentialsUnavailableError`.
        """
        full = True
        while full:
            page = [_as_ciphertext(message) for message in await self._read_page(after + 1)]
            full = len(page) == _PAGE
            if page:
                yield page
                after = page[-1].revision

    async def _ask(
        self, subject: str, body: bytes, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            message = await self._client.request(subject, body, timeout=_TIMEOUT_S, headers=headers)
        except (NatsError, ConnectionError) as error:
            raise CredentialsUnavailableError(f"{subject}: {type(error).__name__}") from None
        answer: dict[str, Any] = json.loads(message.data)
        return answer

    async def _read_page(self, start: int) -> list[Msg]:
        """Read the next ciphertexts of the bucket (a batch of the direct-get API)."""
        inbox = self._client.new_inbox()
        wanted = {"seq": start, "next_by_subj": f"{_PREFIX}>", "batch": _PAGE}
        subscription = await self._client.subscribe(inbox)
        page: list[Msg] = []
        try:
            await self._client.publish(
                f"$JS.API.DIRECT.GET.{CREDENTIALS_STREAM}", json.dumps(wanted).encode(), inbox
            )
            while True:
                message = await subscription.next_msg(_TIMEOUT_S)
                status = (message.headers or {}).get("Status")
                if status in {_END_OF_PAGE, _NOT_FOUND}:
                    return page
                if status is not None:
                    raise CredentialsUnavailableError(f"{CREDENTIALS_STREAM}: status {status}")
                page.append(message)
        except (NatsError, ConnectionError) as error:
            raise CredentialsUnavailableError(
                f"{CREDENTIALS_STREAM}: {type(error).__name__}"
            ) from None
        finally:
            await subscription.unsubscribe()


def _as_ciphertext(message: Msg) -> Ciphertext:
    headers = message.headers or {}
    session_id = SessionId(headers["Nats-Subject"].removeprefix(_PREFIX))
    return Ciphertext(session_id, int(headers["Nats-Sequence"]), message.data)
