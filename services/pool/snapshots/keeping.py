"""When a snapshot is made, and by whom: a standby has it made, else the leader.

    looking -- less of the log behind the newest one than is worth it ----> looking
            -- enough, and this process stands by ------------------------> making
            -- enough for a minute, and this process leads ---------------> making
    making  -- made, not made, or memory is short ------------------------> looking, in ten minutes

The leader never pauses for it: it starts a process, and asks for its end. It waits a minute so that
a standby may be first. Two that begin at once make two snapshots, of which one is purged later.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress

from nats.aio.client import Client

from runtime.clock import system_clock
from runtime.environment import Environment
from runtime.leadership import Leadership
from runtime.process.logs import Log
from services.pool.metrics import Metrics
from services.pool.snapshots.bucket import SnapshotBucket, SnapshotsUnavailableError
from services.pool.snapshots.making import MEMORY_SHORT, NOTHING_NEW
from services.pool.snapshots.memory import available_bytes, resident_bytes
from services.pool.store import PoolLedger

LOOK_EVERY_S = 15.0
EVERY_S = 600.0
WORTH_MESSAGES = 500
"""Of the log, behind the newest snapshot: less is read in no time."""
_LEADER_WAITS_S = 60.0
_MAKING_MAX_S = 3600.0
_END_S = 5.0
_SPARE_BYTES = 128 * 1024**2
_ADDRESSES_BYTES = 1024**3
"""Libraries and stacks take addresses that are no memory."""
_SECRETS = ("TIDEGATE_SECRET_KEY", "TIDEGATE_IDENTITY_KEY")


class SnapshotKeeper:
    """Looks after the snapshots for as long as a pool process lives."""

    def __init__(
        self,
        environment: Environment,
        client: Client,
        leadership: Leadership,
        ledger: PoolLedger,
        *,
        metrics: Metrics,
        logger: Log,
    ) -> None:
        """`environment` says where the process that makes one finds NATS and its password."""
        self._environment = environment
        self._bucket = SnapshotBucket(client)
        self._leadership = leadership
        self._ledger = ledger
        self._metrics = metrics
        self._logger = logger
        self._tried_at = float("-inf")
        self._due_since: float | None = None

    async def keep_making(self) -> None:
        """Look, and have one made when it is time, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if await self._is_due():
                    await self._make()
            except SnapshotsUnavailableError as error:
                self._note_trouble(f"the bucket of snapshots: {error}")

    async def _is_due(self) -> bool:
        """Whether it is time, and this process's turn."""
        standing_by = self._leadership.hears_leader and not self._leadership.leading
        if not (standing_by or self._leadership.leading):
            return False
        newest = next(iter(await self._bucket.newest_first()), None)
        sequence = 0 if newest is None else newest.sequence
        self._metrics.snapshot_sequence.set(sequence)
        behind = self._leadership.writer.link.sequence - sequence
        manifest = None if newest is None else await self._bucket.read_manifest(newest)
        age_s = (system_clock() - manifest.made_at).total_seconds() if manifest else EVERY_S
        if age_s < EVERY_S:
            self._ledger.snapshot_trouble = ""
        if behind < WORTH_MESSAGES or 0 <= age_s < EVERY_S:
            self._due_since = None
            return False
        now = time.monotonic()
        self._due_since = self._due_since or now
        waited_s = now - self._due_since
        return now - self._tried_at >= EVERY_S and (standing_by or waited_s >= _LEADER_WAITS_S)

    async def _make(self) -> None:
        """Have one made, unless memory is short, and say what came of it."""
        self._tried_at, self._due_since = time.monotonic(), None
        needed, available = resident_bytes() + _SPARE_BYTES, available_bytes()
        if available is not None and available < needed:
            self._metrics.snapshots.labels("memory_short").inc()
            self._note_trouble(
                f"memory is short: {available:,} bytes are to be had, {needed:,} are needed"
            )
            return
        try:
            code = await self._run_process(2 * needed + _ADDRESSES_BYTES)
        except OSError as error:
            self._metrics.snapshots.labels("failed").inc()
            self._note_trouble(f"the process that makes one cannot be started: {error.strerror}")
            return
        if code == 0:
            self._metrics.snapshots.labels("made").inc()
            self._ledger.snapshot_trouble = ""
        elif code == NOTHING_NEW:
            self._metrics.snapshots.labels("nothing_new").inc()
        elif code == MEMORY_SHORT:
            self._metrics.snapshots.labels("memory_short").inc()
            self._note_trouble("memory is short: the process that made one had none left")
        else:
            self._metrics.snapshots.labels("failed").inc()
            self._note_trouble(f"the process that made one ended with {code}: its log says why")

    async def _run_process(self, bytes_max: int) -> int:
        """Run the process that makes one to its end, but not for ever; its code."""
        command = (sys.executable, "-m", "services.pool.snapshots", str(bytes_max))
        process = await asyncio.create_subprocess_exec(*command, env=self._variables())
        try:
            return await asyncio.wait_for(process.wait(), _MAKING_MAX_S)
        except TimeoutError:
            return -1
        finally:
            if process.returncode is None:
                process.terminate()
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _END_S)
                if process.returncode is None:
                    process.kill()

    def _variables(self) -> dict[str, str]:
        """Say where NATS is; of keys that it does not need it is told none."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
        kept["TIDEGATE_HOME"] = str(self._environment.home.path)
        kept["TIDEGATE_SUPERVISOR"] = str(os.getpid())
        kept["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        if self._environment.nats_url is not None:
            kept["TIDEGATE_NATS_URL"] = self._environment.nats_url
        return kept

    def _note_trouble(self, why: str) -> None:
        """Tell once what keeps snapshots from being made."""
        if why != self._ledger.snapshot_trouble:
            self._logger.warning("no_snapshot", reason=why)
        self._ledger.snapshot_trouble = why
