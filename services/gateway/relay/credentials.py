"""The leased session's credential: fetched sealed from the bucket, opened in memory only."""

import asyncio
import base64
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.base import SessionId
from contracts.pool import Granted
from contracts.subjects import CREDENTIALS_BUCKET
from runtime.nats.connection import Outage
from runtime.secrets import Sealer, SealError
from services.gateway.dialects.credentials import authorization_of
from services.gateway.domain.errors import GatewayError

_KEPT_MAX = 10_000
_TIMEOUT_S = 1.0
_AGAIN_S = 0.1


class SealedCredential(NamedTuple):
    """A ciphertext of the bucket."""

    revision: int
    ciphertext: bytes


class OpenedCredential(NamedTuple):
    """The `Authorization` value that was made of a ciphertext."""

    revision: int
    """Of the ciphertext."""
    authorization: bytes


class Credentials:
    """The `Authorization` values of sessions, kept per revision of their ciphertext."""

    def __init__(
        self, client: Client, sealer: Sealer, patience_s: Callable[[], float], outage: Outage
    ) -> None:
        """Nothing is fetched before it is needed; `patience_s` bounds how long one may take."""
        self._client = client
        self._sealer = sealer
        self._patience_s = patience_s
        self._outage = outage
        self._fetching: dict[SessionId, asyncio.Task[SealedCredential]] = {}
        self._kept: OrderedDict[SessionId, OpenedCredential] = OrderedDict()

    async def authorization_for(self, granted: Granted) -> bytes:
        """Make the value of `Authorization` for a lease.

        Raises `GatewayError`: `ledger_unavailable` while the bucket does not answer.
        """
        return await self.authorization_of(
            granted.session_id, granted.region, granted.credential_revision
        )

    async def authorization_of(
        self, session_id: SessionId, region: str, revision: int = 0
    ) -> bytes:
        """Make the same for a session, of this revision of its ciphertext or a later one.

        Raises `GatewayError`.
        """
        kept = self._kept.get(session_id)
        if kept is not None and kept.revision >= revision:
            return kept.authorization
        sealed = await self._fetch_once(session_id)
        try:
            credential = self._sealer.open_credential(session_id, sealed.ciphertext)
        except SealError as error:
            raise GatewayError("internal_error", str(error)) from None
        value = authorization_of(region, credential)
        self._kept[session_id] = OpenedCredential(sealed.revision, value)
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return value

    async def _fetch_once(self, session_id: SessionId) -> SealedCredential:
        """Fetch once for all who want it now: after a failover everybody wants everything."""
        task = self._fetching.get(session_id)
        if task is None:
            task = self._fetching[session_id] = asyncio.create_task(self._fetch_sealed(session_id))
            task.add_done_callback(lambda done: self._forget_task(session_id, done))
        return await asyncio.shield(task)

    def _forget_task(self, session_id: SessionId, done: "asyncio.Task[SealedCredential]") -> None:
        del self._fetching[session_id]
        if not done.cancelled():
            done.exception()  # whoever wanted it may be gone: then nobody else looks at it

    async def _fetch_sealed(self, session_id: SessionId) -> SealedCredential:
        """Read the newest ciphertext and its revision."""
        body = json.dumps({"last_by_subj": f"$KV.{CREDENTIALS_BUCKET}.{session_id}"}).encode()
        subject = f"$JS.API.STREAM.MSG.GET.KV_{CREDENTIALS_BUCKET}"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s()
        timeout_s = _TIMEOUT_S
        while loop.time() < deadline and not self._outage.is_lasting:
            try:
                message = await self._client.request(subject, body, timeout=timeout_s)
            except (NatsError, ConnectionError):
                timeout_s *= 2
                await asyncio.sleep(_AGAIN_S)
                continue
            answer = json.loads(message.data)
            if "error" in answer:
                told = f"session {session_id}: {answer['error']['description']}"
                raise GatewayError("internal_error", told)
            found = answer["message"]
            if not found.get("data"):
                told = f"session {session_id}: it was removed, and its credential with it"
                raise GatewayError("internal_error", told)
            return SealedCredential(int(found["seq"]), base64.b64decode(found["data"]))
        raise GatewayError("ledger_unavailable", "the bucket of credentials does not answer")
