"""What the pool says of its snapshots, and where its processes begin."""

import hashlib
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client

from contracts.envelope import Link
from contracts.pool import PoolStatusReply
from runtime.process.findings import State
from services.pool.snapshots.bucket import SnapshotBucket, SnapshotManifest
from services.pool.snapshots.formats import FORMAT
from tidegate.doctor import buckets

pytestmark = pytest.mark.anyio


def manifest_at(sequence: int) -> SnapshotManifest:
    """What stands in the manifest of a snapshot of five bytes."""
    return SnapshotManifest(
        format=FORMAT,
        hash_version=1,
        state_hash="",
        link=Link(sequence=sequence),
        sha256=hashlib.sha256(b"whole").hexdigest(),
        bytes=5,
        chunks=1,
        made_at=datetime.now(UTC),
    )


def pool_reply(trouble: str) -> PoolStatusReply:
    """A leader without sessions, at sequence 9."""
    return PoolStatusReply(
        sequence=9,
        epoch=1,
        now=datetime.now(UTC),
        sessions_total=0,
        sessions_active=0,
        min_size=0,
        max_size=1,
        open_leases=0,
        remaining={},
        snapshot_trouble=trouble,
    )


async def test_why_no_snapshot_is_made_is_told_with_its_cure(nats_client: Client) -> None:
    missing, begins = await buckets.bucket_findings(
        nats_client, pool_reply("memory is short: 1 byte")
    )

    assert (missing.state, missing.code) == (State.NOTE, "snapshot_missing")
    assert missing.message == "memory is short: 1 byte"
    assert "memory" in missing.cure
    assert begins.message == "a process of it begins with the log; 9 is last"


async def test_where_a_process_begins_is_told(nats_client: Client) -> None:
    bucket = SnapshotBucket(nats_client)
    for sequence in (5, 7):
        await bucket.write(b"whole", manifest_at(sequence))

    (begins,) = await buckets.bucket_findings(nats_client, pool_reply(""))

    assert begins.state is State.FINE
    assert begins.message == "a process of it begins at the snapshot of sequence 7; 9 is last"


async def test_snapshots_that_are_not_whole_are_named_and_begun_with_by_nobody(
    nats_client: Client,
) -> None:
    bucket = SnapshotBucket(nats_client)
    kept = await bucket.write(b"whole", manifest_at(7))
    await nats_client.request(f"$KV.snapshots.pool.0.{kept.name}.0", b"damaged")
    await nats_client.request("$KV.snapshots.pool.0.00000000000000000008-x.manifest", b"{}")

    *passed_over, begins = await buckets.bucket_findings(nats_client, pool_reply(""))

    assert [(one.state, one.code, one.message) for one in passed_over] == [
        (State.NOTE, "snapshot_damaged", f"the snapshot of sequence {at} is passed over: {why}")
        for at, why in (
            (8, "its manifest cannot be read"),
            (7, "its bytes are not those of its manifest"),
        )
    ]
    assert begins.message == "a process of it begins with the log; 9 is last"


async def test_without_the_bucket_nothing_is_told_of_it(nats_client: Client) -> None:
    await nats_client.request("$JS.API.STREAM.DELETE.KV_snapshots", b"")

    assert await buckets.bucket_findings(nats_client, pool_reply("")) == []
