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
GATEWAY_CHECK = "rpc.gateway.check"
"""Any one gateway asks a backend after an account here (queue group `gateway`)."""
GATEWAY_GROUP = "gateway"
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
pool_keys = partial(_pool_door, "keys")
"""Which master keys there are is asked here."""
pool_rotate = partial(_pool_door, "rotate")
"""A rotation of the master key is begun here."""
pool_ping = partial(_pool_door, "ping")
"""A leader answers here."""


def gateway_granted(gateway_id: str) -> str:
    """Where one gateway hears of the leases that it waits for."""
    return f"rpc.gateway.{gateway_id}.granted"


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
        message=pool.PoolStatus | pool.FindSessions,
        reply=pool.PoolStatusReply | pool.SessionsFound | base.Failed,
        owner="pool",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern=pool_admin(_ALL),
        message=pool.PoolAdmin | pool.ChangeSessions,
        reply=pool.Done | pool.SessionsChanged | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    Subject(
        pattern=pool_keys(_ALL),
        message=pool.AskKeys,
        reply=pool.KeysReply | base.Failed,
        owner="pool",
        callers=("gateway", "auditor"),
    ),
    Subject(
        pattern=pool_rotate(_ALL),
        message=pool.RotateKey,
        reply=pool.Done | base.Failed,
        owner="pool",
        callers=("gateway",),
    ),
    _pinged(pool_ping(_ALL), "pool", "gateway", "pool", "auditor"),
    Subject(
        pattern=gateway_granted(_ALL),
        message=pool.DeliverGrants,
        reply=pool.GrantsDelivered,
        owner="gateway",
        callers=("pool",),
    ),
    Subject(pattern=pool_leads(_ALL), message=base.Pong, owner="pool"),
    Subject(
        pattern=GATEWAY_CHECK,
        message=pool.CheckSession,
        reply=pool.SessionChecked | base.Failed,
        owner="gateway",
        callers=("pool",),
    ),
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
