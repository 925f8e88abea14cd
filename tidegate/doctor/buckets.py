"""What the pool keeps beside the log: snapshots of its ledger."""

from contextlib import suppress

from nats.aio.client import Client

from contracts.pool import PoolStatusReply
from runtime.process.findings import DoctorFinding, fine, note
from services.pool.snapshots.bucket import (
    KeptSnapshot,
    SnapshotBucket,
    SnapshotsUnavailableError,
)
from services.pool.snapshots.formats import FORMAT


async def bucket_findings(client: Client, reply: PoolStatusReply) -> list[DoctorFinding]:
    """Say how much of the log is read at a start, and why it is more than it need be, if so."""
    findings = []
    if reply.snapshot_trouble:
        findings.append(note("pool", "snapshot_missing", reply.snapshot_trouble))
    with suppress(SnapshotsUnavailableError):
        findings += await _begin_findings(SnapshotBucket(client), reply.sequence)
    return findings


async def _begin_findings(bucket: SnapshotBucket, last: int) -> list[DoctorFinding]:
    """Read the snapshots as a process does that begins, the newest first, until one is whole."""
    findings: list[DoctorFinding] = []
    begins = "with the log"
    for kept in await bucket.newest_first():
        trouble = await _snapshot_trouble(bucket, kept)
        if not trouble:
            begins = f"at the snapshot of sequence {kept.sequence}"
            break
        message = f"the snapshot of sequence {kept.sequence} is passed over: {trouble}"
        findings.append(note("pool", "snapshot_damaged", message))
    return [*findings, fine("pool", f"a process of it begins {begins}; {last} is last")]


async def _snapshot_trouble(bucket: SnapshotBucket, kept: KeptSnapshot) -> str:
    """Say why no process begins with it; empty when its bytes are whole."""
    manifest = await bucket.read_manifest(kept)
    if manifest is None:
        return "its manifest cannot be read"
    if manifest.format > FORMAT:
        return f"it is of a later version (format {manifest.format})"
    if await bucket.read_bytes(kept, manifest) is None:
        return "its bytes are not those of its manifest"
    return ""
