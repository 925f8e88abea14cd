"""The doors on `rpc.pool.<shard>.*`: they take in, and open only while this process leads.

`ping` and `status` are answered from memory; everything else is queued for the committer. A body
that does not decode is answered `Failed(bad_request)`, which names what was wrong.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from contracts import subjects
from contracts.base import Failed, Ping, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    AskKeys,
    CancelLeases,
    ChangeSessions,
    EndLeases,
    FindSessions,
    LeaseSessions,
    PoolAdmin,
    PoolStatus,
    RenewLeases,
    RotateKey,
)
from runtime.leadership import Leadership
from runtime.nats.broker import (
    Call,
    MakeDoor,
    Take,
    await_subscriptions,
    decode_refusal,
    send_reply,
)
from runtime.nats.bus import Bus
from runtime.secrets import SealError
from runtime.texts import as_quoted
from services.pool.bucket import CredentialsUnavailableError
from services.pool.commits.batches import (
    ADMIN,
    BULK,
    CANCEL,
    END,
    LEASE,
    RENEW,
    ROTATION,
    CommandBatch,
    CommandKind,
    cut_change,
)
from services.pool.commits.committer import Committer
from services.pool.keys.rotator import KeyRotator
from services.pool.store import CredentialStore, PoolLedger

SESSIONS_MAX = 200
"""Sessions added by one decision; longer commands are cut, so that no envelope grows too long."""
_DRAIN_S = 2.0
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class QueuedDoor(NamedTuple):
    """One sort of command that is queued: its subject, how it decodes, its items."""

    subject: Callable[[int], str]
    kind: CommandKind
    command: Any
    items: Callable[[Any], list[Any]]


QUEUED = (
    QueuedDoor(subjects.pool_lease, LEASE, LeaseSessions, lambda command: command.items),
    QueuedDoor(
        subjects.pool_end, END, EndLeases, lambda command: [*command.items, *command.refused]
    ),
    QueuedDoor(subjects.pool_renew, RENEW, RenewLeases, lambda command: command.lease_ids),
    QueuedDoor(subjects.pool_cancel, CANCEL, CancelLeases, lambda command: command.items),
)


class PoolDoors:
    """The subjects of one shard, shut until opened."""

    def __init__(
        self,
        make_door: MakeDoor,
        client: Bus,
        committer: Committer,
        leadership: Leadership,
        ledger: PoolLedger,
        credentials: CredentialStore,
        rotator: KeyRotator,
        shard: int,
    ) -> None:
        """Make every door."""
        self._client = client
        self._committer = committer
        self._leadership = leadership
        self._ledger, self._credentials = ledger, credentials
        self._rotator = rotator
        self._leads = subjects.pool_leads(shard)
        takes = {door.subject(shard): self._queue_handler(door) for door in QUEUED}
        takes[subjects.pool_admin(shard)] = self._on_admin
        takes[subjects.pool_status(shard)] = self._on_status
        takes[subjects.pool_keys(shard)] = self._on_keys
        takes[subjects.pool_rotate(shard)] = self._on_rotate
        self._inner = [make_door(subject, take) for subject, take in takes.items()]
        self._doors = [*self._inner, make_door(subjects.pool_ping(shard), self._on_ping)]

    async def open_doors(self) -> None:
        """Subscribe, and tell everybody; on return the server knows, so that nothing passes by."""
        for door in self._doors:
            await door.open()
        await self._leadership.announce_term(self._leads)
        await await_subscriptions(self._client)

    async def drain_doors(self) -> None:
        """Let no command in any more, having taken in what had arrived; pings are answered still.

        A standby that found nobody would be elected before the last answers are in the log.
        """
        ending = [asyncio.create_task(door.drain()) for door in self._inner]
        # What a lost connection keeps from ending is of no use to a process that ends.
        _, stuck = await asyncio.wait(ending, timeout=_DRAIN_S)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def close(self) -> None:
        """Unsubscribe; what had arrived is not answered, and may be sent again to another."""
        for door in self._doors:
            await door.close()

    def _queue_handler(self, door: QueuedDoor) -> Take:
        decoder = msgspec.json.Decoder(door.command)

        async def take(call: Call) -> None:
            """Queue the batch; it is answered once its decisions are in the log."""
            try:
                items = door.items(decoder.decode(call.body))
            except msgspec.DecodeError as error:
                await send_reply(self._client, call, decode_refusal(error, [door.command]))
                return
            await self._committer.submit_batch(CommandBatch(door.kind, items, call))

        return take

    async def _on_admin(self, call: Call) -> None:
        """Queue the command; of new sessions the ciphertext is stored first."""
        try:
            command = _admin_decoder.decode(call.body)
        except msgspec.DecodeError as error:
            await send_reply(self._client, call, decode_refusal(error, _COMMANDS))
            return
        if isinstance(command, ChangeSessions):
            await self._committer.submit_batch(CommandBatch(BULK, cut_change(command), call))
            return
        if not isinstance(command, AddSessions):
            await self._committer.submit_batch(CommandBatch(ADMIN, [command], call))
            return
        objections = "; ".join(filter(None, map(self._session_objection, command.items)))
        if objections or not command.items:
            message = objections or "items: expected at least one session"
            await send_reply(self._client, call, Failed(code="bad_request", message=message))
            return
        try:
            # A gateway may not know yet that another key seals now.
            self._credentials.sealer.refresh()
            sealed = self._under_one_key(command)
            await self._credentials.put_additions(sealed, self._ledger.state)
        except CredentialsUnavailableError as error:
            await send_reply(self._client, call, _unavailable(error))
            return
        await self._committer.submit_batch(CommandBatch(ADMIN, list(cut_command(command)), call))

    def _session_objection(self, session: AddSession) -> str | None:
        """Say why a session cannot be taken; None when it can."""
        if _SESSION_ID.fullmatch(session.session_id) is None:
            got = as_quoted(session.session_id)
            return f"session_id: expected letters, digits, `_` and `-`, got {got}"
        try:
            self._credentials.sealer.open_credential(session.session_id, session.sealed)
        except SealError as error:
            return f"sealed: {error}"
        return None

    def _under_one_key(self, command: AddSessions) -> list[tuple[SessionId, bytes]]:
        reseal = self._credentials.sealer.reseal_credential
        return [
            (session.session_id, reseal(session.session_id, session.sealed))
            for session in command.items
        ]

    async def _on_keys(self, call: Call) -> None:
        """Say who has which master keys, once this process surely leads."""
        try:
            _keys_decoder.decode(call.body)
            answer = await self._rotator.describe_keys()
        except msgspec.DecodeError as error:
            await send_reply(self._client, call, decode_refusal(error, [AskKeys]))
        except CredentialsUnavailableError as error:
            await send_reply(self._client, call, _unavailable(error))
        else:
            # Whoever asks may drop a key for what it hears: nothing from a leader that was.
            proved = self._leadership.recently_proved
            await send_reply(self._client, call, answer if proved else _NOT_LEADING)

    async def _on_rotate(self, call: Call) -> None:
        """Queue the beginning of a rotation, where its key is in the key file."""
        try:
            wanted = await self._rotator.consider_rotation(_rotate_decoder.decode(call.body))
        except msgspec.DecodeError as error:
            await send_reply(self._client, call, decode_refusal(error, [RotateKey]))
        except CredentialsUnavailableError as error:
            await send_reply(self._client, call, _unavailable(error))
        else:
            if isinstance(wanted, Failed):
                await send_reply(self._client, call, wanted)
            else:
                await self._committer.submit_batch(CommandBatch(ROTATION, [wanted], call))

    async def _on_status(self, call: Call) -> None:
        try:
            asked = _status_decoder.decode(call.body)
        except msgspec.DecodeError as error:
            await send_reply(self._client, call, decode_refusal(error, _QUESTIONS))
            return
        await self._committer.answer_status(call, asked)

    async def _on_ping(self, call: Call) -> None:
        try:
            ping = _ping_decoder.decode(call.body)
        except msgspec.DecodeError as error:
            await send_reply(self._client, call, decode_refusal(error, [Ping]))
            return
        self._rotator.holders.note_ping(ping, call.reply_to)
        await send_reply(self._client, call, self._leadership.as_pong())


def _unavailable(error: CredentialsUnavailableError) -> Failed:
    return Failed(code="ledger_unavailable", message=str(error))


def cut_command(command: AddSessions) -> list[AddSessions]:
    """Cut a long command into ones that are decided singly."""
    return [
        AddSessions(items=command.items[start : start + SESSIONS_MAX], by=command.by)
        for start in range(0, len(command.items), SESSIONS_MAX)
    ]


_COMMANDS = (*PoolAdmin.__args__, ChangeSessions)
_admin_decoder = msgspec.json.Decoder(PoolAdmin | ChangeSessions)
_QUESTIONS = (PoolStatus, FindSessions)
_status_decoder = msgspec.json.Decoder(PoolStatus | FindSessions)
_keys_decoder = msgspec.json.Decoder(AskKeys)
_rotate_decoder = msgspec.json.Decoder(RotateKey)
_NOT_LEADING = Failed(code="not_leader", message="it is not sure that this process leads")
_ping_decoder = msgspec.json.Decoder(Ping)
