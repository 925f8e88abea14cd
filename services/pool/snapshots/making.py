"""A snapshot is made: by a process of its own, that folds the log from the last good one on.

It trusts no memory but its own: it begins as every pool process does, compares the hash of every
checkpoint that this version reads, and lays out the ledger as it stands behind the last one. The
bytes are read again from the bucket before their manifest says that they are a snapshot.
"""

import hashlib
import os
import resource
from typing import NamedTuple

from nats.aio.client import Client

from contracts.base import WriterId
from contracts.envelope import Envelope, chain_break
from contracts.pool import PoolCheckpointed
from contracts.subjects import SHARD, evt_pool
from runtime.clock import system_clock
from runtime.environment import Environment
from runtime.eventlog import EventLog, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.leadership import BrokenLogError
from runtime.nats.connection import connect_as
from runtime.process.logs import Log
from services.pool.domain import HASH_VERSION, fold_envelope, state_hash
from services.pool.snapshots.booting import Booted, boot_pool
from services.pool.snapshots.bucket import KeptSnapshot, SnapshotBucket, SnapshotManifest
from services.pool.snapshots.form import encode_pool
from services.pool.snapshots.formats import FORMAT

USER = "snapshotter"
MEMORY_SHORT, NOTHING_NEW = 3, 4
"""How the process ends, beside 0 and 1."""
_NICENESS = 19
_NEAR_THE_END = 200_000
"""Messages of the log: a checkpoint that is followed by more is not the last one."""


class UnfitError(Exception):
    """No snapshot can be made of this log by this version; the message says why."""


class LaidOut(NamedTuple):
    """A ledger as bytes, and what it is of."""

    content: bytes
    manifest: SnapshotManifest


def bound_process(bytes_max: int) -> None:
    """Give way to everybody, and take no more than `bytes_max` of address space."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (bytes_max, bytes_max))


async def make_snapshot(environment: Environment, logger: Log) -> KeptSnapshot | None:
    """Make one at the last checkpoint; None when there is none since the newest snapshot.

    Raises `UnfitError`, `BrokenLogError`, `SettingsError`, `LogUnavailableError` and
    `SnapshotsUnavailableError`.
    """
    client = await connect_as(environment, USER)
    try:
        laid_out = await fold_log(client, logger)
    finally:
        await client.close()
    if laid_out is None:
        return None
    # Anew: to lay a long ledger out takes this process longer than NATS waits for a sign of it.
    client = await connect_as(environment, USER)
    try:
        return await keep_snapshot(client, laid_out, logger)
    finally:
        await client.close()


async def fold_log(client: Client, logger: Log) -> LaidOut | None:
    """Lay the ledger out behind the last checkpoint; raises as `make_snapshot` does."""
    log, bucket, subject = EventLog(client), SnapshotBucket(client), evt_pool(SHARD)
    booted = await boot_pool(log, bucket, subject, logger)
    maker = SnapshotMaker(log, subject, booted)
    last = await log.last_stored(subject)
    end = 0 if last is None else last.sequence
    async for batch in log.read_range(subject, booted.link.sequence, end):
        for stored in batch:
            maker.take_stored(stored)
    return maker.laid_out


async def keep_snapshot(client: Client, laid_out: LaidOut, logger: Log) -> KeptSnapshot:
    """Write it, and purge what it is the successor of. Raises `SnapshotsUnavailableError`."""
    bucket = SnapshotBucket(client)
    kept = await bucket.write(*laid_out)
    logger.info("snapshot_made", name=kept.name, bytes=len(laid_out.content))
    for name in await bucket.purge_older(kept):
        logger.info("snapshot_purged", name=name)
    return kept


class SnapshotMaker:
    """A fold that lays itself out behind each checkpoint near the end of the log."""

    def __init__(self, log: EventLog, subject: str, booted: Booted) -> None:
        """Go on from where `booted` stands."""
        self.laid_out: LaidOut | None = None
        self._pool = booted.pool
        # It writes nothing: it is the one that knows a stray, and where the chain stands.
        self._reader = SubjectWriter(log, subject, WriterId(USER))
        self._reader.link = booted.link

    def take_stored(self, stored: Stored) -> None:
        """Fold the next envelope. Raises `UnfitError` and `BrokenLogError`."""
        before = self._reader.link
        opened = self._reader.note_stored(stored)
        if opened is None:
            return
        break_ = chain_break(before, opened)
        if break_:
            raise BrokenLogError(f"{stored.subject}: {break_} (sequence {stored.sequence})")
        # A leader's checkpoint is the first event of its envelope.
        first = opened.events[0] if opened.events else None
        checkpoint = first if isinstance(first, PoolCheckpointed) else None
        if stored.pending > _NEAR_THE_END:
            checkpoint = None
        if checkpoint is not None:
            self._compare_hash(checkpoint, opened)
        fold_envelope(self._pool, stored.sequence, opened)
        if self._pool.unknown:
            tags = ", ".join(sorted(self._pool.unknown))
            raise UnfitError(f"the log has events of a later version, unknown to this one: {tags}")
        if checkpoint is not None:
            self._lay_out()

    def _compare_hash(self, checkpoint: PoolCheckpointed, opened: Envelope) -> None:
        """Raise `UnfitError` where this fold is not what its leader had."""
        if checkpoint.hash_version != HASH_VERSION:
            return
        self._pool.begin()
        self._pool.drop_due(opened.time)
        self._pool.commit()
        actual = state_hash(self._pool)
        if actual != checkpoint.state_hash:
            raise UnfitError(
                f"the log folds to {actual} at number {opened.number}, its leader had"
                f" {checkpoint.state_hash}: ask `tidegate audit`"
            )

    def _lay_out(self) -> None:
        content = encode_pool(self._pool)
        manifest = SnapshotManifest(
            format=FORMAT,
            hash_version=HASH_VERSION,
            state_hash=state_hash(self._pool),
            link=self._reader.link,
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            chunks=0,
            made_at=system_clock(),
        )
        self.laid_out = LaidOut(content, manifest)
