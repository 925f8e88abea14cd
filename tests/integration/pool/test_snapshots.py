"""Snapshots with a real nats-server: made, booted from, and refused where they must be."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from contracts.base import LeaderElected, WriterId
from contracts.envelope import Link, decode_envelope, link_to, seal_events
from contracts.pool import Granted
from contracts.subjects import EVENT_STREAM, SNAPSHOTS_STREAM, evt_pool
from runtime.eventlog import EventLog
from runtime.leadership import BrokenLogError
from runtime.nats import streams
from runtime.process import logs
from services.pool.domain import HASH_VERSION, state_hash
from services.pool.snapshots import bucket as buckets
from services.pool.snapshots.booting import Booted, boot_pool
from services.pool.snapshots.bucket import KeptSnapshot, NoBucketError, SnapshotBucket
from services.pool.snapshots.formats import FORMAT
from services.pool.snapshots.making import UnfitError, fold_log, keep_snapshot
from tests.integration.pool.room import (
    audit_log,
    end,
    envelopes,
    image_wanted,
    lease,
    pool,
    settings,
    status,
    usage_of,
)

pytestmark = pytest.mark.anyio
LOGGER = logs.configure_logs("pool")
SUBJECT = evt_pool()
PREFIX = "$KV.snapshots.pool.0."


async def term_led(nats_url: str, client: Client, leases: int = 20) -> None:
    """A pool process leads, leases and ends in good order: its last envelope is a checkpoint."""
    async with pool(nats_url, lambda: settings(5, 10_000)) as room:
        await room.leading()
        answers = await lease(client, *(image_wanted() for _ in range(leases)))
        await end(client, *(usage_of(one) for one in answers[3:] if isinstance(one, Granted)))
        await room.stopped()


async def snapshot_made(client: Client) -> KeptSnapshot:
    """Make one, as the process that is started for it does."""
    laid_out = await fold_log(client, LOGGER)
    assert laid_out is not None
    return await keep_snapshot(client, laid_out, LOGGER)


async def booted(client: Client) -> Booted:
    """Where a process of the pool would begin now."""
    return await boot_pool(EventLog(client), SnapshotBucket(client), SUBJECT, LOGGER)


async def told_server(client: Client, what: str, **body: Any) -> dict[str, Any]:
    """Ask the server for what a process of the pool may not."""
    message = await client.request(f"$JS.API.{what}", json.dumps(body).encode())
    answer = json.loads(message.data)
    assert "error" not in answer, answer
    return dict(answer)


async def rewritten(client: Client, kept: KeptSnapshot, part: str, body: bytes) -> None:
    """Put other bytes in the place of a part."""
    await client.request(f"{PREFIX}{kept.name}.{part}", body)


async def test_a_process_begins_with_the_snapshot_and_reads_only_what_is_behind_it(
    nats_url: str, nats_client: Client
) -> None:
    """The log's beginning is gone: nothing but the snapshot can tell of it."""
    await term_led(nats_url, nats_client)
    kept = await snapshot_made(nats_client)
    await term_led(nats_url, nats_client)
    await told_server(nats_client, f"STREAM.PURGE.{EVENT_STREAM}", seq=kept.sequence)

    async with pool(nats_url, lambda: settings(5, 10_000)) as room:
        await room.leading()

        told = await status(nats_client, sessions=True)
        used = sum(one.used["image"] for one in told.sessions)

        assert (told.open_leases, used) == (6, 34)
        assert isinstance((await lease(nats_client, image_wanted()))[0], Granted)


async def test_what_is_booted_hashes_as_the_log_does(nats_url: str, nats_client: Client) -> None:
    await term_led(nats_url, nats_client)
    kept = await snapshot_made(nats_client)

    state, link = await booted(nats_client)

    auditor, length = await audit_log(nats_client), len(await envelopes(nats_client))
    assert (link.sequence, link.number, state.sequence) == (kept.sequence, length, kept.sequence)
    assert state_hash(state) == state_hash(auditor.pool)


async def test_without_a_checkpoint_since_the_last_none_is_made(
    nats_url: str, nats_client: Client
) -> None:
    assert await fold_log(nats_client, LOGGER) is None

    await term_led(nats_url, nats_client)
    await snapshot_made(nats_client)

    assert await fold_log(nats_client, LOGGER) is None


