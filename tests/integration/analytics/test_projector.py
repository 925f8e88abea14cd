"""The log into DuckDB: once each, whatever happens to the log or the process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest
from nats.aio.client import Client

from contracts.pool import Outcome
from runtime.eventlog import Stored
from runtime.nats import streams
from services.analytics import folding
from services.analytics.domain.fold import RowBatch
from services.analytics.store import Database, LedgerWriter, Readers, StoreError
from tests import ROOT
from tests.integration.analytics.parts import MEMORY, Running, checkpoint, named, publish, running
from tests.moments import NOON
from tests.unit.analytics.builders import (
    Story,
    cancelled,
    expired,
    policy,
    reconciled,
    refused,
    requested,
    server_added,
    session,
    used,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio


def crowd(leases: int, sessions: int = 7) -> Story:
    """Leases on several sessions, with every kind of end, some open, two events an envelope."""
    story = Story().tell(policy(), *[session(f"s{n}") for n in range(sessions)])
    for number in range(leases):
        name, request = f"s{number % sessions}", f"r{number}"
        story.lease(request, session_id=name)
        match number % 8:
            case 0:
                story.tell(used(request, Outcome.UNKNOWN, session_id=name))
                story.tell(reconciled(request, number % 2))
            case 1:
                story.tell(expired(request)).tell(used(request, session_id=name))
            case 2:
                story.tell(expired(request))
            case 3:
                story.tell(cancelled(request), requested(f"x{number}"), refused(f"x{number}"))
            case 4:
                story.tell(used(request, Outcome.RELEASED, session_id=name))
            case 5:
                pass
            case _:
                story.tell(used(request, session_id=name))
    return story


def unready(parts: Running) -> str:
    return parts.projector.freshness.unready_reason() or ""


def rebuilding(parts: Running) -> str:
    return parts.projector.freshness.rebuild_reason or ""


async def test_what_is_appended_while_it_runs_is_projected(
    nats_client: Client, tmp_path: Path
) -> None:
    story = Story().tell(session()).lease("r1", used("r1"))
    await publish(nats_client, story)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        before = len(story.stored)
        story.lease("r2", used("r2"))
        await publish(nats_client, story, after=before)
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        found = parts.ask("select sum(usage_count) from session_usage")

    assert found.rows == [[2]]
    assert found.sequence == len(story.stored)


async def test_restarted_projector_goes_on_from_its_checkpoint(
    nats_client: Client, tmp_path: Path
) -> None:
    story = Story().tell(session()).lease("r1").lease("r2", expired("r2"))
    await publish(nats_client, story)
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
    before = len(story.stored)
    story.tell(used("r1")).tell(used("r2", Outcome.RELEASED))
    await publish(nats_client, story, after=before)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        leases = parts.ask(
            "select lease_id, outcome, correction, units_used from leases order by 1"
        )
        events = parts.ask("select events from progress")

    assert leases.rows == [["r1.1", "settled", "", 1], ["r2.1", "released", "usage", 0]]
    assert events.rows == [[sum(len(one.events) for _, _, one in story.envelopes())]]


async def test_each_event_lands_once_however_often_the_process_is_killed(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    """A process is killed three times as it writes; a file made without a stop has the same."""
    story = crowd(2400)
    home = tmp_path / "home"
    reached = []
    part = len(story.stored) // 3
    for turn, delay in enumerate((0.0, 0.05, 0.15)):
        end = len(story.stored) if turn == 2 else (turn + 1) * part
        for stored in story.stored[turn * part : end]:
            await nats_client.publish(stored.subject, stored.body)
        process = start(home, nats_url)
        await asyncio.to_thread(projecting, process)
        await asyncio.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)
        reached.append(checkpoint(home / "analytics.duckdb"))
    async with running(nats_client, home / "analytics.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        totals = named(parts.readers, "audit_totals")
        differing = named(parts.readers, "audit_rollups")
        counted = parts.ask(
            "select (select events from progress), (select count(*) from leases),"
            " (select count(*) from attempts), (select count(*) from refusals)"
        )
    async with running(nats_client, tmp_path / "straight.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))

        assert named(parts.readers, "audit_totals") == totals

    assert reached == sorted(reached)
    assert differing == []
    assert counted.rows == [
        [sum(len(one.events) for _, _, one in story.envelopes()), 2400, 1500, 300]
    ]


def start(home: Path, nats_url: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tests.integration.analytics.process",
        str(home),
        nats_url,
        "0",
    ]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def projecting(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has begun to read the log."""
    assert process.stderr is not None
    for line in process.stderr:
        if b'"projecting"' in line:
            return
    raise AssertionError("it ended before it projected anything")


async def test_missing_piece_of_the_log_is_named_and_not_passed_over(
    nats_client: Client, tmp_path: Path
) -> None:
    story = crowd(20)
    await publish(nats_client, story)
    await nats_client.jetstream().purge_stream("EVT", seq=11)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: "missing" in unready(parts))

        assert "log sequences 1 to 10 are missing" in unready(parts)
        assert parts.ask("from leases").rows == []


