"""`tidegate backup` and `restore` over a real NATS: what is refused, and by which name."""

import asyncio
import fcntl
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.base import SessionId
from contracts.subjects import evt_pool
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import snapshots
from runtime.nats.snapshots import Taken
from services.pool.bucket import CredentialBucket
from tests.e2e.stack import Stack
from tests.integration.tidegate.backup_parts import (
    altered_backup,
    booted_at,
    connected,
    kept,
    source_of,
    stored_log,
    write_pool_log,
)
from tests.unit.pool.builders import IMAGE, LEADER, after, lease_granted
from tidegate.backup import taking
from tidegate.backup.bundle import Bundle, NewBundle
from tidegate.console.errors import CommandError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("backup")]


def test_a_restored_log_is_the_one_that_was_taken(
    source: Stack, backup: Path, empty: Stack
) -> None:
    done = empty.tidegate("restore", str(backup), "--json")
    report = json.loads(done.stdout)
    empty.start_nats()

    assert done.returncode == 0, done.stderr
    assert asyncio.run(stored_log(empty)) == asyncio.run(stored_log(source))
    assert (report["sequence"], report["sessions"], report["credentials"]) == (11, 2, 2)
    assert kept(empty) == kept(source)
    assert (empty.home / "tidegate.toml").read_text() == "[log]\nmax_bytes = '100MB'\n"
    assert not (empty.home / "restoring").exists()


def test_a_pool_begins_with_the_restored_snapshot(
    source: Stack, backup: Path, empty: Stack
) -> None:
    empty.tidegate("restore", str(backup))
    empty.start_nats()

    assert asyncio.run(booted_at(empty)) == asyncio.run(booted_at(source)) == 11


@pytest.mark.anyio
async def test_a_home_without_the_bucket_is_backed_up_without_it(
    nats_client: Client, tmp_path: Path
) -> None:
    await nats_client.request("$JS.API.STREAM.DELETE.KV_snapshots", b"")
    new_bundle = NewBundle(tmp_path / "taken")

    taken = await taking.snapshot_ledgers(nats_client, new_bundle)

    assert (taken, new_bundle.parts) == ({}, [])
    new_bundle.abandon()


def test_a_backup_and_what_it_restores_are_read_by_their_owner_alone(
    backup: Path, empty: Stack
) -> None:
    empty.tidegate("restore", str(backup))

    assert backup.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in backup.iterdir()} == {0o600}
    assert empty.home.stat().st_mode & 0o777 == 0o700
    for name in kept(empty):
        assert (empty.home / name).stat().st_mode & 0o777 == 0o600


def test_no_credential_stands_in_a_backup(backup: Path) -> None:
    assert [path for path in backup.iterdir() if b"credential of" in path.read_bytes()] == []


def test_a_writer_goes_on_behind_the_fence_of_the_restored_log(backup: Path, empty: Stack) -> None:
    async def go_on() -> int:
        async with connected(empty, "pool") as client:
            writer = SubjectWriter(EventLog(client), evt_pool(), LEADER)
            for one in await writer.stored_behind():
                writer.note_stored(one)
            writer.epoch = 1
            return await writer.append_events([lease_granted("two", IMAGE, "later")], after(100))

    empty.tidegate("restore", str(backup))
    empty.start_nats()

    assert asyncio.run(go_on()) == 12
    report = json.loads(empty.tidegate("audit", "--log-only", "--json").stdout)
    assert report["violations"] == []


@pytest.mark.parametrize(
    "name",
    [
        "log.snapshot",
        "credentials.snapshot",
        "ledgers.snapshot",
        "analytics.duckdb",
        "master.key",
        "manifest.json",
        "manifest.sha256",
    ],
)
@pytest.mark.parametrize("damage", ["a byte", "missing", "shorter"])
def test_a_damaged_backup_is_refused_by_the_name_of_the_part(
    backup: Path, tmp_path: Path, name: str, damage: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    content = bytearray((copy / name).read_bytes())
    if damage == "missing":
        (copy / name).unlink()
    elif damage == "shorter":
        (copy / name).write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)

    with pytest.raises(CommandError) as refused:
        Bundle(copy).check_parts(lambda _: None)

    named = "manifest.json" if name == "manifest.sha256" and damage != "missing" else name
    assert f"{named} is " in str(refused.value)