async def test_the_next_one_goes_on_from_the_last_and_three_are_kept(
    nats_url: str, nats_client: Client
) -> None:
    sequences = []
    for _ in range(5):
        await term_led(nats_url, nats_client, leases=4)
        sequences.append((await snapshot_made(nats_client)).sequence)

    kept = await SnapshotBucket(nats_client).newest_first()

    assert [one.sequence for one in kept] == sequences[:1:-1]
    assert (await booted(nats_client)).link.sequence == sequences[-1]


async def test_the_last_one_of_an_earlier_format_is_kept_beside_them(
    nats_url: str, nats_client: Client
) -> None:
    every = SnapshotBucket(nats_client)
    names = []
    for number in range(6):
        await term_led(nats_url, nats_client, leases=4)
        kept = await snapshot_made(nats_client)
        names.append(kept.name)
        if number < 2:
            manifest = await every.read_manifest(kept)
            assert manifest is not None
            older = msgspec.structs.replace(manifest, format=FORMAT - 1)
            await rewritten(nats_client, kept, "manifest", msgspec.json.encode(older))

    assert [one.name for one in await every.newest_first()] == [*names[:2:-1], names[1]]


async def test_what_a_killed_maker_left_is_no_snapshot_and_is_purged_by_the_next(
    nats_url: str, nats_client: Client
) -> None:
    """It had written its chunks, and no manifest."""
    await term_led(nats_url, nats_client)
    left = KeptSnapshot("00000000000000000002-dead", 2)
    await rewritten(nats_client, left, "0", b"half of one")

    assert (await booted(nats_client)).link.sequence == 0

    await snapshot_made(nats_client)

    info = await told_server(
        nats_client, f"STREAM.INFO.{SNAPSHOTS_STREAM}", subjects_filter=f"{PREFIX}>"
    )
    assert not any("dead" in subject for subject in info["state"]["subjects"])


@pytest.mark.parametrize("part", ["0", "manifest"])
async def test_a_damaged_one_is_passed_over_for_the_one_before(
    nats_url: str, nats_client: Client, part: str
) -> None:
    await term_led(nats_url, nats_client)
    first = await snapshot_made(nats_client)
    await term_led(nats_url, nats_client)
    second = await snapshot_made(nats_client)

    await rewritten(nats_client, second, part, b"damaged")

    assert (await booted(nats_client)).link.sequence == first.sequence

    await rewritten(nats_client, first, part, b"damaged")

    assert (await booted(nats_client)).link.sequence == 0


@pytest.mark.parametrize("later", [{"format": FORMAT + 1}, {"hash_version": HASH_VERSION + 1}])
async def test_one_of_a_later_version_is_passed_over(
    nats_url: str, nats_client: Client, later: dict[str, int]
) -> None:
    await term_led(nats_url, nats_client)
    first = await snapshot_made(nats_client)
    await term_led(nats_url, nats_client)
    second = await snapshot_made(nats_client)
    manifest = await SnapshotBucket(nats_client).read_manifest(second)
    assert manifest is not None

    of_later = msgspec.structs.replace(manifest, **later)
    await rewritten(nats_client, second, "manifest", msgspec.json.encode(of_later))

    assert (await booted(nats_client)).link.sequence == first.sequence


@pytest.mark.parametrize(
    "untrue",
    [{"state_hash": "0" * 64}, {"sha256": "0" * 64}, {"chunks": 2}, {"format": -1}],
    ids=["ledger", "bytes", "chunks", "format"],
)
async def test_one_that_is_not_what_its_manifest_says_is_passed_over(
    nats_url: str, nats_client: Client, untrue: dict[str, Any]
) -> None:
    await term_led(nats_url, nats_client)
    kept = await snapshot_made(nats_client)
    manifest = await SnapshotBucket(nats_client).read_manifest(kept)
    assert manifest is not None
    if "chunks" in untrue:
        await rewritten(nats_client, kept, "1", b"more")

    other = msgspec.structs.replace(manifest, **untrue)
    await rewritten(nats_client, kept, "manifest", msgspec.json.encode(other))

    assert (await booted(nats_client)).link.sequence == 0


