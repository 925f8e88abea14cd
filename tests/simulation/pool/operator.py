"""The operator of a run: adds sessions, names their accounts, changes limits, sets the policy."""

import asyncio
from random import Random
from typing import Any

import msgspec
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.base import AccountId, Command, KeyId, ServiceType, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    DropWaits,
    PoolStatus,
    ReconcileLease,
    SessionStatus,
)
from runtime.quantities import Seconds
from runtime.secrets import Sealer
from runtime.settings import ServiceTypeSection
from services.pool.settings import PoolSection, ProvisionerSection, Settings
from tests.simulation.pool.bus import SimulatedBus
from tests.simulation.pool.calls import TYPES
from tests.simulation.pool.hub import Hub
from tests.simulation.pool.ledger import Ledger
from tests.simulation.pool.loop import SimulatedLoop
from tests.simulation.pool.processes import KEYS

_LIMITS = (1, 2, 3, 5, 8, 12, 20, 60)
_ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
_ACCOUNTS = (AccountId("account-1"), AccountId("account-2"))
_HOURS = (None, None, 0, 8, 19)
"""Those of Shanghai and New York at which it is midnight in UTC, where days end in some runs."""
_TIER = "vip"
_STATUSES = (
    SessionStatus.ACTIVE,
    SessionStatus.ACTIVE,
    SessionStatus.DISABLED,
    SessionStatus.DRAINING,
    SessionStatus.RETIRED,
)