def test_a_log_that_is_another_than_the_one_taken_is_not_moved_in(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    other = altered_backup(backup, tmp_path / "copy", "", b"", digest="0" * 64)

    done = empty.tidegate("restore", str(other))

    assert done.returncode == 1
    assert "the restored log is not the one taken" in done.stderr
    assert sorted(path.name for path in empty.home.iterdir()) == ["lock", "test-home"]


def test_credentials_that_the_key_does_not_open_are_not_moved_in(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    other = altered_backup(backup, tmp_path / "copy", "master.key", b"another key")

    done = empty.tidegate("restore", str(other))

    assert done.returncode == 1
    assert "do not open under this master key" in done.stderr
    assert not (empty.home / "nats").exists()


def test_backup_of_the_middle_of_a_rotation_opens_with_the_keys_of_both_sides(
    tmp_path: Path, empty: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old key leaves the key file while the ciphertexts are taken that are sealed under it."""
    with source_of(tmp_path / "source") as source:
        file = source.home / "secrets" / "master.key"
        old = file.read_text()
        take_snapshot = snapshots.take_snapshot

        async def taken_amid(*arguments: Any) -> Taken:
            taken = await take_snapshot(*arguments)
            file.write_text("the new key")
            return taken

        monkeypatch.setattr(snapshots, "take_snapshot", taken_amid)
        done = source.here("backup", str(tmp_path / "taken"))
        monkeypatch.undo()

    restored = empty.tidegate("restore", str(tmp_path / "taken"))

    assert done.exit_code == 0, done.output
    assert restored.returncode == 0, restored.stderr
    assert "credentials: 2, and the key opens them" in restored.stdout
    assert (empty.home / "secrets" / "master.key").read_text() == f"the new key\n{old}"


def test_key_file_that_nobody_changes_is_backed_up_byte_for_byte(
    source: Stack, backup: Path
) -> None:
    assert (backup / "master.key").read_bytes() == kept(source)["secrets/master.key"]


def test_a_snapshot_that_no_server_takes_is_not_moved_in(
    backup: Path, empty: Stack, tmp_path: Path
) -> None:
    other = altered_backup(backup, tmp_path / "copy", "log.snapshot", b"no snapshot at all")

    done = empty.tidegate("restore", str(other))

    assert done.returncode == 1
    assert "not restored: " in done.stderr
    assert not (empty.home / "nats").exists()


def test_a_byte_of_a_tar_that_was_changed_is_found(
    source: Stack, empty: Stack, tmp_path: Path
) -> None:
    path = tmp_path / "taken.tar"

    assert source.tidegate("backup", str(path)).returncode == 0
    with tarfile.open(path) as tar:
        place = tar.getmember("log.snapshot").offset_data + 40
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    done = empty.tidegate("restore", str(path))

    assert (done.returncode, path.stat().st_mode & 0o777) == (1, 0o600)
    assert "log.snapshot is not what was written" in done.stderr


def test_a_home_that_has_a_log_is_refused_until_it_is_to_be_replaced(
    backup: Path, empty: Stack
) -> None:
    empty.start_nats()
    empty.kill("nats", 15)
    own = kept(empty)

    refused = empty.tidegate("restore", str(backup))
    unchanged = kept(empty)
    replaced = empty.tidegate("restore", str(backup), "--replace", "--json")

    assert (refused.returncode, unchanged) == (1, own)
    assert "--replace sets them aside" in refused.stderr
    assert str(empty.home / "nats") in refused.stderr
    assert replaced.returncode == 0, replaced.stderr
    aside = Path(json.loads(replaced.stdout)["set_aside"])
    assert (aside / "client.key").read_bytes() == own["client.key"]
    assert (aside / "nats" / "jetstream").is_dir()
    assert kept(empty) != own


def test_a_home_in_which_up_runs_is_left_alone(backup: Path, empty: Stack) -> None:
    with (empty.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = empty.tidegate("restore", str(backup))

    assert done.returncode == 2
    assert "another `tidegate up` runs" in done.stderr


def test_a_nats_that_has_a_log_is_never_written_over(
    source: Stack, backup: Path, empty: Stack
) -> None:
    before = asyncio.run(stored_log(source))

    assert empty.tidegate("migrate", "--secrets").returncode == 0
    for path in (source.home / "secrets").glob("*.nats"):
        shutil.copy(path, empty.home / "secrets" / path.name)
    empty.environment["TIDEGATE_NATS_URL"] = f"nats://127.0.0.1:{source.nats_port}"

    done = empty.tidegate("restore", str(backup), "--replace")

    assert done.returncode == 1
    assert "has a log already" in done.stderr
    assert asyncio.run(stored_log(source)) == before


def test_a_nats_of_ones_own_is_restored_into(backup: Path, source: Stack, empty: Stack) -> None:
    """Its passwords are its own; the keys come from the backup."""
    assert empty.tidegate("migrate", "--secrets").returncode == 0
    passwords = (empty.home / "secrets" / "pool.nats").read_text()
    empty._nats_started = True  # the streams are restored, not migrated
    empty.start_nats()
    empty.environment["TIDEGATE_NATS_URL"] = f"nats://127.0.0.1:{empty.nats_port}"

    done = empty.tidegate("restore", str(backup), "--replace", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["credentials"] == 2
    assert "secrets/pool.nats" in json.loads(done.stdout)["kept"]
    assert (empty.home / "secrets" / "pool.nats").read_text() == passwords
    assert kept(empty) == kept(source)
    assert asyncio.run(stored_log(empty)) == asyncio.run(stored_log(source))


def test_a_backup_is_tried_beside_what_runs_without_leaving_anything(
    backup: Path, source: Stack
) -> None:
    before = [sorted(path.iterdir()) for path in (source.home, backup.parent)]

    with (source.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = source.tidegate("restore", str(backup), "--check")
    (source.home / "lock").unlink()

    assert done.returncode == 0, done.stderr
    assert "this backup restores to 11 envelopes" in done.stdout
    assert [sorted(path.iterdir()) for path in (source.home, backup.parent)] == before


def test_a_session_without_its_ciphertext_is_told_while_backing_up(
    empty: Stack, tmp_path: Path
) -> None:
    empty.start_nats()
    asyncio.run(write_pool_log(empty, ciphertexts=False))

    done = empty.tidegate("backup", str(tmp_path / "taken"), "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["wrong"] == ["2 sessions, but only 0 ciphertexts"]


def test_a_session_that_was_removed_while_a_backup_was_taken_is_named_by_its_restore(
    empty: Stack, tmp_path: Path
) -> None:
    """The log was taken before its removal, the credentials after its ciphertext had gone."""

    async def remove_one() -> None:
        await write_pool_log(empty)
        async with connected(empty, "pool") as client:
            await CredentialBucket(client).delete_behind(SessionId("two"), 2)

    empty.start_nats()
    asyncio.run(remove_one())

    taken = empty.tidegate("backup", str(tmp_path / "taken"), "--json")
    checked = empty.tidegate("restore", str(tmp_path / "taken"), "--check")
    report = empty.tidegate("restore", str(tmp_path / "taken"), "--check", "--json")

    assert (taken.returncode, json.loads(taken.stdout)["wrong"]) == (0, [])
    assert checked.returncode == 0, checked.stderr
    assert "two was removed while the backup was taken" in checked.stdout
    assert json.loads(report.stdout)["unsealed"] == ["two"]


def test_a_key_that_is_given_by_variable_is_not_in_the_backup(
    source: Stack, tmp_path: Path
) -> None:
    source.environment["TIDEGATE_SECRET_KEY"] = "a key from a vault"
    try:
        done = source.tidegate("backup", str(tmp_path / "taken"), "--json")
    finally:
        del source.environment["TIDEGATE_SECRET_KEY"]
    report = json.loads(done.stdout)

    assert report["elsewhere"] == {
        "secrets/master.key": "given by TIDEGATE_SECRET_KEY",
        "demo-servers.json": "not in this home",
    }
    assert "master.key" not in report["parts"]


def test_file_of_credentials_is_no_part_of_a_backup_and_is_told_where_it_is_expected(
    source: Stack, empty: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text('[pool.provisioner]\nkind = "file"\npath = "sessions.txt"\n')
    given = {"TIDEGATE_CONFIG": str(file), "TIDEGATE_POOL_PROVISIONER_KIND": ""}
    before = {name: source.environment.get(name, "") for name in given}
    source.environment |= given
    try:
        done = source.tidegate("backup", str(tmp_path / "taken"))
    finally:
        source.environment |= before

    assert f"not in it: pool.provisioner.path ({tmp_path / 'sessions.txt'}, yours" in done.stdout

    empty.environment["TIDEGATE_POOL_PROVISIONER_KIND"] = ""
    restored = empty.tidegate("restore", str(tmp_path / "taken"))

    assert restored.returncode == 0, restored.stderr
    assert (
        f"the file of pool.provisioner.path, expected at {empty.home / 'sessions.txt'}: it is not"
        in restored.stdout
    )


def test_nothing_is_written_over_by_a_backup(source: Stack, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter").touch()

    done = source.tidegate("backup", str(tmp_path / "taken"))

    assert done.returncode == 1
    assert "expected a name that nothing has" in done.stderr
    done = source.tidegate("backup", str(tmp_path / "absent" / "further" / "taken.tar"))
    assert done.returncode == 1
    assert (
        f"expected a folder to make it in, {tmp_path / 'absent' / 'further'} is none" in done.stderr
    )
    assert not (tmp_path / "absent").exists()


def test_a_place_that_cannot_be_written_is_named(source: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = source.tidegate("backup", str(tmp_path / "file" / "taken"))

    assert done.returncode == 1
    assert "expected a folder to make it in" in done.stderr
    assert (tmp_path / "file").is_file()


def test_without_a_log_nothing_is_left_of_a_backup(empty: Stack, tmp_path: Path) -> None:
    done = empty.tidegate("backup", str(tmp_path / "taken"))

    assert done.returncode == 2
    assert "so no embedded server runs in this home" in done.stderr
    assert list(tmp_path.glob("taken*")) == []
