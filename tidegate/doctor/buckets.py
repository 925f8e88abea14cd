"""What the pool keeps beside the log: snapshots of its ledger."""

from contextlib import suppress

from nats.aio.client import Client

from contracts.pool import PoolStatusReply
from runtime.process.findings import DoctorFinding, fine, note
from services.pool.snapshots.bucket import SnapshotBucket, SnapshotsUnavailableError


async def bucket_findings(client: Client, reply: PoolStatusReply) -> list[DoctorFinding]:
    """Say how much of the log is read at a start, and why it is more than it need be, if so."""
    findings = []
    if reply.snapshot_trouble:
        findings.append(note("pool", "snapshot_missing", reply.snapshot_trouble))
    with suppress(SnapshotsUnavailableError):
        kept = await SnapshotBucket(client).newest_first()
        begins = f"at the snapshot of sequence {kept[0].sequence}" if kept else "with the log"
        findings.append(fine("pool", f"a process of it begins {begins}; {reply.sequence} is last"))
    return findings
