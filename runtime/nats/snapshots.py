"""A stream taken out of JetStream and put back: messages, sequences and times as they are.

The server's own format, by its own API: whoever publishes envelopes again can keep neither their
times (`as_of` a moment) nor the sequences behind a purge, and would need the right to write every
subject (ADR 15). A stream that exists is never overwritten: the server refuses.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

_TIMEOUT_S = 20.0
_CHUNK_BYTES = 128 * 1024
_COMPLETE = frozenset({"", "204"})
_TAKEN, _ABSENT = 10130, 10059
CountBytes = Callable[[int], None]
"""Told how many bytes went by."""


class SnapshotError(Exception):
    """The stream was not taken, or not put back; the message says why."""


class StreamExistsError(SnapshotError):
    """There is a stream of this name; nothing was changed."""


class NoStreamError(SnapshotError):
    """There is no stream of this name."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds, in the words of the server."""

    config: dict[str, Any]
    state: dict[str, Any]


_KINDS = {_TAKEN: StreamExistsError, _ABSENT: NoStreamError}


async def take_snapshot(client: Client, stream: str, into: BinaryIO, step: CountBytes) -> Taken:
    """Write a snapshot of a stream into a file; appends go on meanwhile and are not in it.

    Raises `NoStreamError` before anything was written, and `SnapshotError`.
    """
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, pending_msgs_limit=0, pending_bytes_limit=0)
    wanted = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": _CHUNK_BYTES}
    try:
        answer = await _ask_api(
            client, f"$JS.API.STREAM.SNAPSHOT.{stream}", _encode_request(wanted)
        )
        while True:
            message = await subscription.next_msg(_TIMEOUT_S)
            if not message.data:
                status = (message.headers or {}).get("Status", "")
                if status in _COMPLETE:
                    return Taken(config=answer["config"], state=answer["state"])
                raise SnapshotError(f"stream {stream}: the snapshot broke off ({status})")
            into.write(message.data)
            step(len(message.data))
            if message.reply:  # the server sends on when it is answered
                await client.publish(message.reply, b"")
    except (NatsError, ConnectionError) as error:
        raise SnapshotError(f"stream {stream}: {error or type(error).__name__}") from None
    finally:
        await subscription.unsubscribe()


async def restore_snapshot(
    client: Client, taken: Taken, source: BinaryIO, step: CountBytes
) -> None:
    """Make a stream that is not there from its snapshot.

    Raises `StreamExistsError` before anything was changed, `SnapshotError` after.
    """
    stream = taken.config["name"]
    wanted = _encode_request({"config": taken.config, "state": taken.state})
    try:
        answer = await _ask_api(client, f"$JS.API.STREAM.RESTORE.{stream}", wanted)
        for chunk in _read_chunks(source):
            await _ask_api(client, answer["deliver_subject"], chunk)
            step(len(chunk))
        await _ask_api(client, answer["deliver_subject"], b"")
    except (NatsError, ConnectionError) as error:
        raise SnapshotError(f"stream {stream}: {error or type(error).__name__}") from None


def _read_chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk


def _encode_request(wanted: dict[str, Any]) -> bytes:
    return json.dumps(wanted).encode()


async def _ask_api(client: Client, subject: str, body: bytes) -> dict[str, Any]:
    """Ask the server; an empty answer is its word that it goes on. Raises `SnapshotError`."""
    message = await client.request(subject, body, timeout=_TIMEOUT_S)
    answer: dict[str, Any] = json.loads(message.data) if message.data else {}
    if error := answer.get("error"):
        kind = _KINDS.get(error.get("err_code", 0), SnapshotError)
        raise kind(f"{subject.removeprefix('$JS.API.')}: {error['description']}")
    return answer