async def test_hole_behind_the_first_message_is_found_while_reading(
    nats_client: Client, tmp_path: Path
) -> None:
    story = Story().tell(session(), subject="evt.keys")
    story.lease("r1", used("r1")).lease("r2", used("r2"))
    await publish(nats_client, story)
    await nats_client.jetstream().purge_stream("EVT", subject="evt.pool.0", keep=2)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: "missing" in unready(parts))

        assert "log sequences 2 to 3 are missing" in unready(parts)


async def test_another_stream_makes_it_begin_anew(nats_client: Client, tmp_path: Path) -> None:
    story = crowd(10)
    await publish(nats_client, story)
    other = Story().tell(session("other")).lease("r1", used("r1", session_id="other"))

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        await nats_client.jetstream().delete_stream("EVT")
        await streams.migrate_streams(nats_client, 200_000_000)
        await publish(nats_client, other)
        await until(lambda: parts.projector.checkpoint == len(other.stored))
        found = parts.ask("select session_id from sessions")

    assert found.rows == [["other"]]
    assert parts.metrics.rebuilds._value.get() == 2


@pytest.mark.parametrize("body", [b"no envelope", b'{"writer":"\xff"}'])
async def test_envelope_nobody_can_read_is_skipped_and_counted(
    nats_client: Client, tmp_path: Path, body: bytes
) -> None:
    await nats_client.request("evt.pool.0", body, timeout=5)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == 1)
        found = parts.ask("select tag, events from unknown_tags")
        caught_up = parts.projector.freshness.unready_reason()

    assert found.rows == [["(unreadable envelope)", 1]]
    assert caught_up is None


async def test_it_is_not_ready_while_the_log_is_out_of_reach(
    nats_client: Client, tmp_path: Path
) -> None:
    await nats_client.jetstream().delete_stream("EVT")

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: "cannot be reached" in unready(parts))
        await streams.migrate_streams(nats_client, 200_000_000)
        await until(lambda: parts.projector.freshness.unready_reason() is None)


async def test_log_lost_while_it_runs_is_told_and_survived(
    nats_client: Client, tmp_path: Path
) -> None:
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.freshness.unready_reason() is None)
        await nats_client.jetstream().delete_stream("EVT")
        await until(lambda: "cannot be reached" in unready(parts))
        await streams.migrate_streams(nats_client, 200_000_000)
        await publish(nats_client, Story().tell(session()))
        await until(lambda: not unready(parts) and parts.projector.checkpoint == 1)


async def test_batch_that_fails_is_taken_again_whole(nats_client: Client, tmp_path: Path) -> None:
    story = crowd(10)
    await publish(nats_client, story)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        # DuckDB itself refuses the next batch: the table it needs is not there for a while.
        spoiler = parts.database.cursor()
        spoiler.execute("alter table ledger.attempts rename to elsewhere")
        before = len(story.stored)
        story.lease("late", used("late", session_id="s1"))
        await publish(nats_client, story, after=before)
        await until(lambda: "cannot be written" in unready(parts))
        half_done = parts.ask("select count(*) from leases where request_id = 'late'").rows
        spoiler.execute("alter table ledger.elsewhere rename to attempts")
        spoiler.close()
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        found = parts.ask("select count(*) from leases where request_id = 'late'").rows

    assert half_done == [[0]]
    assert found == [[1]]


async def test_file_of_a_dead_process_opens_again(tmp_path: Path, nats_url: str) -> None:
    del nats_url
    Database(tmp_path / "a.duckdb", MEMORY).close()
    database = Database(tmp_path / "a.duckdb", MEMORY)

    assert database.migrated == []
    assert Readers(database, lambda: NOON, 1.0).ask_rows("from sessions", 1).rows == []
    database.close()


async def test_an_envelope_without_events_moves_the_checkpoint_and_nothing_else(
    nats_client: Client, tmp_path: Path
) -> None:
    story = Story().tell(policy(), session()).tell().lease("r1", used("r1")).tell()
    await publish(nats_client, story)
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))

        assert parts.ask("select count(*) from leases").rows == [[1]]
        assert parts.ask("select count(*) from anomalies").rows == [[0]]


async def test_while_it_begins_anew_it_says_so_with_its_progress_and_not_after(
    nats_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = crowd(10)
    await publish(nats_client, story)
    written = LedgerWriter.write_batch
    go_on = threading.Event()

    def held(ledger: LedgerWriter, batch: RowBatch) -> int:
        go_on.wait(30)
        return written(ledger, batch)

    monkeypatch.setattr(LedgerWriter, "write_batch", held)
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        assert "has not been read yet" in rebuilding(parts)
        await until(lambda: "nothing is projected" in rebuilding(parts))
        assert f"at log sequence 0 of {len(story.stored)} (0%)" in rebuilding(parts)
        assert parts.projector.freshness.lag == len(story.stored)
        go_on.set()
        await until(lambda: parts.projector.freshness.rebuild_reason is None)
        assert parts.projector.checkpoint == len(story.stored)

    # A file that has been projected answers at once, and says how far behind it is.
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.freshness.rebuild_reason is None)


