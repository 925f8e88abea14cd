"""`tidegate audit` on a real log: what is wrong is named, nothing else."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
import nats
import pytest
from nats.aio.client import Client

from contracts import envelope
from contracts.base import KeyId, LeaderElected, WriterId
from contracts.gateway import KeyIssued, Scope
from contracts.pool import Verdict
from contracts.subjects import EVT_BALANCER, EVT_KEYS, evt_pool
from runtime.eventlog import EventLog, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from tests import ROOT
from tests.integration.tidegate.written import Written
from tests.unit.pool.builders import (
    AVATAR,
    IMAGE,
    LEADER,
    NOON,
    after,
    lease_granted,
    session_added,
    session_requested,
    usage,
)
from tidegate.console.errors import CommandError

pytestmark = pytest.mark.anyio


def kinds(report: dict[str, Any]) -> list[str]:
    return [violation["kind"] for violation in report["violations"]]


async def test_a_clean_log_is_audited_with_exit_0(written: Written) -> None:
    lease = lease_granted("one", IMAGE, "r1")
    await written.write([lease])
    sequence = await written.write([usage(lease)], 5)

    report = await written.audit("--log-only")

    assert (report["exit"], report["violations"]) == (0, [])
    assert (report["envelopes"], report["events"], report["leases"]) == (4, 5, 1)
    assert (report["sequence"], report["duckdb"]) == (sequence, "not compared")
    assert [(row["session_id"], row["used"], row["settled"]) for row in report["totals"]] == [
        ("one", 1, 1)
    ]


async def test_envelopes_without_events_prove_that_a_leader_can_write_and_are_no_violation(
    written: Written,
) -> None:
    lease = lease_granted("one", IMAGE, "r1")
    await written.write([])
    await written.write([lease])
    await written.write([], 5)
    await written.write([usage(lease)], 10)
    sequence = await written.write([], 3600)

    report = await written.audit("--log-only")

    assert (report["exit"], report["violations"]) == (0, [])
    assert (report["envelopes"], report["events"], report["leases"]) == (7, 5, 1)
    assert report["sequence"] == sequence


async def test_a_changed_envelope_breaks_the_chain_where_it_was_changed(written: Written) -> None:
    lease = lease_granted("one", IMAGE, "r1")
    await written.write([lease])
    number, wrong_hash = written.pool.link.number, written.pool.link.hash[::-1]
    link = envelope.Link(written.pool.link.sequence, number, wrong_hash, 1, after(0))
    await written.publish(envelope.seal_events(link, LEADER, 1, after(5), [usage(lease)]))

    report = await written.audit("--log-only")

    assert report["exit"] == 1
    assert kinds(report) == ["chain_broken"]
    assert report["violations"][0]["event"] == "4"
    assert report["violations"][0]["subject"] == "evt.pool.0"


async def test_a_missing_envelope_is_named_by_the_number_after_it(written: Written) -> None:
    link = written.pool.link
    gone = envelope.Link(link.sequence, link.number + 1, link.hash, 1, after(0))
    await written.publish(envelope.seal_events(gone, LEADER, 1, after(5), [session_added("two")]))

    report = await written.audit("--log-only")

    assert (report["exit"], kinds(report)) == (1, ["number_missing"])


async def test_an_oversold_grant_is_named_with_its_event(written: Written) -> None:
    await written.write([lease_granted("one", AVATAR, "r1")])
    sequence = await written.write([session_added("two"), lease_granted("one", AVATAR, "r2")], 1)

    report = await written.audit("--log-only")

    assert report["exit"] == 1
    assert "oversold" in kinds(report)
    oversold = next(found for found in report["violations"] if found["kind"] == "oversold")
    assert (oversold["event"], oversold["about"]) == (f"{sequence}.1", "r2.1")


async def test_a_lease_without_an_end_is_named(written: Written) -> None:
    await written.write([lease_granted("one", IMAGE, "r1")])
    await written.write([session_added("two")], 1000)
    await written.write([session_added("three")], 1100)

    report = await written.audit("--log-only")

    assert (report["exit"], kinds(report)) == (1, ["never_ended"])
    assert report["violations"][0]["about"] == "r1.1"


async def test_bytes_that_are_no_envelope_are_named_and_the_audit_goes_on(written: Written) -> None:
    await written.publish(b"not json")
    await written.publish(b'{"v": 1}', EVT_KEYS)

    report = await written.audit("--log-only")

    assert (report["exit"], kinds(report)) == (1, ["not_an_envelope"] * 2)
    assert [found["event"] for found in report["violations"]] == ["3", "4"]


async def test_the_chains_of_balancer_and_keys_are_audited_too(written: Written) -> None:
    log, writer = EventLog(written.client), WriterId("w")
    keys = SubjectWriter(log, EVT_KEYS, writer)
    issued = KeyIssued(key_id=KeyId("k"), key_hash="00", name="n", scope=Scope.ADMIN)
    await keys.append_events([issued], NOON)
    balancer = SubjectWriter(log, EVT_BALANCER, writer)
    balancer.epoch = 2
    await balancer.append_events([LeaderElected(writer=writer, epoch=2)], NOON)

    assert (await written.audit("--log-only"))["violations"] == []

    for chain in (keys, balancer):
        forged = envelope.Link(0, 5, chain.link.hash, chain.epoch, NOON)
        await written.publish(
            envelope.seal_events(forged, writer, chain.epoch, NOON, []), chain.subject
        )
    report = await written.audit("--log-only")

    assert report["exit"] == 1
    assert [(found["subject"], found["kind"]) for found in report["violations"]] == [
        (EVT_KEYS, "number_missing"),
        (EVT_BALANCER, "number_missing"),
    ]


async def test_a_log_whose_beginning_was_purged_is_said_to_be_truncated(written: Written) -> None:
    await written.client.jetstream().purge_stream("EVT", seq=2)

    report = await written.audit("--log-only")

    assert report["exit"] == 1
    assert kinds(report)[:2] == ["log_truncated", "number_missing"]


async def test_an_empty_log_has_no_violation(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    url = nats_url.replace("://", "://auditor:pw@")
    empty = Written(nats_client, url, tmp_path, SubjectWriter(EventLog(nats_client), "", LEADER))

    report = await empty.audit("--log-only")

    assert (report["exit"], report["envelopes"], report["totals"]) == (0, 0, [])


async def test_analytics_that_do_not_answer_are_an_error(written: Written) -> None:
    report = await written.audit()

    assert report["exit"] == 1
    assert report["violations"] == []
    assert "--log-only" in report["duckdb"]


async def test_people_are_told_each_violation_in_a_line(written: Written) -> None:
    await written.write([lease_granted("one", AVATAR, "r1")])
    await written.write([lease_granted("one", AVATAR, "r2")], 1)

    code, out, _ = await written.run("audit", "--log-only")

    assert code == 1
    assert "oversold at 4.0 (evt.pool.0) r2.1: 1 + 1 units of 1 on 2025-03-01" in out
    assert "DuckDB: not compared" in out


async def test_a_log_that_is_not_there_is_an_error(nats_url: str, tmp_path: Path) -> None:
    client = await nats.connect(nats_url)
    url = nats_url.replace("://", "://auditor:pw@")
    bare = Written(client, url, tmp_path, SubjectWriter(EventLog(client), "", LEADER))

    for verb in ("audit", "replay"):
        with pytest.raises(CommandError, match="the event log cannot be read"):
            await bare.run(verb)
    await client.close()


async def test_a_projection_beyond_the_end_of_the_log_is_named(written: Written) -> None:
    async with analytics(written):
        assert (await written.audit())["duckdb"] == "agrees"
        await written.client.jetstream().delete_stream("EVT")
        await streams.migrate_streams(written.client, 200_000_000)
        report = await written.audit()

    assert (report["exit"], report["duckdb"]) == (1, "differs")
    assert kinds(report) == ["log_cut_off"]


async def test_a_home_without_nats_is_refused_with_exit_2(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tidegate.main",
        "audit",
        env={**os.environ, "TIDEGATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"TIDEGATE_NATS_URL" in err


@asynccontextmanager
async def analytics(written: Written) -> AsyncIterator[None]:
    """Run the real analytics over that log, from where its DuckDB stands."""
    port = natsserver.free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tidegate.main",
        "analytics",
        env={
            **os.environ,
            **written.environment,
            "PYTHONPATH": str(ROOT),
            "TIDEGATE_HEALTH_PORT": str(port),
        },
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        await asyncio.to_thread(natsserver.wait_for_port, f"http://127.0.0.1:{port}", 30)
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_what_duckdb_has_no_row_for_is_told_and_is_no_violation(written: Written) -> None:
    endless, lease = session_requested(units=2**63), lease_granted("one", IMAGE, "r1")
    sequence = await written.write([endless, lease])
    await written.write([usage(lease)], 5)
    async with analytics(written):
        report = await written.audit()
        _, shown, _ = await written.run("audit")

    assert (report["exit"], report["duckdb"], report["violations"]) == (0, "agrees", [])
    (first,) = report["set_aside_first"]
    assert (report["set_aside"], first["event"]) == (1, f"{sequence}.0")
    assert first["reason"].startswith("session_requested: units: a number of 19 digits")
    assert f"1 event has no row in DuckDB, and no place in a figure:\n  {sequence}.0: " in shown


async def test_duckdb_agrees_with_the_fold_until_somebody_changes_it(written: Written) -> None:
    settled, unknown = lease_granted("one", IMAGE, "r1"), lease_granted("one", IMAGE, "r2")
    await written.write([settled, unknown, lease_granted("one", AVATAR, "r3")])
    await written.write([usage(settled), usage(unknown, Verdict.OUTCOME_UNKNOWN)], 5)
    async with analytics(written):
        honest = await written.audit()
    with duckdb.connect(written.home / "analytics.duckdb") as database:
        database.execute("update ledger.usage_by_day set units_settled = units_settled - 1")
    async with analytics(written):
        changed = await written.audit()

    assert (honest["exit"], honest["duckdb"], honest["violations"]) == (0, "agrees", [])
    assert (changed["exit"], changed["duckdb"]) == (1, "differs")
    assert set(kinds(changed)) == {"duckdb_differs", "duckdb_rollup_differs"}
    image = next(found for found in changed["violations"] if "image" in found["message"])
    assert "1 used instead of 2, 0 settled instead of 1" in image["message"]


async def test_a_stray_is_named_and_counted_by_nobody(written: Written) -> None:
    """A foreign envelope and a repeated one lie amid the leader's: nobody counts them."""
    lease = lease_granted("one", IMAGE, "r1")
    before = written.pool.link
    await written.write([lease])
    await written.write([usage(lease)], 5)
    foreign = [session_added("two"), lease_granted("two", IMAGE, "r2")]
    await written.publish(envelope.seal_events(before, WriterId("foreign"), 1, after(1), foreign))
    stored = [
        one
        async for batch in EventLog(written.client).read_range(evt_pool(), 0, 5)
        for one in batch
    ]
    await written.publish(stored[1].body)
    written.pool.note_stored(Stored(6, after(0), evt_pool(), stored[1].body))
    await written.write([lease_granted("one", IMAGE, "r3")], 10)
    async with analytics(written):
        report = await written.audit()
    _, replayed, _ = await written.run("replay", "--json")

    found = [(one["kind"], one["event"]) for one in report["violations"]]
    assert found == [("number_repeated", "5"), ("number_repeated", "6")]
    assert (report["exit"], report["duckdb"], report["set_aside"]) == (1, "agrees", 2)
    assert (report["envelopes"], report["leases"]) == (7, 2)
    used = [(row["session_id"], row["used"], row["reserved"]) for row in report["totals"]]
    assert used == [("one", 1, 1)]
    state = json.loads(replayed)
    assert (state["strays"], state["violations"], state["leases"]) == (
        2,
        0,
        {"open": 1, "settled": 1},
    )
