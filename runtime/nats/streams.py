"""The streams and buckets Tidegate needs, made once by `tidegate migrate`; nothing else does."""

import json
import shutil
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import NoRespondersError

from contracts import subjects

DEFAULT_BYTES_MAX = 20 * 10**9
BYTES_MIN = 64 * 10**6
_NOT_FOUND = 10059
_WITHOUT_ROOM = frozenset({10002, 10047})
"""The account, or the server, has less storage than a stream may grow to."""
_WITHOUT_JETSTREAM = frozenset({10039, 10076})
_ANSWER_S = 5.0


_NO_JETSTREAM = (
    "TIDEGATE_NATS_URL: expected a NATS with JetStream, which keeps the log ({said}): `jetstream`"
    " in its configuration turns it on"
)


class MigrationError(Exception):
    """The streams cannot be made as they must be; the message has both figures."""


def log_bytes_max(wanted: int | None, free: int) -> int:
    """Choose the event log's bound: the smaller of 20 GB and half the free disk, or `wanted`.

    Raises `MigrationError` when the disk has less than that.
    """
    chosen = min(DEFAULT_BYTES_MAX, free // 2) if wanted is None else wanted
    if chosen < BYTES_MIN:
        raise MigrationError(
            f"log.max_bytes: expected at least {BYTES_MIN:,} bytes, got {chosen:,}"
            f" ({free:,} bytes of disk are free)"
        )
    if chosen > free:
        raise MigrationError(
            f"log.max_bytes: {chosen:,} bytes are wanted, only {free:,} bytes of disk are free"
        )
    return chosen


def free_bytes(path: Path) -> int:
    """Free disk under `path`, in bytes."""
    return shutil.disk_usage(path).free


def stream_configurations(bytes_max: int, replicas: int = 1) -> list[dict[str, Any]]:
    """Say how every stream must be.

    A log on several servers is not compressed: nats-server 2.15.1 loses the copy of a server that
    is killed when the log is (ADR 19).
    """
    common = {"storage": "file", "num_replicas": replicas, "retention": "limits"}
    # A full log refuses what is new and forgets nothing; dead letters may be forgotten; of a
    # session's ciphertexts the newest is enough, and of what a leader hands to the next.
    return [
        {
            **common,
            "name": subjects.EVENT_STREAM,
            "subjects": [subjects.EVENT_SUBJECTS],
            "compression": "s2" if replicas == 1 else "none",
            "discard": "new",
            "deny_delete": True,
            "max_bytes": bytes_max,
            "allow_direct": True,
        },
        {
            **common,
            "name": subjects.DEAD_LETTER_STREAM,
            "subjects": [subjects.DEAD_LETTER_SUBJECTS],
            "discard": "old",
            "max_bytes": max(bytes_max // 100, 1_000_000),
        },
        {
            **common,
            "name": subjects.CREDENTIALS_STREAM,
            "subjects": [f"$KV.{subjects.CREDENTIALS_BUCKET}.>"],
            "discard": "new",
            "max_msgs_per_subject": 1,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        },
        {
            **common,
            "name": subjects.SNAPSHOTS_STREAM,
            "subjects": [f"$KV.{subjects.SNAPSHOTS_BUCKET}.>"],
            "discard": "new",
            "max_msgs_per_subject": 1,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        },
        {
            **common,
            "name": subjects.STANDING_STREAM,
            "subjects": [f"$KV.{subjects.STANDING_BUCKET}.>"],
            "discard": "new",
            "max_msgs_per_subject": 1,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        },
    ]


async def migrate_streams(client: Client, bytes_max: int, replicas: int = 1) -> list[str]:
    """Make what is missing and return the names of what was made.

    What exists is left as it is: `max_bytes` is fixed at the first migration.
    """
    changes = []
    for config in stream_configurations(bytes_max, replicas):
        name = config["name"]
        if await stream_exists(client, name):
            continue
        answer = await _ask_api(client, f"STREAM.CREATE.{name}", config)
        if "error" in answer:
            raise MigrationError(_refusal_words(config, answer["error"]))
        changes.append(name)
    return changes


def _refusal_words(config: dict[str, Any], error: dict[str, Any]) -> str:
    """Say why NATS makes no such stream, and what would help."""
    said = error["description"]
    if error.get("err_code") in _WITHOUT_ROOM:
        bytes_max = config.get("max_bytes", 0)
        return (
            f"log.max_bytes: NATS has no room for the stream {config['name']} of up to"
            f" {bytes_max:,} bytes ({said}): expected less ([log] max_bytes), or more storage"
            " there (max_file_store of `jetstream`, or of its account)"
        )
    return f"stream {config['name']}: {said}"


async def stream_exists(client: Client, name: str) -> bool:
    """Tell whether there is a stream of this name. Raises `MigrationError`."""
    answer = await _ask_api(client, f"STREAM.INFO.{name}", {})
    error = answer.get("error", {})
    if error.get("err_code") in _WITHOUT_JETSTREAM:
        raise MigrationError(_NO_JETSTREAM.format(said=error["description"]))
    if error and error.get("err_code") != _NOT_FOUND:
        raise MigrationError(f"stream {name}: {error['description']}")
    return not error


async def _ask_api(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        message = await client.request(
            f"$JS.API.{what}", json.dumps(body).encode(), timeout=_ANSWER_S
        )
    except NoRespondersError:
        raise MigrationError(_NO_JETSTREAM.format(said="nobody answers for it")) from None
    except TimeoutError:
        raise MigrationError(f"NATS did not answer {what} within {_ANSWER_S:g} s") from None
    answer: dict[str, Any] = json.loads(message.data)
    return answer
