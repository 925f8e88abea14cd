"""The table of the wire: which subject carries which message, who answers, who may ask.

NATS permissions, the schema files and the reference page are generated from it.
"""

from functools import partial

from contracts import analytics, balancer, base, pool
from contracts.base import Part
from contracts.gateway import KeyEvent

SHARD = 0
"""The one shard there is; its number is in the subjects so that several can come."""

EVENT_STREAM = "EVT"
EVENT_SUBJECTS = "evt.>"
DEAD_LETTER_STREAM = "DLQ"
DEAD_LETTER_SUBJECTS = "dlq.>"
CREDENTIALS_BUCKET = "credentials"
CREDENTIALS_STREAM = f"KV_{CREDENTIALS_BUCKET}"
STANDING_BUCKET = "standing"
STANDING_STREAM = f"KV_{STANDING_BUCKET}"
STANDING_SUBJECT = f"$KV.{STANDING_BUCKET}.balancer"
"""What a leader of the balancer knows beside the log, for the next one."""
SNAPSHOTS_BUCKET = "snapshots"
SNAPSHOTS_STREAM = f"KV_{SNAPSHOTS_BUCKET}"
"""Ledgers of the pool as they were at an envelope each: where its processes begin."""
BACKED_UP = (EVENT_STREAM, CREDENTIALS_STREAM, SNAPSHOTS_STREAM)
"""The streams that a backup takes: the archiver reads them whole, migrate puts them back."""
USERS = (
    "gateway",
    "pool",
    "balancer",
    "analytics",
    "migrate",
    "archiver",
    "auditor",
    "snapshotter",
)
"""NATS users: one per service, and those of the verbs."""

CONTROL_SUBJECTS = "ctl.>"
"""Told to everybody, kept by nobody."""
EVT_BALANCER = "evt.balancer"
EVT_KEYS = "evt.keys"
BALANCER_SELECT = "rpc.balancer.select"
BALANCER_STATUS = "rpc.balancer.status"
BALANCER_ADMIN = "rpc.balancer.admin"
BALANCER_PROBE = "rpc.balancer.probe"
BALANCER_PING = "rpc.balancer.ping"
BALANCER_LEADS = "ctl.balancer"
ANALYTICS_QUERY = "rpc.analytics.query"
ANALYTICS_SQL = "rpc.analytics.sql"
ANALYTICS_EXPORT = "rpc.analytics.export"
ANALYTICS_REPORT = "rpc.analytics.report"
ANALYTICS_PING = "rpc.analytics.ping"


def evt_pool(shard: int | str = SHARD) -> str:
    """Where a shard's leader journals."""
    return f"evt.pool.{shard}"


def pool_leads(shard: int | str = SHARD) -> str:
    """A new leader tells here that its doors are open."""
    return f"ctl.pool.{shard}"


def _pool_door(door: str, shard: int | str = SHARD) -> str:
    """Where a shard's leader answers."""
    return f"rpc.pool.{shard}.{door}"


pool_lease = partial(_pool_door, "lease")
"""Leases are asked for here."""
pool_end = partial(_pool_door, "end")
"""Usages are handed in here."""
pool_renew = partial(_pool_door, "renew")
"""Deadlines are moved here."""
pool_cancel = partial(_pool_door, "cancel")
"""Leases are given back here."""
pool_status = partial(_pool_door, "status")
"""The fold is asked here."""
pool_admin = partial(_pool_door, "admin")
"""Sessions are administered here."""
pool_ping = partial(_pool_door, "ping")
"""A leader answers here."""


class Subject(Part, frozen=True, kw_only=True):
    """One row: `pattern` as NATS matches it, what it carries, who owns it, who else may ask."""

    pattern: str
    message: object
    reply: object = None
    owner: str
    """The service that answers, or, without a reply, the only one that writes or tells."""
    callers: tuple[str, ...] = ()


def _pinged(pattern: str, owner: str, *callers: str) -> Subject:
    """Where `callers` ask whether the owner is there."""
    return Subject(
        pattern=pattern, message=base.Ping, reply=base.Pong, owner=owner, callers=callers
    )


_ALL = "*"
"""Every shard."""
TABLE = (
    Subject(pattern=evt_pool(_ALL), message=pool.PoolEvent, owner="pool"),
    Subject(pattern=EVT_BALANCER, message=balancer.BalancerEvent, owner="balancer"),
    Subject(pattern=EVT_KEYS, message=KeyEvent, owner="gateway", callers=("migrate",)),
    Subject(
        pattern=pool_lease(_ALL),
        message=pool.LeaseSessions,
        reply=pool.LeaseAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern=pool_end(_ALL),
        message=pool.EndLeases,
        reply=pool.EndAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern=pool_renew(_ALL),
        message=pool.RenewLeases,
        reply=pool.RenewAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern=pool_cancel(_ALL),
        message=pool.CancelLeases,
        reply=pool.CancelAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern=pool_status(_ALL),
        message=pool.PoolStatus,
        reply=pool.PoolStatusReply | base.Failed,
        owner="pool",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern=pool_admin(_ALL),
        message=pool.PoolAdmin,
        reply=pool.Done | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    _pinged(pool_ping(_ALL), "pool", "gateway", "pool", "auditor"),
    Subject(pattern=pool_leads(_ALL), message=base.Pong, owner="pool"),
    Subject(
        pattern=BALANCER_SELECT,
        message=balancer.SelectServers,
        reply=balancer.SelectAnswers | base.Failed,
        owner="balancer",
        callers=("gateway",),
    ),
    Subject(
        pattern=BALANCER_STATUS,
        message=balancer.BalancerStatus,
        reply=balancer.BalancerStatusReply | base.Failed,
        owner="balancer",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern=BALANCER_ADMIN,
        message=balancer.BalancerAdmin,
        reply=balancer.ServersChanged | base.Failed,
        owner="balancer",
        callers=("gateway",),
    ),
    Subject(
        pattern=BALANCER_PROBE,
        message=balancer.ProbeServers,
        reply=balancer.ServersProbed | base.Failed,
        owner="balancer",
        callers=("gateway",),
    ),
    _pinged(BALANCER_PING, "balancer", "gateway", "balancer", "auditor"),
    Subject(pattern=BALANCER_LEADS, message=base.Pong, owner="balancer"),
    Subject(
        pattern=ANALYTICS_QUERY,
        message=analytics.AnalyticsQuestion,
        reply=analytics.AnalyticsReply,
        owner="analytics",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern=ANALYTICS_SQL,
        message=analytics.SqlQuery,
        reply=analytics.AnalyticsReply,
        owner="analytics",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern=ANALYTICS_EXPORT,
        message=analytics.Export,
        reply=analytics.ExportReply,
        owner="analytics",
        callers=("gateway",),
    ),
    Subject(
        pattern=ANALYTICS_REPORT,
        message=analytics.WriteReport,
        reply=analytics.ReportReply,
        owner="analytics",
        callers=("gateway",),
    ),
    _pinged(ANALYTICS_PING, "analytics", "gateway", "auditor"),
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
