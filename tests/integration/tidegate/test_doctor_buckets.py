"""What the pool says of its snapshots, and where its processes begin."""

from datetime import UTC, datetime

import pytest
from nats.aio.client import Client

from contracts.pool import PoolStatusReply
from runtime.process.findings import State
from tidegate.doctor import buckets

pytestmark = pytest.mark.anyio


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
    await nats_client.request("$KV.snapshots.pool.0.00000000000000000007-x.manifest", b"{}")

    (begins,) = await buckets.bucket_findings(nats_client, pool_reply(""))

    assert begins.state is State.FINE
    assert begins.message == "a process of it begins at the snapshot of sequence 7; 9 is last"


async def test_without_the_bucket_nothing_is_told_of_it(nats_client: Client) -> None:
    await nats_client.request("$JS.API.STREAM.DELETE.KV_snapshots", b"")

    assert await buckets.bucket_findings(nats_client, pool_reply("")) == []
