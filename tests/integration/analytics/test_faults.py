"""A damaged DuckDB file, or a file of another kind in its place: put aside, and made anew."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.analytics import NamedQuery, Rows
from runtime.environment import read_environment
from services.analytics import app
from services.analytics.domain.fold import RowBatch, RowFold
from services.analytics.folding import fold_batch
from services.analytics.sandbox.box import UnavailableError
from services.analytics.sql import sources
from services.analytics.store import (
    DamagedError,
    Database,
    LedgerWriter,
    LostError,
    QuestionError,
    Readers,
    StoreError,
    faults,
)
from tests.integration.analytics.parts import MEMORY, Running, publish, running, sandbox
from tests.integration.analytics.served import Load, asked, caught_up, service
from tests.integration.analytics.test_projector import crowd
from tests.moments import NOON
from tests.waiting import until
from tidegate.doctor import home as looking

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
Damage = Callable[[Path, Path], None]
TOTALS = NamedQuery(name="audit_totals")
_HEADERS = 12_288
_BLOCK = 262_144


def overwritten(start: int, size: int, *, log: bool = False) -> Damage:
    """Have random bytes in a place of the file, or of its write-ahead log."""

    def damage(file: Path, wal: Path) -> None:
        with (wal if log else file).open("r+b") as opened:
            opened.seek(start)
            opened.write(random.Random(start).randbytes(size))

    return damage


def every_block(file: Path, wal: Path) -> None:
    for start in range(_HEADERS, file.stat().st_size, _BLOCK):
        overwritten(start + 100, 64)(file, wal)


def replaced(body: bytes) -> Damage:
    return lambda file, _: (file.write_bytes(body), None)[1]


def folder(file: Path, _: Path) -> None:
    file.unlink()
    file.mkdir()


def folder_for_log(_: Path, wal: Path) -> None:
    wal.unlink()
    wal.mkdir()


def leading_nowhere(file: Path, _: Path) -> None:
    file.unlink()
    file.symlink_to("/nonexistent/file")


def of_sqlite(file: Path, wal: Path) -> None:
    file.unlink()
    wal.unlink()
    other = sqlite3.connect(file)
    other.execute("create table x (i)")
    other.commit()
    other.close()


def damage_by(*statements: str) -> Damage:
    """Have other tables than ours in it."""

    def damage(file: Path, _: Path) -> None:
        with duckdb.connect(str(file)) as opened:
            for statement in statements:
                opened.execute(statement)

    return damage


DAMAGES: dict[str, Damage] = {
    "a text": replaced(b"no DuckDB file"),
    "empty": replaced(b""),
    "cut in the header": lambda file, _: os.truncate(file, 100),
    "cut behind the headers": lambda file, _: os.truncate(file, _HEADERS + 1),
    "another magic": overwritten(8, 4),
    "main header": overwritten(20, 32),
    "both headers": overwritten(4096, 8192),
    "every block": every_block,
    "first bytes of the log": overwritten(12, 32, log=True),
    "middle of the log": overwritten(4000, 32, log=True),
    "a folder": folder,
    "a folder for its log": folder_for_log,
    "a link to nowhere": leading_nowhere,
    "a file of SQLite": of_sqlite,
    "migrations of another's": damage_by(
        "drop table ledger.migrations", "create table ledger.migrations (x integer)"
    ),
    "a table is gone": damage_by("drop table ledger.open_leases"),
    "the checkpoint is gone": damage_by("drop table ledger.progress"),
}


@pytest.fixture
async def home(nats_client: Client, nats_url: str, tmp_path: Path) -> Path:
    """A home whose file has the first leases, and its write-ahead log the last ones."""
    story = crowd(300)
    home = tmp_path / "home"
    await publish(nats_client, story)
    async with service(home, nats_url):
        await caught_up(nats_client, len(story.stored))
    before = len(story.stored)
    for stored in crowd(320).stored[before:]:
        await nats_client.request(stored.subject, stored.body, timeout=5)
    async with service(home, nats_url):
        await caught_up(nats_client, len(crowd(320).stored))
        for name in ("analytics.duckdb", "analytics.duckdb.wal"):
            shutil.copy(home / name, tmp_path / name)
    for name in ("analytics.duckdb", "analytics.duckdb.wal"):
        shutil.copy(tmp_path / name, home / name)
    return home


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damaged_file_is_put_aside_and_made_anew(
    nats_client: Client, nats_url: str, tmp_path: Path, home: Path, damage: Damage
) -> None:
    damage(home / "analytics.duckdb", home / "analytics.duckdb.wal")
    end = len(crowd(320).stored)

    async with service(home, nats_url):
        await caught_up(nats_client, end)
        made = await asked(nats_client, subjects.ANALYTICS_QUERY, TOTALS)
    shutil.rmtree(home / "sql", ignore_errors=True)
    async with running(nats_client, tmp_path / "straight.duckdb") as parts:
        await until(lambda: parts.projector.checkpoint == end)
        straight = parts.ask("select sum(granted), sum(settled) from usage_by_day")

    assert isinstance(made, Rows)
    rows = [dict(zip(made.columns, row, strict=True)) for row in made.rows]
    assert [[sum(row[f"leases_{name}"] for row in rows) for name in ("granted", "settled")]] == (
        straight.rows
    )
    aside = faults.files_aside(home / "analytics.duckdb")
    assert len(aside) == 1
    found = list(looking._damage_findings(read_environment({"TIDEGATE_HOME": str(home)})))
    assert [(one.code, one.state, aside[0].name in one.message) for one in found] == [
        ("analytics_damaged", "note", True)
    ]


async def test_intact_file_is_not_put_aside(nats_client: Client, nats_url: str, home: Path) -> None:
    async with service(home, nats_url):
        await caught_up(nats_client, len(crowd(320).stored))

    assert faults.files_aside(home / "analytics.duckdb") == []


HOLDS = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"


async def test_file_that_another_process_has_is_left_to_it(nats_url: str, home: Path) -> None:
    file = home / "analytics.duckdb"
    with subprocess.Popen(  # noqa: ASYNC220 (it only holds the file)
        [sys.executable, "-c", HOLDS, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with_user = nats_url.replace("://", "://analytics:none@")
        variables = {"TIDEGATE_HOME": str(home), "TIDEGATE_NATS_URL": with_user}

        with pytest.raises(StoreError, match="Conflicting lock") as caught:
            await app.run(asyncio.Event(), read_environment(variables), Load())

        holder.kill()

    assert not isinstance(caught.value, LostError)
    assert faults.files_aside(file) == []


async def test_file_that_a_new_one_is_no_better_than_stands_where_it_stood(
    nats_url: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = tmp_path / "spoiled"
    shutil.copytree(Path(sources.__file__).parent, spoiled)
    (spoiled / "schema" / "999_spoiled.sql").write_text("-- 999_spoiled: it.\nselect x from y")
    monkeypatch.setattr(sources, "_HERE", spoiled)
    file = home / "analytics.duckdb"
    before = file.stat().st_ino
    variables = {"TIDEGATE_HOME": str(home)}
    variables["TIDEGATE_NATS_URL"] = nats_url.replace("://", "://analytics:none@")

    for _ in range(2):
        with pytest.raises(StoreError, match=r"(?s)999_spoiled\.sql.*a new file is no better"):
            await app.run(asyncio.Event(), read_environment(variables), Load())

    assert file.stat().st_ino == before
    assert faults.files_aside(file) == []


async def test_file_that_duckdb_gave_up_is_opened_again(
    nats_client: Client, nats_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, failed = LedgerWriter.write_batch, []

    def given_up(self: LedgerWriter, batch: RowBatch, *, rehearsed: bool = False) -> int:
        if not failed and self._database.commits > 1:
            failed.append(batch.sequence)
            fatal = duckdb.FatalException("FATAL Error: database has been invalidated")
            raise self._database.note_failure(fatal)
        return whole(self, batch, rehearsed=rehearsed)

    monkeypatch.setattr(LedgerWriter, "write_batch", given_up)
    log, end = crowd(340).stored, len(crowd(320).stored)
    async with service(home, nats_url):
        for stored in log[end : end + 4]:
            await nats_client.request(stored.subject, stored.body, timeout=5)
            await caught_up(nats_client, stored.sequence)

    assert failed
    assert faults.files_aside(home / "analytics.duckdb") == []


def test_question_that_meets_damage_tells_the_projector(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    database = Database(file, MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    ledger.write_batch(fold_batch(RowFold(), crowd(2000).stored, lambda *_: None))
    database.force_checkpoint()
    database.close()
    told = []
    for start in range(_HEADERS, file.stat().st_size, _BLOCK):
        damaged = tmp_path / f"{start}.duckdb"
        shutil.copy(file, damaged)
        overwritten(start + 100, 64)(damaged, damaged)
        try:
            opened = Database(damaged, MEMORY)
        except DamagedError:
            continue
        readers = Readers(opened, lambda: NOON, 5.0)
        for table in ("requests", "leases", "attempts", "refusals"):
            try:
                readers.ask_rows(f"select max(hash({table})) from ledger.{table}", 1)
            except QuestionError:
                told.append(opened.fault)
        opened.close()

    assert told
    assert all(isinstance(fault, DamagedError) for fault in told)


async def test_damage_that_a_question_met_ends_the_projection(
    nats_client: Client, tmp_path: Path
) -> None:
    parts = Running(nats_client, tmp_path / "a.duckdb")
    parts.database.fault = DamagedError("a question met it")
    try:
        with pytest.raises(DamagedError):
            await parts.projector.run()
    finally:
        await parts.projector.close()
        parts.database.close()


def test_strangers_question_that_meets_damage_tells_the_projector(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    database = Database(file, MEMORY)
    ledger = LedgerWriter(database)
    ledger.begin_anew("a stream")
    ledger.write_batch(fold_batch(RowFold(), crowd(2000).stored, lambda *_: None))
    database.force_checkpoint()
    words = (
        "select error('Corrupt database file: computed checksum 1 does not match stored checksum')"
    )

    with sandbox(database, tmp_path / "sql") as box:
        with pytest.raises(QuestionError, match="computed checksum"):
            box.ask_statement(words, 1, 1000)
        own_words = database.fault
    every_block(file, file)
    with sandbox(database, tmp_path / "sql") as box:
        with pytest.raises((QuestionError, UnavailableError), match="Corrupt database file"):
            box.ask_statement("select max(hash(leases)) from ledger.leases", 1, 1000)
        met = database.fault
    database.close()

    assert own_words is None
    assert isinstance(met, DamagedError)


def test_questions_own_words_are_no_damage() -> None:
    assert (
        faults.reading_damage("Conversion Error: Corrupt database file: computed checksum 1")
        is None
    )


def test_newest_three_are_kept_and_folders_are_not_removed(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    file.mkdir()
    faults.put_file_aside(file, NOON)
    for second in range(1, 6):
        file.write_bytes(b"damaged")
        file.with_name("a.duckdb.wal").write_bytes(b"log")
        faults.put_file_aside(file, NOON.replace(second=second))

    kept = faults.files_aside(file)

    assert [one.is_dir() for one in kept] == [True, False, False, False]
    assert len(list(tmp_path.iterdir())) == 7
