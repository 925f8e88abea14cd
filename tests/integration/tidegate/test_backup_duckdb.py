"""DuckDB in a backup: at the log's own end, bound to the log it comes back with, or left out."""

import asyncio
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from services.analytics.store import Database
from tests.e2e.stack import Stack
from tests.integration.analytics.parts import MEMORY, checkpoint, named, running
from tests.integration.tidegate.backup_parts import (
    altered_backup,
    connected,
    seal,
    source_of,
    take_backup,
)
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("backup-duckdb")]
END = 11
"""The last sequence of the log that is backed up."""
PART = "analytics.duckdb"


def altered(backup: Path, copy: Path, *statements: str) -> Path:
    """Copy a backup whose DuckDB says something else, and whose manifest says that it does."""
    file = copy.with_suffix(".duckdb")
    shutil.copyfile(backup / PART, file)
    with duckdb.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    return altered_backup(backup, copy, PART, file.read_bytes())


def refused_restore(stack: Stack, backup: Path, *options: str) -> str:
    """Have a restore refused; why. Nothing was moved in."""
    done = stack.tidegate("restore", str(backup), *options)
    assert done.returncode == 1, done.stdout
    assert not (stack.home / "nats").exists()
    assert not (stack.home / "restoring-duckdb").exists()
    return done.stderr


# ------------------------------------------------------------------------------ taken


def test_duckdb_stands_where_the_log_of_its_backup_ends(backup: Path, tmp_path: Path) -> None:
    copy = shutil.copyfile(backup / PART, tmp_path / PART)

    assert checkpoint(copy) == END
    assert not [path for path in backup.iterdir() if PART in path.name and path.name != PART]


def test_duckdb_is_left_out_when_it_is_not_wanted(source: Stack, tmp_path: Path) -> None:
    done = source.tidegate("backup", str(tmp_path / "taken"), "--without-duckdb", "--json")
    report = json.loads(done.stdout)

    assert (done.returncode, report["duckdb"]) == (0, "rebuilt from the log, if that is whole")
    assert report["elsewhere"][PART] == "it was to be left out"
    assert not (tmp_path / "taken" / PART).exists()


def test_a_configuration_that_is_refused_is_no_reason_to_have_no_backup(
    source: Stack, tmp_path: Path
) -> None:
    valid = (source.home / "tidegate.toml").read_text()
    source.configure("[analytics]\nmemory = '1MB'\n")
    try:
        path = take_backup(source, tmp_path / "taken")
    finally:
        source.configure(valid)

    assert (path / PART).exists()


@pytest.mark.parametrize("subject", ["", "evt.pool.0"])
def test_a_log_with_a_hole_is_backed_up_without_duckdb(
    empty: Stack, tmp_path: Path, subject: str
) -> None:
    """A hole at its beginning, or behind its first envelopes: nothing can be projected past it."""

    async def purge() -> None:
        async with connected(empty, "archiver") as client:
            await client.jetstream().purge_stream("EVT", seq=5, subject=subject or None)

    with source_of(tmp_path / "purged") as purged:
        empty.environment |= {"TIDEGATE_HOME": str(purged.home)}
        asyncio.run(purge())
        done = purged.tidegate("backup", str(tmp_path / "taken"), "--json")
        report = json.loads(done.stdout)
    empty.environment |= {"TIDEGATE_HOME": str(empty.home)}
    restored = empty.tidegate("restore", str(tmp_path / "taken"), "--json")

    first = 2 if subject else 1
    assert f"log sequences {first} to 4 are missing" in report["elsewhere"][PART]
    assert not [one for one in report["wrong"] if PART in one]
    assert sorted(path.name for path in (tmp_path / "taken").glob(f"*{PART}*")) == []
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["duckdb"] == "rebuilt from the log, if that is whole"
    assert not (empty.home / PART).exists()