async def test_one_of_another_log_is_passed_over(nats_url: str, nats_client: Client) -> None:
    """Its sequence is there, and has another envelope, or one of another subject."""
    await term_led(nats_url, nats_client)
    await snapshot_made(nats_client)
    await term_led(nats_url, nats_client)
    second = await snapshot_made(nats_client)
    await told_server(nats_client, f"STREAM.DELETE.{EVENT_STREAM}")
    await streams.migrate_streams(nats_client, 200_000_000)
    for number in range(1, second.sequence + 2):
        subject = "evt.keys" if number == second.sequence else SUBJECT
        await nats_client.request(subject, b"no envelope")

    assert (await booted(nats_client)).link.sequence == 0

    await told_server(nats_client, f"STREAM.DELETE.{EVENT_STREAM}")
    await streams.migrate_streams(nats_client, 200_000_000)
    link, writer = Link(), WriterId("another")
    for number in range(1, second.sequence + 2):
        elected = [LeaderElected(writer=writer, epoch=number)]
        stored = seal_events(link, writer, number, datetime.now(UTC), elected)
        link = link_to(number, stored, decode_envelope(stored))
        await nats_client.request(SUBJECT, stored)

    assert (await booted(nats_client)).link.sequence == 0


async def test_a_log_that_ends_before_a_snapshot_went_backwards(
    nats_url: str, nats_client: Client
) -> None:
    await term_led(nats_url, nats_client)
    await snapshot_made(nats_client)
    await told_server(nats_client, f"STREAM.DELETE.{EVENT_STREAM}")
    await streams.migrate_streams(nats_client, 200_000_000)

    async with pool(nats_url, lambda: settings(5)) as room:
        with pytest.raises(BrokenLogError, match=r"it went backwards\. Restore the log"):
            await room.task


async def test_a_log_that_begins_behind_every_good_snapshot_says_what_to_restore(
    nats_url: str, nats_client: Client
) -> None:
    await term_led(nats_url, nats_client)
    kept = await snapshot_made(nats_client)
    await term_led(nats_url, nats_client)
    await told_server(nats_client, f"STREAM.PURGE.{EVENT_STREAM}", seq=kept.sequence + 1)

    async with pool(nats_url, lambda: settings(5)) as room:
        with pytest.raises(BrokenLogError, match="restore the log from there on"):
            await room.task


async def test_a_log_that_does_not_begin_at_1_is_refused_without_a_snapshot(
    nats_url: str, nats_client: Client
) -> None:
    await term_led(nats_url, nats_client)
    await told_server(nats_client, f"STREAM.PURGE.{EVENT_STREAM}", seq=4)

    async with pool(nats_url, lambda: settings(5)) as room:
        with pytest.raises(BrokenLogError, match="restore what is missing"):
            await room.task


async def test_a_home_without_a_bucket_begins_with_the_log(
    nats_url: str, nats_client: Client
) -> None:
    await term_led(nats_url, nats_client)
    await told_server(nats_client, f"STREAM.DELETE.{SNAPSHOTS_STREAM}")

    with pytest.raises(NoBucketError, match="migrate"):
        await booted(nats_client)
    await term_led(nats_url, nats_client)

    assert await streams.migrate_streams(nats_client, 200_000_000) == [SNAPSHOTS_STREAM]
    await snapshot_made(nats_client)


async def test_no_snapshot_is_made_of_a_log_that_folds_otherwise_than_its_leader_had(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await term_led(nats_url, nats_client)
    monkeypatch.setattr("services.pool.snapshots.making.state_hash", lambda state: "other")

    with pytest.raises(UnfitError, match="its leader had"):
        await fold_log(nats_client, LOGGER)


async def test_a_long_one_lies_in_chunks(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_CHUNK_BYTES", 200)
    await term_led(nats_url, nats_client)
    kept = await snapshot_made(nats_client)

    manifest = await SnapshotBucket(nats_client).read_manifest(kept)

    assert manifest is not None
    assert manifest.chunks > 5
    assert (await booted(nats_client)).link.sequence == kept.sequence