class Operator:
    """Whoever has the settings and the admin's door."""

    def __init__(
        self, loop: SimulatedLoop, hub: Hub, chance: Random, ledger: Ledger, *, shares: bool
    ) -> None:
        """`shares`: several sessions use one account in this run."""
        self._chance = chance
        self._ledger = ledger
        self._shares = shares
        self.settings = Settings(
            pool=PoolSection(
                min_size=chance.randrange(1, 3 if ledger.busy else 5),
                max_size=10,
                lease_ttl=Seconds(chance.choice([1, 2, 4])),
                session_concurrency=1 if ledger.busy else chance.choice([0, 1, 2, 3]),
                queue_max=chance.choice([5, 20, 1000]),
                queue_max_per_key=chance.choice([2, 5, 1000]),
                reset_guard=Seconds(chance.choice([0, 1, 2])),
                reconcile_after=Seconds(1),
                quota_timezone=chance.choice(_ZONES),
                provisioner=ProvisionerSection(kind="generated"),
            ),
            services={
                name: ServiceTypeSection(daily_limit=60 if ledger.busy else chance.choice(_LIMITS))
                for name in TYPES
            },
            tiers={_TIER: {str(TYPES[0]): chance.choice(_LIMITS)}} if self._shares else {},
        )
        self.life = loop.begin_life("operator")
        self.bus = SimulatedBus(loop, hub, self.life, "gateway")
        self._sessions = 0

    async def meddle(self, seconds: float) -> None:
        """Do something now and then, and be answered or not."""
        ends = asyncio.get_running_loop().time() + seconds
        if self._shares:
            # Most runs are to have an account of several before the first call.
            items = [self._addition(_ACCOUNTS[0]) for _ in range(self._chance.choice([1, 2, 3]))]
            await self._ask(AddSessions(items=items, by="operator"))
        while asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.1 + 0.6 * self._chance.random())
            if self._chance.random() < 0.15:
                self._change_policy()
            else:
                await self._ask(await self._command())

    def _change_policy(self) -> None:
        if self._shares and self._chance.random() < 0.3:
            tiers = {_TIER: {str(TYPES[0]): self._chance.choice(_LIMITS)}}
            self.settings = msgspec.structs.replace(self.settings, tiers=tiers)
            return
        services = dict(self.settings.services)
        name = self._chance.choice(TYPES)
        services[name] = ServiceTypeSection(daily_limit=self._chance.choice(_LIMITS))
        self.settings = msgspec.structs.replace(self.settings, services=services)

    async def _command(self) -> Command | None:
        """Draw what to ask for: a new session, or a change of one that there is."""
        chance = self._chance
        if chance.random() < 0.2:
            return await self._reconciliation()
        if chance.random() < 0.03:
            keys = [KeyId(""), KeyId("key-0"), KeyId("key-1")]
            return DropWaits(key_id=chance.choice(keys), by="operator")
        if chance.random() < 0.3:
            return AddSessions(items=[self._addition()], by="operator")
        status = await self._ask(PoolStatus(sessions=True))
        if status is None or not status.get("sessions"):
            return None
        session_id = SessionId(chance.choice(status["sessions"])["session_id"])
        if self._shares and chance.random() < 0.5:
            return self._change_of_account(session_id)
        return chance.choice(
            [
                ChangeSession(session_id=session_id, limits=self._limits(), by="operator"),
                ChangeSession(session_id=session_id, status=chance.choice(_STATUSES), by="op"),
                ChangeSession(session_id=session_id, cool_s=chance.random(), by="operator"),
                ChangeSession(session_id=session_id, used_up=True, by="operator"),
            ]
        )

    def _addition(self, account: AccountId | None = None) -> AddSession:
        """Draw a session to be added; now and then one that there is: it may have been retired."""
        chance = self._chance
        self._sessions += chance.random() < 0.7 or not self._sessions or account is not None
        name = SessionId(f"added-{self._sessions}")
        sealed = Sealer(KEYS[0]).seal_credential(name, "secret")
        zone, limits = chance.choice(["", *_ZONES]), self._limits()
        item = AddSession(session_id=name, sealed=sealed, limits=limits, quota_timezone=zone)
        if not self._shares:
            return item
        # What is left out is the account's; what is said otherwise is refused.
        item = msgspec.structs.replace(
            item,
            tier=_TIER if chance.random() < 0.2 else "",
            used=self._limits() if chance.random() < 0.3 else {},
            quota_reset_hour=chance.choice(_HOURS),
        )
        if not account and chance.random() < 0.4:
            return item
        account = account or chance.choice(_ACCOUNTS)
        if chance.random() < 0.7:
            item = AddSession(session_id=name, sealed=sealed, used=item.used)
        return msgspec.structs.replace(item, account=account)

    def _change_of_account(self, session_id: SessionId) -> ChangeSession:
        """Have a session join an account for good, or its account another tier."""
        chance = self._chance
        if chance.random() < 0.7:
            account = chance.choice(_ACCOUNTS)
            return ChangeSession(session_id=session_id, account=account, by="operator")
        tier = chance.choice(["", _TIER])
        return ChangeSession(session_id=session_id, tier=tier, by="operator")

    async def _reconciliation(self) -> Command | None:
        """Settle a lease of which nobody told, by what its server did."""
        status = await self._ask(PoolStatus(leases=self._chance.choice(["unknown", "expired"])))
        leases = (status or {}).get("leases")
        if not leases:
            return None
        name = self._chance.choice(leases)["lease_id"]
        units = self._ledger.done[name]
        return ReconcileLease(lease_id=name, units=units, reason="the server's own count", by="op")

    def _limits(self) -> dict[ServiceType, int]:
        return {name: self._chance.randrange(0, 6) for name in TYPES if self._chance.random() < 0.5}

    async def _ask(self, command: Command | None) -> dict[str, Any] | None:
        """Ask once; no answer is none."""
        if command is None:
            return None
        subject = (
            subjects.pool_status() if isinstance(command, PoolStatus) else subjects.pool_admin()
        )
        try:
            message = await self.bus.request(subject, msgspec.json.encode(command), timeout=1.0)
        except NatsError:
            return None
        answer: dict[str, Any] = msgspec.json.decode(message.data)
        return answer

    async def status(self) -> dict[str, Any] | None:
        """Ask for every session."""
        return await self._ask(PoolStatus(sessions=True))
