"""What the operator's doors stand on, and how they ask the other services."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from contracts import subjects
from contracts.analytics import (
    AnalyticsReply,
    AskWords,
    Document,
    DropExport,
    Export,
    ExportReply,
    NamedQuery,
    ReportReply,
    Rows,
    SqlQuery,
    Statistics,
    Words,
    WriteReport,
)
from contracts.balancer import (
    BalancerAdmin,
    BalancerStatus,
    BalancerStatusReply,
    ProbeServers,
    ServersChanged,
    ServersProbed,
)
from contracts.base import Command, Failed, FailedCode, GatewayId
from contracts.pool import (
    AskKeys,
    ChangeSessions,
    Done,
    FindSessions,
    KeysReply,
    PoolAdmin,
    PoolStatus,
    PoolStatusReply,
    RotateKey,
    SessionsChanged,
    SessionsFound,
)
from runtime.clock import Clock
from runtime.eventlog import EventLog
from runtime.nats.connection import (
    DisconnectedError,
    NobodyThereError,
    UnansweredError,
    ask_command,
)
from runtime.process.health import Readiness
from runtime.process.logs import Log
from runtime.secrets import Sealer
from services.gateway.accounts.inquiry import Inquiry
from services.gateway.accounts.rehearsal import Rehearsal
from services.gateway.accounts.trial import ServerTrial
from services.gateway.domain.errors import ErrorCode, GatewayError
from services.gateway.routes.logtail import LogTail
from services.gateway.routes.recent import Recent, RecentByName
from services.gateway.settings import Settings
from services.gateway.store import KeyLog

_Answer = TypeVar("_Answer")

_ASK_TIMEOUT_S = 2.0
_SQL_TIMEOUT_S = 30.0
_PROBE_TIMEOUT_S = 30.0
"""The balancer takes ten seconds at most, and others may have asked before."""
_AGAIN_S = 0.1
_OVERVIEW_KEPT_S, _ORDER_KEPT_S, _ORDERS_KEPT = 1.0, 60.0, 4
_pool_decoder = msgspec.json.Decoder(
    PoolStatusReply | SessionsFound | SessionsChanged | KeysReply | Done | Failed
)
_balancer_decoder = msgspec.json.Decoder(
    BalancerStatusReply | ServersChanged | ServersProbed | Failed
)
_analytics_decoder = msgspec.json.Decoder(AnalyticsReply)
_export_decoder = msgspec.json.Decoder(ExportReply)
_report_decoder = msgspec.json.Decoder(ReportReply)
_ABSENT: dict[str, ErrorCode] = {
    "pool": "ledger_unavailable",
    "balancer": "no_backend",
    "analytics": "ledger_unavailable",
}
_NOT_NOW: frozenset[FailedCode] = frozenset({"not_leader", "ledger_unavailable"})


@dataclass(frozen=True, slots=True)
class Configured:
    """The whole configuration as this process was started with: how it is listed, and its file."""

    describe: Callable[[], list[dict[str, Any]]] = list
    """Reads it anew. Raises `SettingsError` while what is written is no configuration."""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Everything that the operator's endpoints may use."""

    client: Client
    log: EventLog
    key_log: KeyLog
    clock: Clock
    sealer: Sealer
    identity_key: str
    settings: Callable[[], Settings]
    readiness: Readiness
    registry: CollectorRegistry
    gateway_id: GatewayId
    logger: Log
    inquiry: Inquiry
    trial: ServerTrial
    rehearsal: Rehearsal
    tail: LogTail
    configured: Configured = Configured()
    patience_s: float = 2.0
    """How long to look for a service that nobody answers for: an election takes about a second."""
    streams: set[object] = field(default_factory=set)
    """The open streams of events."""
    overviews: Recent[Any] = field(default_factory=lambda: Recent(_OVERVIEW_KEPT_S))
    """The last answer to `GET /api/overview`: pages ask every few seconds."""
    session_orders: RecentByName[Any] = field(
        default_factory=lambda: RecentByName(_ORDER_KEPT_S, _ORDERS_KEPT)
    )
    """The lists of sessions that somebody scrolls through."""

    async def pool_status(self, question: PoolStatus) -> PoolStatusReply:
        """Ask the pool's fold. Raises `GatewayError`."""
        answer = await self._ask_service("pool", subjects.pool_status(), question, _pool_decoder)
        return _as_answer(PoolStatusReply, answer, "pool")

    async def find_sessions(self, question: FindSessions) -> SessionsFound:
        """Have the pool look for sessions. Raises `GatewayError`."""
        answer = await self._ask_service("pool", subjects.pool_status(), question, _pool_decoder)
        return _as_answer(SessionsFound, answer, "pool")

    async def change_sessions(self, command: ChangeSessions) -> SessionsChanged:
        """Have the pool change those that fit of some sessions. Raises `GatewayError`."""
        return _as_answer(
            SessionsChanged,
            await self._ask_service(
                "pool", subjects.pool_admin(), command, _pool_decoder, changes=True
            ),
            "pool",
        )

    async def pool_admin(self, command: PoolAdmin) -> Done:
        """Have the pool do something; it is in the log on return. Raises `GatewayError`."""
        return _as_answer(
            Done,
            await self._ask_service(
                "pool", subjects.pool_admin(), command, _pool_decoder, changes=True
            ),
            "pool",
        )

    async def ask_keys(self) -> KeysReply:
        """Ask the pool which master keys there are. Raises `GatewayError`."""
        answer = await self._ask_service("pool", subjects.pool_keys(), AskKeys(), _pool_decoder)
        return _as_answer(KeysReply, answer, "pool")

    async def rotate_key(self, command: RotateKey) -> Done:
        """Begin a rotation of the master key; it is in the log on return. Raises `GatewayError`."""
        subject = subjects.pool_rotate()
        answer = await self._ask_service("pool", subject, command, _pool_decoder, changes=True)
        return _as_answer(Done, answer, "pool")

    async def balancer_status(self) -> BalancerStatusReply:
        """Ask for every server. Raises `GatewayError`."""
        subject = subjects.BALANCER_STATUS
        answer = await self._ask_service("balancer", subject, BalancerStatus(), _balancer_decoder)
        return _as_answer(BalancerStatusReply, answer, "balancer")

    async def balancer_admin(self, command: BalancerAdmin) -> ServersChanged:
        """Have the balancer do something; it is in the log on return. Raises `GatewayError`."""
        subject = subjects.BALANCER_ADMIN
        answer = await self._ask_service(
            "balancer", subject, command, _balancer_decoder, changes=True
        )
        return _as_answer(ServersChanged, answer, "balancer")

    async def probe_servers(self, command: ProbeServers) -> ServersProbed:
        """Have the balancer measure servers. Raises `GatewayError`."""
        subject = subjects.BALANCER_PROBE
        answer = await self._ask_service(
            "balancer", subject, command, _balancer_decoder, _PROBE_TIMEOUT_S
        )
        return _as_answer(ServersProbed, answer, "balancer")

    async def named_query(self, name: str, **parameters: Any) -> Rows:
        """Run a named query over the projections. Raises `GatewayError`."""
        return await self.ask_analytics(
            NamedQuery(name=name, parameters=parameters), _ASK_TIMEOUT_S
        )

    async def ask_analytics(
        self, command: NamedQuery | Statistics, timeout_s: float = _SQL_TIMEOUT_S
    ) -> Rows:
        """Ask a named query, or statistics. Raises `GatewayError`."""
        subject = subjects.ANALYTICS_QUERY
        answer = await self._ask_service(
            "analytics", subject, command, _analytics_decoder, timeout_s
        )
        return _as_answer(Rows, answer, "analytics")

    async def ask_words(self) -> Words:
        """Ask which measures and dimensions there are. Raises `GatewayError`."""
        subject = subjects.ANALYTICS_QUERY
        answer = await self._ask_service("analytics", subject, AskWords(), _analytics_decoder)
        return _as_answer(Words, answer, "analytics")

    async def ask_export(self, kind: type[_Answer], command: Export) -> _Answer:
        """Start or fetch an export. Raises `GatewayError`."""
        subject = subjects.ANALYTICS_EXPORT
        return _as_answer(
            kind,
            await self._ask_service("analytics", subject, command, _export_decoder),
            "analytics",
        )

    async def tell_export(self, command: DropExport) -> None:
        """Drop an export, and wait for no answer."""
        await self.client.publish(subjects.ANALYTICS_EXPORT, msgspec.json.encode(command))

    async def write_report(self, command: WriteReport) -> Document:
        """Have a report written. Raises `GatewayError`."""
        subject = subjects.ANALYTICS_REPORT
        answer = await self._ask_service(
            "analytics", subject, command, _report_decoder, _SQL_TIMEOUT_S
        )
        return _as_answer(Document, answer, "analytics")

    async def run_sql(self, command: SqlQuery) -> Rows:
        """Run one read-only statement. Raises `GatewayError`."""
        subject = subjects.ANALYTICS_SQL
        answer = await self._ask_service(
            "analytics", subject, command, _analytics_decoder, _SQL_TIMEOUT_S
        )
        return _as_answer(Rows, answer, "analytics")

    async def _ask_service(
        self,
        service: str,
        subject: str,
        command: Command,
        decoder: "msgspec.json.Decoder[Any]",
        timeout_s: float | None = None,
        *,
        changes: bool = False,
    ) -> Any:
        """Ask; again only where nobody took the question. Silence is told, never resolved.

        `changes`: the command is to change something, which it may have done unheard.
        """
        deadline = asyncio.get_running_loop().time() + self.patience_s
        timeout_s = timeout_s or _ASK_TIMEOUT_S
        while True:
            try:
                return await ask_command(self.client, subject, command, decoder, timeout_s)
            except NobodyThereError:
                if asyncio.get_running_loop().time() >= deadline:
                    message = f"the {service} is not there"
                    raise GatewayError(_ABSENT[service], message) from None
                await asyncio.sleep(_AGAIN_S)
            except DisconnectedError as error:
                raise GatewayError("ledger_unavailable", str(error)) from None
            except UnansweredError:
                message = f"the {service} did not answer within {timeout_s:g} s"
                if changes:
                    message += "; whether it took the command is unknown"
                raise GatewayError(_ABSENT[service], message) from None


def _as_answer(kind: type[_Answer], answer: Any, service: str) -> _Answer:
    """Let an answer of the expected kind through. Raises `GatewayError` for any other."""
    if isinstance(answer, kind):
        return answer
    if not isinstance(answer, Failed):
        raise GatewayError("internal_error", f"the {service} answered something else")
    if answer.code == "bad_request":
        name, colon, _ = answer.message.partition(": ")
        param = name if colon and name.isidentifier() else None
        raise GatewayError("invalid_request", answer.message, param)
    if answer.code == "conflict":
        raise GatewayError("conflict", answer.message, answer.message.partition(": ")[0])
    if answer.code == "not_found":
        raise GatewayError("not_found", answer.message)
    if answer.code == "rebuilding":
        raise GatewayError("rebuilding", answer.message)
    if answer.code in _NOT_NOW:
        raise GatewayError(_ABSENT[service], answer.message)
    raise GatewayError("internal_error", f"the {service} failed: {answer.code}")
