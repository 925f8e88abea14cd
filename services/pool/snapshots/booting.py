"""Where a fold begins: the newest good snapshot, or the first envelope of the log.

A snapshot is good when its bytes are those of its manifest, its link is that of the envelope in the
log, and, where this version hashes as the one that made it, its ledger hashes to what it says. One
of a later version is passed over, as is one that is damaged. Two things end the process rather
than begin it: a snapshot beyond the log's end, for then the log went backwards; and a log that
begins behind every good snapshot, for what lies between is nowhere.
"""

from typing import NamedTuple

import msgspec

from contracts import envelope
from contracts.envelope import Link
from runtime.eventlog import EventLog
from runtime.leadership import BrokenLogError
from runtime.process.logs import Log
from services.pool.domain import HASH_VERSION, Pool, state_hash
from services.pool.snapshots.bucket import (
    KeptSnapshot,
    SnapshotBucket,
    SnapshotManifest,
)
from services.pool.snapshots.form import decode_pool
from services.pool.snapshots.formats import FORMAT, UnreadableSnapshotError


class Booted(NamedTuple):
    """A fold, and where it stands."""

    pool: Pool
    link: Link


async def boot_pool(log: EventLog, bucket: SnapshotBucket, subject: str, logger: Log) -> Booted:
    """Begin with the newest good snapshot, else with nothing.

    Raises `BrokenLogError`, `LogUnavailableError` and `SnapshotsUnavailableError`.
    """
    last = await log.last_stored(subject)
    end = 0 if last is None else last.sequence
    first = (await log.stream_state()).first_sequence
    for kept in await bucket.newest_first():
        if kept.sequence > end:
            raise BrokenLogError(
                f"{subject}: the log ends at sequence {end}, but a snapshot of {kept.sequence}"
                f" was made: it went backwards. Restore the log that has it, or, if what was"
                f" granted since may be sold again, purge the stream of snapshots"
            )
        try:
            manifest = await _read_usable_manifest(bucket, kept)
            if kept.sequence < first:
                raise BrokenLogError(
                    f"{subject}: the log begins at sequence {first}, the newest good snapshot is of"
                    f" {kept.sequence}: restore the log from there on, or a later snapshot"
                )
            pool = await _read_pool(log, bucket, subject, kept, manifest)
        except UnreadableSnapshotError as error:
            logger.warning("snapshot_passed_over", name=kept.name, reason=str(error))
            continue
        logger.info("snapshot_booted", name=kept.name, sequence=kept.sequence)
        return Booted(pool, manifest.link)
    return Booted(Pool(), Link())


async def _read_usable_manifest(bucket: SnapshotBucket, kept: KeptSnapshot) -> SnapshotManifest:
    """Read a manifest. Raises `UnreadableSnapshotError` when this version cannot use it."""
    manifest = await bucket.read_manifest(kept)
    if manifest is None:
        raise UnreadableSnapshotError("its manifest cannot be read")
    if manifest.format > FORMAT or manifest.hash_version > HASH_VERSION:
        raise UnreadableSnapshotError(
            f"it is of a later version: format {manifest.format}, hash version"
            f" {manifest.hash_version}; this one knows {FORMAT} and {HASH_VERSION}"
        )
    return manifest


async def _read_pool(
    log: EventLog,
    bucket: SnapshotBucket,
    subject: str,
    kept: KeptSnapshot,
    manifest: SnapshotManifest,
) -> Pool:
    """Read the ledger. Raises `UnreadableSnapshotError` when it is not good."""
    stored = await log.stored_at(manifest.link.sequence)
    if stored is None or stored.subject != subject:
        raise UnreadableSnapshotError("its envelope is not in the log")
    try:
        opened = envelope.decode_envelope(stored.body)
    except msgspec.DecodeError:
        raise UnreadableSnapshotError("its envelope in the log is none") from None
    if envelope.link_to(stored.sequence, stored.body, opened) != manifest.link:
        raise UnreadableSnapshotError("the log has another envelope in its place")
    content = await bucket.read_bytes(kept, manifest)
    if content is None:
        raise UnreadableSnapshotError("its bytes are not those of its manifest")
    pool = decode_pool(content, manifest.format)
    if manifest.hash_version == HASH_VERSION and state_hash(pool) != manifest.state_hash:
        raise UnreadableSnapshotError("its ledger does not hash to what its manifest says")
    pool.sequence = manifest.link.sequence
    return pool
