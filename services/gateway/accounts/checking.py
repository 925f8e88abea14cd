"""The pool's checks: one gateway of all is asked after an account, and asks a backend."""

import asyncio
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from contracts.base import Failed, Reply
from contracts.pool import CheckSession, SessionChecked
from runtime.process.logs import Log
from services.gateway.accounts.inquiry import Inquiry
from services.gateway.domain.errors import GatewayError

_AT_ONCE_MAX = 8
_INBOX = "_INBOX"
_decoder = msgspec.json.Decoder(CheckSession)
_encoder = msgspec.json.Encoder()


class PoolChecks:
    """The door on `rpc.gateway.check`, which all gateways share."""

    def __init__(self, client: Client, inquiry: Inquiry, log: Log) -> None:
        """Ask by this inquiry; nothing is heard before `hear_questions`."""
        self._client = client
        self._inquiry = inquiry
        self._log = log
        self._open: set[asyncio.Task[Any]] = set()

    async def hear_questions(self) -> None:
        """Take part in answering, one gateway a question."""
        await self._client.subscribe(
            subjects.GATEWAY_CHECK, queue=subjects.GATEWAY_GROUP, cb=self._on_question
        )

    async def _on_question(self, message: Msg) -> None:
        """Answer in a task of its own: a backend may take half a minute."""
        task = asyncio.create_task(self._answer_question(message))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answer_question(self, message: Msg) -> None:
        answer = await self._answer_to(message.data)
        # Whoever asks chooses where the answer goes: only an inbox will do (ADR 10).
        if message.reply.startswith(_INBOX):
            await self._client.publish(message.reply, _encoder.encode(answer))

    async def _answer_to(self, body: bytes) -> Reply:
        """Ask a backend, or say why none was asked."""
        if len(self._open) > _AT_ONCE_MAX:
            return Failed(code="internal", message="too many accounts are being asked after")
        try:
            command = _decoder.decode(body)
            recorded = await self._inquiry.check_session(command)
        except msgspec.DecodeError as error:
            return Failed(code="bad_request", message=f"expected CheckSession: {error}")
        except GatewayError as error:
            return Failed(code="internal", message=error.message)
        except Exception as error:  # noqa: BLE001 (whoever asked is answered whatever it was)
            self._log.exception("check_failed")
            return Failed(code="internal", message=type(error).__name__)
        return SessionChecked(recorded=recorded)