def test_a_duckdb_that_cannot_be_written_costs_no_backup(
    source: Stack, empty: Stack, tmp_path: Path
) -> None:
    """No file may grow past what the log's snapshot needs."""
    done = subprocess.run(
        [sys.executable, "-m", "tidegate.main", "backup", str(tmp_path / "taken"), "--json"],
        env=source.environment,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=source.home,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    report = json.loads(done.stdout)
    restored = empty.tidegate("restore", str(tmp_path / "taken"))

    assert done.returncode == 1
    assert [one for one in report["wrong"] if one.startswith(f"{PART}: ")] == report["wrong"] != []
    assert restored.returncode == 0, restored.stderr


# ------------------------------------------------------------------------------ put back


@pytest.mark.anyio
async def test_analytics_goes_on_from_what_came_back(backup: Path, empty: Stack) -> None:
    done = empty.tidegate("restore", str(backup), "--json")
    empty.start_nats()

    assert json.loads(done.stdout)["duckdb"] == f"at sequence {END}"
    assert (empty.home / PART).stat().st_mode & 0o777 == 0o600
    async with connected(empty, "analytics") as client:
        async with running(client, empty.home / PART) as parts:
            await until(lambda: parts.projector.freshness.unready_reason() is None)
            kept = named(parts.readers, "audit_totals")
            rebuilds = parts.metrics.rebuilds._value.get()
            projected = parts.metrics.envelopes._value.get()
        async with running(client, empty.home / "straight.duckdb") as straight:
            await until(lambda: straight.projector.checkpoint == END)

            assert named(straight.readers, "audit_totals") == kept
    assert kept
    assert (rebuilds, projected) == (0, 0)


def test_a_backup_of_before_there_was_such_a_part_is_restored(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    old = shutil.copytree(backup, tmp_path / "old")
    (old / PART).unlink()
    manifest: dict[str, Any] = json.loads((old / "manifest.json").read_text())
    manifest["parts"] = [part for part in manifest["parts"] if part["name"] != PART]
    seal(old, manifest)

    done = empty.tidegate("restore", str(old))
    checked = empty.tidegate("restore", str(old), "--check")

    assert (done.returncode, checked.returncode) == (0, 0), done.stderr
    assert "DuckDB: rebuilt from the log" in done.stdout
    assert not (empty.home / PART).exists()


def test_a_duckdb_of_another_moment_is_not_put_in(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    other = altered(backup, tmp_path / "other", "update ledger.progress set sequence = 7")

    why = refused_restore(empty, other)
    without = empty.tidegate("restore", str(other), "--without-duckdb")

    assert f"{PART} stands at sequence 7 of the log, the backup at {END}" in why
    assert "--without-duckdb restores the rest" in why
    assert without.returncode == 0, without.stderr
    assert not (empty.home / PART).exists()


def test_a_duckdb_of_a_later_version_is_not_put_in(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    other = altered(
        backup, tmp_path / "other", "insert into ledger.migrations values ('999_later', now())"
    )

    assert "written by a later version (it has 999_later)" in refused_restore(empty, other)


def test_what_is_no_duckdb_at_all_is_not_put_in(backup: Path, empty: Stack, tmp_path: Path) -> None:
    other = altered_backup(backup, tmp_path / "other", PART, b"no database" * 10_000)

    assert f"{PART}: " in refused_restore(empty, other)


def test_a_check_holds_the_totals_of_duckdb_against_the_log(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    wrong = altered(
        backup, tmp_path / "wrong", "update ledger.usage_by_day set units_reserved = 99"
    )

    right, found = (empty.tidegate("restore", str(one), "--check") for one in (backup, wrong))

    assert right.returncode == 0, right.stderr
    assert f"DuckDB: at sequence {END}, and its totals are the log's" in right.stdout
    assert found.returncode == 1
    assert "session one: image on " in found.stderr
    assert "DuckDB has 99 reserved instead of 8" in found.stderr


def test_a_damaged_duckdb_is_in_nobodys_way_who_does_not_want_it(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    copy = shutil.copytree(backup, tmp_path / "copy")
    (copy / PART).write_bytes(b"")

    assert f"{PART} is not what was written" in refused_restore(empty, copy)
    assert empty.tidegate("restore", str(copy), "--without-duckdb").returncode == 0


# ------------------------------------------------------------------------------ where


def test_a_duckdb_that_is_there_already_is_set_aside(backup: Path, empty: Stack) -> None:
    log = empty.home / f"{PART}.wal"
    Database(empty.home / PART, MEMORY).close()
    log.write_text("what was not yet in the file")

    why = refused_restore(empty, backup)
    done = empty.tidegate("restore", str(backup), "--replace", "--json")
    aside = Path(json.loads(done.stdout)["set_aside"])

    assert str(empty.home / PART) in why
    assert str(log) in why
    assert sorted(path.name for path in aside.iterdir()) == [PART, log.name]
    assert not log.exists()
    assert checkpoint(empty.home / PART) == END


def test_a_duckdb_that_analytics_has_open_is_left_alone(backup: Path, empty: Stack) -> None:
    script = "import duckdb, sys; it = duckdb.connect(sys.argv[1]); print(it, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(empty.home / PART)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as analytics:
        assert analytics.stdout is not None
        analytics.stdout.readline()
        why = refused_restore(empty, backup, "--replace")
        analytics.communicate(b"\n", timeout=30)

    assert f"{empty.home / PART}: a process has it open; stop analytics first" in why
    assert (empty.home / PART).exists()


def test_duckdb_goes_into_the_home_of_analytics_where_it_has_one(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    """As under Compose, where each owner's home is a volume of its own."""
    homes = tmp_path / "homes"
    there = homes / "analytics" / PART
    there.parent.mkdir(parents=True)
    Database(there, MEMORY).close()

    why = refused_restore(empty, backup, "--homes", str(homes))
    done = empty.tidegate("restore", str(backup), "--homes", str(homes), "--replace", "--json")
    aside = Path(json.loads(done.stdout)["set_aside"])

    assert str(there) in why
    assert aside.parent == there.parent
    assert checkpoint(there) == END
    assert sorted(path.name for path in there.parent.iterdir()) == [PART, aside.name]
    assert not (empty.home / PART).exists()
    assert (empty.home / "nats").exists()


def test_analytics_of_another_home_goes_on_from_there(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    """The way of docs/how-to/compose.md: homes are furnished, NATS runs alone, then a restore."""
    homes = tmp_path / "homes"
    (homes / "analytics").mkdir(parents=True)
    made = empty.tidegate("migrate", "--secrets", "--homes", str(homes))

    assert made.returncode == 0, made.stderr
    empty._nats_started = True  # the streams are restored, not migrated
    empty.start_nats()
    empty.environment["TIDEGATE_NATS_URL"] = f"nats://127.0.0.1:{empty.nats_port}"

    done = empty.tidegate("restore", str(backup), "--replace", "--homes", str(homes))
    assert done.returncode == 0, done.stderr
    own = {"TIDEGATE_HOME": str(homes / "analytics"), "TIDEGATE_CLOCK_OFFSET_FILE": ""}
    empty.start("analytics", "analytics", **own)
    empty.ready("analytics")

    lines = (empty.home / "analytics.log").read_text().splitlines()
    begun = [json.loads(line) for line in lines if '"projecting"' in line]
    assert [line["checkpoint"] for line in begun] == [END]
    assert not [line for line in lines if '"rebuilding"' in line]


def test_homes_without_one_of_analytics_are_refused(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    done = empty.tidegate("restore", str(backup), "--homes", str(tmp_path))

    assert done.returncode == 2
    assert "--homes: expected a folder with the home of analytics in it" in done.stderr
    assert not (empty.home / "nats").exists()
