"""How credentials end: by their last four characters an operator knows them again."""

import json
from collections.abc import Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.base import SessionId
from contracts.subjects import CREDENTIALS_BUCKET, CREDENTIALS_STREAM
from runtime.secrets import Sealer, SealError

SHOWN = 4
_LENGTH_MIN = 8
"""Of a shorter one nothing is shown: four characters would be too much of it."""
_TIMEOUT_S = 2.0
_AT_ONCE = 1000
"""Of the 1,024 that a server reads for one question."""
_PREFIX = f"$KV.{CREDENTIALS_BUCKET}."
_FOUND = None
"""The status of a message that was found; what else there is ends the answer."""


async def credential_ends(
    client: Client, sealer: Sealer, session_ids: Sequence[SessionId]
) -> dict[SessionId, str]:
    """Tell the last characters of their credentials, of those that can be read and opened.

    The whole of a credential is in memory for no longer than it takes to cut it.
    """
    ends: dict[SessionId, str] = {}
    try:
        for start in range(0, len(session_ids), _AT_ONCE):
            for message in await _read_newest(client, session_ids[start : start + _AT_ONCE]):
                subject = (message.headers or {})["Nats-Subject"]
                session_id = SessionId(subject.removeprefix(_PREFIX))
                if message.data and (end := _end_of(sealer, session_id, message.data)):
                    ends[session_id] = end
    except (NatsError, ConnectionError):
        # A list without them is of use, too.
        return ends
    return ends


def _end_of(sealer: Sealer, session_id: SessionId, sealed: bytes) -> str:
    try:
        credential = sealer.open_credential(session_id, sealed)
    except SealError:
        return ""
    # Behind a proxy: what the account is, not the way to it.
    account = credential.rpartition("@")[2]
    return account[-SHOWN:] if len(account) >= _LENGTH_MIN else ""


async def _read_newest(client: Client, session_ids: Sequence[SessionId]) -> list[Msg]:
    """Read the newest ciphertext of each, with one question (a batch of the direct-get API)."""
    inbox = client.new_inbox()
    wanted = {"multi_last": [f"{_PREFIX}{session_id}" for session_id in session_ids]}
    subscription = await client.subscribe(inbox)
    messages: list[Msg] = []
    try:
        subject = f"$JS.API.DIRECT.GET.{CREDENTIALS_STREAM}"
        await client.publish(subject, json.dumps(wanted).encode(), inbox)
        while True:
            message = await subscription.next_msg(_TIMEOUT_S)
            if (message.headers or {}).get("Status") is not _FOUND:
                return messages
            messages.append(message)
    finally:
        await subscription.unsubscribe()