async def test_what_was_begun_anew_and_broken_off_is_not_whole_before_its_end(
    nats_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = crowd(10)
    await publish(nats_client, story)
    monkeypatch.setattr(folding, "_BATCH_ENVELOPES", 2)
    written, broken = LedgerWriter.write_batch, [True]

    def full(ledger: LedgerWriter, batch: RowBatch) -> int:
        if batch.sequence > 2 and broken[0]:
            raise StoreError("no space left")
        return written(ledger, batch)

    monkeypatch.setattr(LedgerWriter, "write_batch", full)
    for _ in ("begun", "a process that goes on with it"):
        async with running(nats_client, tmp_path / "a.duckdb") as parts:
            await until(lambda: "no space left" in unready(parts))
            assert "at log sequence 2 of" in rebuilding(parts)
            # It takes its stand again, with rows in the file, and is no wiser.
            await until(lambda: parts.metrics.failures._value.get() > 1)
            assert "at log sequence 2 of" in rebuilding(parts)
    broken[0] = False
    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))

        assert parts.projector.freshness.rebuild_reason is None


STRAYS = "select event_id, reason from anomalies where kind = 'set_aside' order by sequence"
BEFORE_CHAINS = (
    "drop table ledger.chains",
    "delete from ledger.migrations where name = '007_chains'",
)


async def strayed(client: Client, *stored: Stored) -> None:
    """Have what stands in the log come into it once more."""
    for one in stored:
        await client.request(one.subject, one.body, timeout=5)


@pytest.mark.parametrize("back", [(), BEFORE_CHAINS], ids=["as it is", "of an older version"])
async def test_a_stray_counts_nowhere_though_the_projector_began_again(
    nats_client: Client, tmp_path: Path, back: tuple[str, ...]
) -> None:
    story = Story().tell(policy(), session()).lease("r1", used("r1", units=1))
    await publish(nats_client, story)
    path = tmp_path / "a.duckdb"
    async with running(nats_client, path) as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        before = parts.ask("from usage_by_day")
    with duckdb.connect(str(path)) as old:
        for statement in back:
            old.execute(statement)
    foreign = Story().tell(session()).lease("r2", used("r2"))
    await strayed(nats_client, story.stored[1], foreign.stored[1], foreign.stored[2])

    async with running(nats_client, path) as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored) + 3)
        strays, after = parts.ask(STRAYS), parts.ask("from usage_by_day")
        await publish(nats_client, story.lease("r3", used("r3")), after=3)
        await until(lambda: parts.projector.checkpoint == len(story.stored) + 3)
        leases = parts.ask("select lease_id, outcome from leases order by 1")

    assert [event for event, _ in strays.rows] == ["4.-1", "5.-1", "6.-1"]
    assert strays.rows[0][1] == "(stray envelope): number 2 was there already: the last is 3"
    assert before.rows == after.rows
    assert leases.rows == [["r1.1", "settled"], ["r3.1", "settled"]]


async def test_an_older_file_whose_numbers_nobody_knows_takes_the_next_ones(
    nats_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.analytics.projector.NUMBERS_WITHIN", 2)
    path = tmp_path / "a.duckdb"
    story = Story().tell(policy(), session()).tell(session("s2"))
    for number in range(3):
        story.tell(server_added(f"server-{number}"), subject="evt.balancer")
    await publish(nats_client, story)
    async with running(nats_client, path) as parts:
        await until(lambda: parts.projector.checkpoint == len(story.stored))
    with duckdb.connect(str(path)) as old:
        for statement in BEFORE_CHAINS:
            old.execute(statement)

    async with running(nats_client, path) as parts:
        await publish(nats_client, story.tell(session("s3")), after=5)
        await until(lambda: parts.projector.checkpoint == len(story.stored))
        strays, sessions = parts.ask(STRAYS), parts.ask("select count(*) from sessions")
        numbers = parts.database.cursor().execute("from ledger.chains order by 1").fetchall()

    assert (strays.rows, sessions.rows) == ([], [[3]])
    assert numbers == [("evt.balancer", 3), ("evt.pool.0", 3)]


async def test_projector_that_owes_a_batch_for_long_says_that_it_stands_still(
    nats_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.analytics.freshness._STILL_S", 0.0)
    monkeypatch.setattr("services.analytics.projector._WATCH_EVERY_S", 0.05)
    go_on = threading.Event()
    whole = LedgerWriter.write_batch

    def slow(self: LedgerWriter, batch: RowBatch, *, rehearsed: bool = False) -> int:
        go_on.wait(20)
        return whole(self, batch, rehearsed=rehearsed)

    async with running(nats_client, tmp_path / "a.duckdb") as parts:
        await until(lambda: parts.projector.freshness.unready_reason() is None)
        monkeypatch.setattr(LedgerWriter, "write_batch", slow)
        await publish(nats_client, Story().tell(session()))
        await until(lambda: parts.projector.freshness.unready_reason() is not None)
        told = parts.projector.freshness.unready_reason()
        go_on.set()
        await until(lambda: parts.projector.freshness.unready_reason() is None)

    assert told == "standing still at log sequence 0 of 1"
