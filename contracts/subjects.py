"""The table of the wire: which subject carries which message, who answers, who may ask.

NATS permissions, the schema files and the reference page are generated from it.
"""

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
BACKED_UP = (EVENT_STREAM, CREDENTIALS_STREAM)
"""The streams that a backup takes: the archiver reads them whole, migrate puts them back."""
USERS = ("gateway", "pool", "balancer", "analytics", "migrate", "archiver", "auditor")
"""NATS users: one per service, and those of the verbs."""

CONTROL_SUBJECTS = "ctl.>"
"""Told to everybody, kept by nobody."""
EVT_BALANCER = "evt.balancer"
EVT_KEYS = "evt.keys"
BALANCER_SELECT = "rpc.balancer.select"
BALANCER_STATUS = "rpc.balancer.status"
BALANCER_ADMIN = "rpc.balancer.admin"
BALANCER_PING = "rpc.balancer.ping"
BALANCER_LEADS = "ctl.balancer"
ANALYTICS_QUERY = "rpc.analytics.query"
ANALYTICS_SQL = "rpc.analytics.sql"
ANALYTICS_EXPORT = "rpc.analytics.export"
ANALYTICS_REPORT = "rpc.analytics.report"
ANALYTICS_PING = "rpc.analytics.ping"


def evt_pool(shard: int = SHARD) -> str:
    """Where a shard's leader journals."""
    return f"evt.pool.{shard}"


def pool_lease(shard: int = SHARD) -> str:
    """Leases are asked for here."""
    return f"rpc.pool.{shard}.lease"


def pool_end(shard: int = SHARD) -> str:
    """Usages are handed in here."""
    return f"rpc.pool.{shard}.end"


def pool_renew(shard: int = SHARD) -> str:
    """Deadlines are moved here."""
    return f"rpc.pool.{shard}.renew"


def pool_cancel(shard: int = SHARD) -> str:
    """Leases are given back here."""
    return f"rpc.pool.{shard}.cancel"


def pool_status(shard: int = SHARD) -> str:
    """The fold is asked here."""
    return f"rpc.pool.{shard}.status"


def pool_admin(shard: int = SHARD) -> str:
    """Sessions are administered here."""
    return f"rpc.pool.{shard}.admin"


def pool_ping(shard: int = SHARD) -> str:
    """A leader answers here."""
    return f"rpc.pool.{shard}.ping"


def pool_leads(shard: int = SHARD) -> str:
    """A new leader tells here that its doors are open."""
    return f"ctl.pool.{shard}"


class Subject(Part, frozen=True, kw_only=True):
    """One row: `pattern` as NATS matches it, what it carries, who owns it, who else may ask."""

    pattern: str
    message: object
    reply: object = None
    owner: str
    """The service that answers, or, without a reply, the only one that writes or tells."""
    callers: tuple[str, ...] = ()


TABLE = (
    Subject(pattern="evt.pool.*", message=pool.PoolEvent, owner="pool"),
    Subject(pattern=EVT_BALANCER, message=balancer.BalancerEvent, owner="balancer"),
    Subject(pattern=EVT_KEYS, message=KeyEvent, owner="gateway", callers=("migrate",)),
    Subject(
        pattern="rpc.pool.*.lease",
        message=pool.LeaseSessions,
        reply=pool.LeaseAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern="rpc.pool.*.end",
        message=pool.EndLeases,
        reply=pool.EndAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern="rpc.pool.*.renew",
        message=pool.RenewLeases,
        reply=pool.RenewAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern="rpc.pool.*.cancel",
        message=pool.CancelLeases,
        reply=pool.CancelAnswers | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern="rpc.pool.*.status",
        message=pool.PoolStatus,
        reply=pool.PoolStatusReply | base.Failed,
        owner="pool",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern="rpc.pool.*.admin",
        message=pool.PoolAdmin,
        reply=pool.Done | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern="rpc.pool.*.ping",
        message=base.Ping,
        reply=base.Pong,
        owner="pool",
        callers=("gateway", "pool", "auditor"),
    ),
    Subject(pattern="ctl.pool.*", message=base.Pong, owner="pool"),
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
        pattern=BALANCER_PING,
        message=base.Ping,
        reply=base.Pong,
        owner="balancer",
        callers=("gateway", "balancer", "auditor"),
    ),
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
    Subject(
        pattern=ANALYTICS_PING,
        message=base.Ping,
        reply=base.Pong,
        owner="analytics",
        callers=("gateway", "auditor"),
    ),
)


class Permissions(Part, frozen=True, kw_only=True):
    """What one NATS user may publish and subscribe."""

    publish: list[str]
    subscribe: list[str]
    responds: bool = False


_READ_EVENTS = [
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.EVT",
    "$JS.API.STREAM.MSG.GET.EVT",
    "$JS.API.DIRECT.GET.EVT",
    "$JS.API.DIRECT.GET.EVT.>",
    "$JS.API.CONSUMER.CREATE.EVT",
    "$JS.API.CONSUMER.CREATE.EVT.>",
    "$JS.API.CONSUMER.INFO.EVT.>",
    "$JS.API.CONSUMER.DELETE.EVT.>",
    "$JS.API.CONSUMER.MSG.NEXT.EVT.>",
]
_READ_CREDENTIALS = [
    "$JS.API.STREAM.INFO.KV_credentials",
    "$JS.API.STREAM.MSG.GET.KV_credentials",
    "$JS.API.DIRECT.GET.KV_credentials",
    "$JS.API.DIRECT.GET.KV_credentials.>",
]
_EXTRA = {
    "gateway": _READ_CREDENTIALS,
    "pool": [*_READ_CREDENTIALS, "$KV.credentials.>"],
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
