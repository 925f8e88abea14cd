"""The ground of a run: the whole system, which can be broken, loaded and asked what it did.

Processes and containers differ in how they are begun, hurt and reached; what is asked of them
afterwards is asked here.
"""

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.subjects import EVENT_SUBJECTS
from runtime.eventlog import EventLog, LogError
from tests.chaos.campaign import Actor
from tests.chaos.evidence import LogRead, digest
from tests.e2e.asked import Asked, Days, ledgers_sum

LIMITS = {"image": 400, "video": 60, "avatar": 5}
"""Units of one session and day. Avatars are scarce: half of what is asked for is refused, and
exactly the limit may be sold."""
SESSIONS = 100
DEMOS = ("one", "two")
BALANCER = """probe_interval = "2s"
ejection_base = "2s"
ejection_cap = "10s"
slow_start = "2s"
"""
"""Short times: a server that fails is tried again a few times in each of its stretches."""
_SERVER_FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "latency_ms": 20, "jitter_ms": 180},
    {"kind": "status", "status": 500, "probability": 0.01},
    {"kind": "rate_limited", "retry_after_s": 1, "probability": 0.01},
    {"kind": "cut_before", "probability": 0.005},
    {"kind": "cut_body", "probability": 0.005},
    {"kind": "cut_stream", "probability": 0.02},
    {"kind": "garbage", "probability": 0.003},
    {"kind": "gzip", "probability": 0.01},
]


class Ground(Actor):
    """All that a run knows of the system."""

    stack: Asked
    """What can be asked; two demo servers stand behind it."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        """Hash of every envelope read while it went on, by its sequence."""

    @abstractmethod
    def begin(self) -> None:
        """Start everything and wait until it is ready."""

    @abstractmethod
    def end(self) -> None:
        """End everything."""

    @abstractmethod
    def gateways(self) -> Mapping[str, str]:
        """The address of each gateway, by its name."""

    @abstractmethod
    def calm(self) -> str:
        """Wait until all is well and every lease has its end; why it is not so."""

    @abstractmethod
    def auditor_urls(self) -> list[str]:
        """Where NATS is now, for the auditor; it may block."""

    def break_servers(self) -> None:
        """Have the demo servers be slow, and fail now and then."""
        for demo in DEMOS:
            self.stack.set_faults(demo, _SERVER_FAULTS)

    def mend_servers(self) -> None:
        """End their faults."""
        for demo in DEMOS:
            self.stack.set_faults(demo, [])

    def fail_server(self, pick: int, *, accepted: bool) -> str:
        """Have one of the demo servers answer 500 to every call."""
        demo = DEMOS[pick % len(DEMOS)]
        always = {"kind": "status", "status": 500, "accepted": accepted}
        self.stack.set_faults(demo, [*_SERVER_FAULTS[:1], always])
        return demo

    def mend_server(self, pick: int) -> None:
        """Have it be slow, and fail now and then."""
        self.stack.set_faults(DEMOS[pick % len(DEMOS)], _SERVER_FAULTS)

    async def watch_log(self) -> None:
        """Read the log as it grows, for ever; what was read once was stored."""
        while True:
            with contextlib.suppress(NatsError, LogError, OSError, AssertionError):
                async with self._auditor() as client:
                    after = max(self.seen, default=0)
                    async for batch in EventLog(client).follow_from([EVENT_SUBJECTS], after):
                        for stored in batch:
                            self.seen[stored.sequence] = digest(stored.body)
            await asyncio.sleep(0.5)

    async def read_log(self) -> LogRead:
        """Read the whole log."""
        log = LogRead()
        async with self._auditor() as client:
            events = EventLog(client)
            upto = (await events.stream_state()).last_sequence
            async for batch in events.read_range(EVENT_SUBJECTS, 0, upto):
                for stored in batch:
                    log.hear(stored)
        return log

    def ledgers(self) -> tuple[Days, Mapping[str, int]]:
        """What the demo servers served: by day, credential and service; and times by request."""
        ledgers = [self.stack.whole_ledger(demo) for demo in DEMOS]
        accepted: dict[str, int] = {}
        for ledger in ledgers:
            for request_id, times in ledger["requests"].items():
                accepted[request_id] = accepted.get(request_id, 0) + times
        return ledgers_sum(*(ledger["days"] for ledger in ledgers)), accepted

    @contextlib.asynccontextmanager
    async def _auditor(self) -> AsyncIterator[Client]:
        """Connect as the auditor: not for ever, since what was away may come back elsewhere."""

        async def unheard(_: Exception) -> None:
            await asyncio.sleep(0)

        client = await nats.connect(
            await asyncio.to_thread(self.auditor_urls),
            inbox_prefix=b"_INBOX_auditor",
            max_reconnect_attempts=2,
            reconnect_time_wait=0.2,
            connect_timeout=5,
            ping_interval=2,
            error_cb=unheard,
        )
        try:
            yield client
        finally:
            with contextlib.suppress(NatsError):
                await client.close()
