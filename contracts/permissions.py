"""What each NATS user may do: derived from the table of the wire."""

from contracts.base import Part
from contracts.subjects import (
    BACKED_UP,
    CONTROL_SUBJECTS,
    CREDENTIALS_STREAM,
    EVENT_STREAM,
    SNAPSHOTS_BUCKET,
    SNAPSHOTS_STREAM,
    STANDING_STREAM,
    STANDING_SUBJECT,
    TABLE,
)


class Permissions(Part, frozen=True, kw_only=True):
    """What one NATS user may publish and subscribe."""

    publish: list[str]
    subscribe: list[str]
    responds: bool = False


def _reads(stream: str) -> list[str]:
    """Ask how a stream is, and for messages of it."""
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
    ]


_READ_EVENTS = [
    "$JS.API.INFO",
    *_reads(EVENT_STREAM),
    "$JS.API.CONSUMER.CREATE.EVT",
    "$JS.API.CONSUMER.CREATE.EVT.>",
    "$JS.API.CONSUMER.INFO.EVT.>",
    "$JS.API.CONSUMER.DELETE.EVT.>",
    "$JS.API.CONSUMER.MSG.NEXT.EVT.>",
]
_READ_CREDENTIALS = _reads(CREDENTIALS_STREAM)
_READ_SNAPSHOTS = _reads(SNAPSHOTS_STREAM)
_EXTRA = {
    "gateway": _READ_CREDENTIALS,
    "pool": [*_READ_CREDENTIALS, "$KV.credentials.>", *_READ_SNAPSHOTS],
    "snapshotter": [
        *_READ_SNAPSHOTS,
        f"$KV.{SNAPSHOTS_BUCKET}.>",
        f"$JS.API.STREAM.PURGE.{SNAPSHOTS_STREAM}",
    ],
    "balancer": [*_reads(STANDING_STREAM), STANDING_SUBJECT],
    # A stream that exists is never restored over, so this is a way of making one, no more.
    "migrate": [
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.CREATE.*",
        *(f"$JS.API.STREAM.RESTORE.{stream}" for stream in BACKED_UP),
        *(f"$JS.SNAPSHOT.RESTORE.{stream}.*" for stream in BACKED_UP),
    ],
    "archiver": [
        "$JS.API.STREAM.PURGE.EVT",
        *(f"$JS.API.STREAM.SNAPSHOT.{stream}" for stream in BACKED_UP),
        *(f"$JS.SNAPSHOT.ACK.{stream}.>" for stream in BACKED_UP),
    ],
    # How the streams are and who follows them; nothing that is in them but the log.
    "auditor": [
        "$JS.API.STREAM.INFO.DLQ",
        f"$JS.API.STREAM.INFO.{CREDENTIALS_STREAM}",
        f"$JS.API.STREAM.INFO.{STANDING_STREAM}",
        f"$JS.API.STREAM.INFO.{SNAPSHOTS_STREAM}",
        "$JS.API.CONSUMER.LIST.EVT",
    ],
}
_FORBIDDEN_TO_MIGRATE = ["$JS.API.STREAM.PURGE.>", "$JS.API.STREAM.MSG.DELETE.>"]


def permissions_of(user: str) -> Permissions:
    """Derive what `user` may do on NATS."""
    own = [row for row in TABLE if row.owner == user]
    publishes = [row.pattern for row in own if row.reply is None]
    asks = [row.pattern for row in TABLE if user in row.callers]
    answers = [row.pattern for row in own if row.reply is not None]
    return Permissions(
        publish=sorted({*publishes, *asks, *_READ_EVENTS, *_EXTRA.get(user, [])}),
        subscribe=[*answers, f"_INBOX_{user}.>", CONTROL_SUBJECTS],
        responds=bool(answers),
    )


def denied_subjects(user: str) -> list[str]:
    """What a user may not publish although a wider pattern of its own allows it."""
    return _FORBIDDEN_TO_MIGRATE if user == "migrate" else []
