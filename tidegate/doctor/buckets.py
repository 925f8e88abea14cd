"""What the pool keeps beside the log: snapshots of its ledger."""

from contextlib import suppress

from nats.aio.client import Client

from contracts.pool import PoolStatusReply
<<<<<<< HEAD
from contracts.subjects import CREDENTIALS_STREAM
from runtime.process.findings import DoctorFinding, fine, note, wrong
from runtime.texts import count_phrase
=======
from runtime.process.findings import DoctorFinding, fine, note
>>>>>>> main
from services.pool.snapshots.bucket import SnapshotBucket, SnapshotsUnavailableError


async def bucket_findings(client: Client, reply: PoolStatusReply) -> list[DoctorFinding]:
<<<<<<< HEAD
    """Hold what the pool says against its buckets."""
    kept = await ask_jetstream(client, f"STREAM.INFO.{CREDENTIALS_STREAM}")
    return [*_ciphertext_findings(reply, kept), *await _snapshot_findings(client, reply)]


def _ciphertext_findings(
    reply: PoolStatusReply, kept: dict[str, Any] | None
) -> Iterator[DoctorFinding]:
    """Compare the sessions of the log with the ciphertexts of the bucket: it never has fewer."""
    if kept is None or "state" not in kept:
        return
    count = kept["state"]["messages"]
    if count < reply.sessions_total:
        sessions = count_phrase(reply.sessions_total, "session")
        message = f"{sessions}, but only {count_phrase(count, 'ciphertext')}"
        yield wrong("sessions", "credentials_missing", message)


async def _snapshot_findings(client: Client, reply: PoolStatusReply) -> list[DoctorFinding]:
=======
>>>>>>> main
    """Say how much of the log is read at a start, and why it is more than it need be, if so."""
    findings = []
    if reply.snapshot_trouble:
        findings.append(note("pool", "snapshot_missing", reply.snapshot_trouble))
    with suppress(SnapshotsUnavailableError):
        kept = await SnapshotBucket(client).newest_first()
        begins = f"at the snapshot of sequence {kept[0].sequence}" if kept else "with the log"
        findings.append(fine("pool", f"a process of it begins {begins}; {reply.sequence} is last"))
    return findings
