"""One run: a seed becomes processes, calls and faults, and what came of it is judged.

Two modes. *Safety*: any faults, to the end; nothing may ever be oversold, answered by the wrong one
or lost. *Liveness*: faults that pass; when they have, all is well again by itself and soon.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from random import Random
from typing import Literal, NamedTuple

from contracts.envelope import decode_envelope
from contracts.subjects import evt_pool
from services.pool.audit import Auditor, ViolationKind
from tests.simulation.pool.calls import TYPES, Call, keep_calling
from tests.simulation.pool.disk import EPOCH
from tests.simulation.pool.faults import Misfortune
from tests.simulation.pool.hub import Hub
from tests.simulation.pool.ledger import Ledger
from tests.simulation.pool.loop import SimulatedLoop
from tests.simulation.pool.nature import simulated_nature
from tests.simulation.pool.operator import Operator
from tests.simulation.pool.oracle import Entry, Oracle
from tests.simulation.pool.processes import GatewayProcess, PoolProcess
from tests.simulation.pool.witness import Notes

Mode = Literal["safety", "liveness"]
_TURNS_MAX = 2_000_000
_QUIET_S = 60.0
"""Within which all is well again: a wait's time, and then that of its lease."""
_SETTLED_S = 6.0
"""So long after the last fault one leads, and knows who waits."""
_DAY_S = 86_400.0
_UNKNOWN = (
    "session_changed",
    "quota_observed",
    "lease_cancelled",
    "session_cooled",
    "lease_renewed",
    "lease_queued",
    "waits_ended",
)
"""What an older version may not know."""
_UNKNOWN_OF_ACCOUNTS = ("session_joined", "account_changed")


class Judged(NamedTuple):
    """What came of a run."""

    seed: int
    mode: Mode
    findings: list[str]
    trace: list[str]
    envelopes: int
    granted: int
    elections: int
    turns: int
    seconds: float
    answers: dict[str, int]
    waits: int


