"""What the pool keeps: the fold of its log, and the ciphertexts of its credentials.

Credentials lie in the KV bucket `credentials`, one key per session id, newest only; the pool
alone writes there. The revision of a ciphertext is its stream sequence.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.base import SessionId
from contracts.envelope import Envelope
from contracts.subjects import CREDENTIALS_BUCKET
from runtime.secrets import Sealer, SealError
from services.pool import domain
from services.pool.domain import Pool

_PREFIX = f"$KV.{CREDENTIALS_BUCKET}."
_STREAM = f"KV_{CREDENTIALS_BUCKET}"
_TIMEOUT_S = 2.0
_PAGE = 1000
_IN_FLIGHT = 200
_END_OF_PAGE = "204"
_NOT_FOUND = "404"


class CredentialsUnavailableError(Exception):
    """The bucket did not do what was asked."""


class PoolLedger:
    """The fold of one shard."""

    def __init__(self) -> None:
        """Start at the log's beginning."""
        self.state = Pool()
        self.snapshot_trouble = ""
        """Why no snapshot of it was made when one was due; empty when one was."""

    def apply(self, sequence: int, envelope: Envelope) -> None:
        """Take one envelope of the subject into the state."""
        domain.fold_envelope(self.state, sequence, envelope)


class CredentialStore:
    """The bucket of ciphertexts, and the revision of each."""

    def __init__(self, client: Client, sealer: Sealer) -> None:
        """Use `client`; nothing is read yet."""
        self.revisions: dict[SessionId, int] = {}
        self.sealer = sealer
        self._client = client
        self._seen = 0
        self._checked = False
        self._waiting: dict[SessionId, str] = {}
        """What may differ from what is stored."""
        self._compared: dict[SessionId, int] = {}
        """The hash of what was compared last."""

    async def catch_up(self) -> None:
        """Learn the revisions that changed since the last time.

        The first ciphertext seen is opened. Raises `SealError` when this master key does not,
        and `CredentialsUnavailableError`.
        """
        full = True
        while full:
            page = await self._read_page(self._seen + 1)
            full = len(page) == _PAGE
            for message in page:
                headers = message.headers or {}
                session_id = SessionId(headers["Nats-Subject"].removeprefix(_PREFIX))
                self._seen = int(headers["Nats-Sequence"])
                self.revisions[session_id] = self._seen
                if not self._checked:
                    self.sealer.open_credential(session_id, message.data)
                    self._checked = True

    async def open_all(self) -> AsyncIterator[tuple[SessionId, str]]:
        """Yield every credential, in the order in which they were stored.

        Raises `SealError` at one that this master key does not open, and
        `CredentialsUnavailableError`.
        """
        async for session_id, sealed in self._stored_ciphertexts():
            yield session_id, self.sealer.open_credential(session_id, sealed)

    async def _stored_ciphertexts(self) -> AsyncIterator[tuple[SessionId, bytes]]:
        seen, full = 0, True
        while full:
            page = await self._read_page(seen + 1)
            full = len(page) == _PAGE
            for message in page:
                headers = message.headers or {}
                seen = int(headers["Nats-Sequence"])
                yield SessionId(headers["Nats-Subject"].removeprefix(_PREFIX)), message.data

    async def put_ciphertexts(self, items: Sequence[tuple[SessionId, bytes]]) -> None:
        """Store ciphertexts; on return every one of them is acknowledged.

        Raises `CredentialsUnavailableError` when one is not; others may have been stored.
        """
        for start in range(0, len(items), _IN_FLIGHT):
            await asyncio.gather(*map(self._put_ciphertext, items[start : start + _IN_FLIGHT]))

    async def renew_credentials(self, texts: Mapping[SessionId, str]) -> int:
        """Seal anew those that are written otherwise now, by another proxy; how many there were.

        Raises `CredentialsUnavailableError`: then they are looked at again the next time.
        """
        self._waiting |= {
            session_id: text
            for session_id, text in texts.items()
            if self._compared.get(session_id) != hash(text)
        }
        if not self._waiting:
            return 0
        other = [
            (session_id, self._waiting[session_id])
            async for session_id, sealed in self._stored_ciphertexts()
            if session_id in self._waiting
            and not self._holds(session_id, sealed, self._waiting[session_id])
        ]
        await self.put_ciphertexts(self.seal_credentials(other))
        self._compared |= {session_id: hash(text) for session_id, text in self._waiting.items()}
        self._waiting = {}
        return len(other)

    def _holds(self, session_id: SessionId, sealed: bytes, text: str) -> bool:
        try:
            return self.sealer.open_credential(session_id, sealed) == text
        except SealError:
            return False

    def seal_credentials(
        self, fresh: Iterable[tuple[SessionId, str]]
    ) -> list[tuple[SessionId, bytes]]:
        """Encrypt credentials under the master key."""
        return [
            (session_id, self.sealer.seal_credential(session_id, text))
            for session_id, text in fresh
        ]

    async def _put_ciphertext(self, item: tuple[SessionId, bytes]) -> None:
        session_id, sealed = item
        try:
            message = await self._client.request(_PREFIX + session_id, sealed, timeout=_TIMEOUT_S)
        except (NatsError, ConnectionError) as error:
            raise CredentialsUnavailableError(f"{session_id}: {type(error).__name__}") from None
        answer = json.loads(message.data)
        if "error" in answer:
            raise CredentialsUnavailableError(f"{session_id}: {answer['error']['description']}")
        self.revisions[session_id] = int(answer["seq"])

    async def _read_page(self, start: int) -> list[Msg]:
        """Read the next ciphertexts of the bucket (a batch of the direct-get API)."""
        inbox = self._client.new_inbox()
        wanted = {"seq": start, "next_by_subj": f"{_PREFIX}>", "batch": _PAGE}
        subscription = await self._client.subscribe(inbox)
        page: list[Msg] = []
        try:
            await self._client.publish(
                f"$JS.API.DIRECT.GET.{_STREAM}", json.dumps(wanted).encode(), inbox
            )
            while True:
                message = await subscription.next_msg(_TIMEOUT_S)
                status = (message.headers or {}).get("Status")
                if status in {_END_OF_PAGE, _NOT_FOUND}:
                    return page
                if status is not None:
                    raise CredentialsUnavailableError(f"{_STREAM}: status {status}")
                page.append(message)
        except (NatsError, ConnectionError) as error:
            raise CredentialsUnavailableError(f"{_STREAM}: {type(error).__name__}") from None
        finally:
            await subscription.unsubscribe()