class World:
    """The processes of a run, and who calls them."""

    def __init__(self, seed: int, mode: Mode) -> None:
        self.seed = seed
        self.mode = mode
        self.chance = Random(f"{mode} {seed}")
        self.loop = SimulatedLoop(Random(f"order {seed}"))
        self.notes = Notes(self.loop)
        self.hub = Hub(self.loop, self.chance, self.notes)
        # Some runs see the change of a quota day.
        near = self.chance.random() < 0.3
        self.origin_s = EPOCH + (
            _DAY_S - self.chance.uniform(1, 5) if near else self.chance.uniform(0, _DAY_S)
        )
        self.hub.disk.origin_s = self.origin_s
        self.ledger = Ledger()
        self.ledger.busy = self.chance.random() < 0.5
        self.quiet_at = float("inf")
        """From when on those who wait are to be served in their turn."""
        self.calling: dict[GatewayProcess, asyncio.Task[None]] = {}
        # Every other pair of seeds, so that both modes have accounts as often as not.
        shares = seed // 2 % 2 == 1
        self.operator = Operator(self.loop, self.hub, self.chance, self.ledger, shares=shares)
        self.pools = [self._pool(f"pool-{number}") for number in range(self.chance.choice([2, 3]))]
        if self.chance.random() < 0.3:
            tags = (*_UNKNOWN, *_UNKNOWN_OF_ACCOUNTS) if shares else _UNKNOWN
            unknown = frozenset(self.chance.sample(tags, self.chance.randrange(1, 4)))
            self.pools.append(self._pool("older", unknown))
        self.gateways = [
            GatewayProcess(self.loop, self.hub, self.notes, f"gateway-{number}")
            for number in range(self.chance.choice([1, 2]))
        ]

    def _pool(self, name: str, unknown: frozenset[str] = frozenset()) -> PoolProcess:
        return PoolProcess(
            self.loop,
            self.hub,
            self.notes,
            name,
            lambda: self.operator.settings,
            unknown_tags=unknown,
        )

    async def live(self) -> None:
        """Start everything, let misfortune befall it, and, if it is to live, wait until it does."""
        seconds = self.chance.uniform(3.0, 6.0)
        misfortune = Misfortune(
            self.loop,
            self.hub,
            self.notes,
            self.chance,
            self.pools,
            self.gateways,
            lasting=self.mode == "safety",
        )
        misfortune.restart_gateway = lambda gateway: self.start_gateway(gateway, seconds / 2)
        for pool in self.pools:
            pool.start()
        for gateway in self.gateways:
            self.start_gateway(gateway, seconds)
        self.loop.start_task(self.operator.life, self.operator.meddle(seconds))
        await asyncio.sleep(self.chance.random())
        await misfortune.befall(seconds)
        if self.mode == "liveness":
            await self.recover()

    def start_gateway(self, gateway: GatewayProcess, seconds: float) -> None:
        """Start a gateway, and have clients call it."""
        gateway.start()
        assert gateway.life is not None
        calls = self.chance.randrange(20, 80)

        async def call() -> None:
            await asyncio.sleep(0.01)
            await keep_calling(gateway, self.ledger, self.chance, calls, seconds)

        self.calling[gateway] = self.loop.start_task(gateway.life, call())

    async def recover(self) -> None:
        """Wait until all is well; say what is not, when it takes too long."""
        for life in (*self.pools, *self.gateways):
            assert life.life is not None
            life.life.clock_offset = 0.0
        self.quiet_at = self.loop.time() + _SETTLED_S
        ends = self.loop.time() + _QUIET_S
        while reasons := [*self._troubles()]:
            if self.loop.time() > ends:
                self.notes.findings += [f"not well after {_QUIET_S} s: {why}" for why in reasons]
                return
            await asyncio.sleep(0.25)
        await self._ask_once_more()

    def _troubles(self) -> Iterator[str]:
        """Say what is not well yet."""
        leaders = [pool for pool in self.pools if pool.leads]
        if len(leaders) != 1:
            yield f"{len(leaders)} lead"
        for pool in leaders:
            if reason := pool.parts.unready_reason():
                yield f"{pool.life}: {reason}"
            if pool.parts.leader._committer.full:
                yield f"{pool.life}: it takes the log for full"
            state = pool.parts.ledger.state
            if state.opened or state.line or state.queued:
                counts = f"{len(state.opened)} leases are open, {len(state.line)} wait"
                yield f"{pool.life}: {counts}, {len(state.queued)} by the log"
        for gateway in self.gateways:
            if not gateway.bus.is_connected:
                yield f"{gateway.life}: it has no connection"
            if not self.calling[gateway].done():
                yield f"{gateway.life}: calls are under way"
            if len(gateway.outbox):
                yield f"{gateway.life}: {len(gateway.outbox)} ends are not journalled"

    async def _ask_once_more(self) -> None:
        """A fresh call hears the pool, and the pool's own count is that of the log."""
        gateway = self.gateways[0]
        assert gateway.life is not None
        call = Call(gateway, self.ledger, self.chance)
        code = await self.loop.start_task(gateway.life, call.run_course())
        if code == "ledger_unavailable":
            self.notes.findings.append("all is quiet, and the pool does not answer a call")
        await asyncio.sleep(0.5)  # its end is told
        status = await self.loop.start_task(self.operator.life, self.operator.status())
        if status is None:
            self.notes.findings.append("all is quiet, and the pool does not say how it is")
            return
        self.status = status

    # ----------------------------------------------------------------------- judgement

    def judge(self) -> Judged:
        """Have the log, the answers, the backends and the gateways compared."""
        findings = [*self.notes.findings, *self.loop.faults]
        stored = [one for one in self.hub.disk.stored if one.subject == evt_pool()]
        oracle = Oracle()
        origin = self.origin_s
        oracle.read(Entry(one.time.timestamp() - origin, one.body) for one in stored)
        oracle.check_answers(self.notes.said)
        oracle.check_deliveries(self.notes.delivered)
        oracle.check_upstream(self.ledger.accepted)
        findings += oracle.findings
        for law in (oracle.queue.starvation, oracle.queue.overtaking, oracle.queue.forgotten):
            findings += law(self.ledger.waits, self.quiet_at)
        findings += self._losses(oracle)
        findings += self._differences(oracle)
        auditor = Auditor(evt_pool())
        for one in stored:
            auditor.audit_envelope(one.sequence, one.body, decode_envelope(one.body))
        auditor.finish_audit()
        findings += [
            f"audit: {violation}"
            for violation in auditor.violations
            # The audit tells of it, but it is no fault of the pool: an operator was faster.
            if violation.kind is not ViolationKind.USAGE_AFTER_RECONCILIATION
        ]
        for pool in self.pools:
            if pool.life is not None and not pool.life.dead and pool.task.done():
                findings.append(f"{pool.life} ended: {pool.task.exception()!r}")
        for gateway, task in self.calling.items():
            if task.done() and (error := task.exception()):
                findings.append(f"{gateway.name}: a call failed: {error!r}")
        return Judged(
            seed=self.seed,
            mode=self.mode,
            findings=findings,
            trace=self.notes.trace,
            envelopes=len(stored),
            granted=len(oracle.leases),
            elections=sum("elected" in line for line in self.notes.trace),
            turns=self.loop.turns,
            seconds=self.loop.time(),
            answers=dict(self.ledger.answers),
            waits=len(self.ledger.waits),
        )

    def _losses(self, oracle: Oracle) -> Iterator[str]:
        """Name what gateways were promised, and the log does not have."""
        for lease_id, session_id in self.ledger.granted.items():
            lease = oracle.leases.get(lease_id)
            if lease is None or lease.place[0] != session_id:
                yield f"{lease_id} was granted on {session_id}, and the log does not say so"
        kept = {str(gateway.life): gateway.outbox for gateway in self.gateways if gateway.alive}
        told = dict(self.ledger.journalled)
        for lease_id, (life, usage) in self.ledger.recorded.items():
            outbox = kept.get(life)
            if outbox is not None and lease_id not in outbox._usages:
                told[lease_id] = usage
        for lease_id, usage in told.items():
            if oracle.ends.get(lease_id) != usage.outcome:
                yield f"{lease_id} was {usage.outcome}, the log says {oracle.ends.get(lease_id)}"

    def _differences(self, oracle: Oracle) -> Iterator[str]:
        """Name where the pool's own count is not that of the log."""
        for session in getattr(self, "status", {}).get("sessions", []):
            for name in TYPES:
                place = (session["session_id"], name, session["quota_day"])
                taken = session["used"].get(name, 0) + session["reserved"].get(name, 0)
                counted = oracle.accounts.taken(place)
                if taken != counted:
                    yield f"{place}: the pool counts {taken}, the log {counted}"


def simulate(seed: int, mode: Mode, plant: AbstractContextManager[object] | None = None) -> Judged:
    """Run one seed in one mode; `plant` is a bug to be planted meanwhile."""
    world = World(seed, mode)
    loop = world.loop
    nature = simulated_nature(loop, world.chance, world.origin_s)
    with plant or nullcontext(), nature, _quiet(loop):
        task = loop.create_task(world.live(), context=loop.world.context)
        try:
            loop.run_until(task, _TURNS_MAX)
        except RuntimeError as error:
            world.notes.findings.append(f"{error}")
        return world.judge()


@contextmanager
def _quiet(loop: SimulatedLoop) -> Iterator[None]:
    """Take every task away in the end, without a word of theirs."""
    try:
        yield
    finally:
        loop.dispose()
