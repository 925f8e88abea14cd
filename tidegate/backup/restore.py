"""`tidegate restore`: a backup put into a home and a NATS without a log, and held against it."""

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import typer
from nats.errors import Error as NatsError

from runtime.environment import Environment, Home, environment
from runtime.eventlog import LogUnavailableError, Stored
from runtime.nats.snapshots import SnapshotError, StreamExistsError
from runtime.nats.streams import MigrationError
from services.analytics.store import StoreError
from tidegate.backup import bundle, duckdbfile, restoring
from tidegate.backup.bundle import Bundle
from tidegate.backup.restoring import Found
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.ledger.trial import Trial
from tidegate.stack import homelock
from tidegate.stack.homefiles import Restored, write_private
from tidegate.stack.leftovers import end_leftovers

_FAILURES = (SnapshotError, MigrationError, LogUnavailableError, StoreError, NatsError, OSError)


def restore(
    path: Path = typer.Argument(help="What `tidegate backup` made: a folder or a tar."),
    *,
    check: bool = typer.Option(
        False, "--check", help="Restore into a throwaway home and NATS, and say what came of it."
    ),
    replace: bool = typer.Option(
        False, "--replace", help="Set aside the log, the keys and the DuckDB that are here."
    ),
    without_duckdb: bool = typer.Option(
        False, "--without-duckdb", help="Leave DuckDB out: analytics makes it anew from the log."
    ),
    homes: Path | None = typer.Option(
        None,
        help="The homes of their owners, as `migrate --homes` furnishes them: DuckDB goes into"
        " that of analytics.",
    ),
    as_json: bool = output.JSON,
) -> None:
    """Restore log, credentials, DuckDB, keys and configuration; prove they are what was taken.

    Example: TIDEGATE_HOME=.tidegate tidegate restore /var/backups/tidegate-monday.tar
    """
    found = environment()
    place = duckdbfile.home(found, homes)
    taken = Bundle(path.absolute(), without=[bundle.DUCKDB] * without_duckdb)
    with output.progress("checking the backup", taken.size, in_bytes=True) as moved:
        taken.check(moved)
    try:
        report = _checked(found, taken) if check else _locked(found, taken, place, replace=replace)
    except StreamExistsError:
        raise CommandError(
            f"the NATS at {found.nats_url} has a log already, and nobody may overwrite one:"
            " give it an empty store"
        ) from None
    except _FAILURES as error:
        raise CommandError(f"not restored: {error or type(error).__name__}") from None
    if as_json:
        output.as_json(report)
    else:
        _show(found, report, check=check)


def _checked(found: Environment, taken: Bundle) -> dict[str, Any]:
    """Restore and prove beside the backup, whatever runs in the home, and leave nothing.

    DuckDB's totals are held against the log's too, which takes longer than all the rest.
    """
    beside = taken.path.parent
    place = beside if os.access(beside, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-check-", dir=place) as folder,
        restoring.scratch_home(Home(Path(folder))) as scratch,
        duckdbfile.unpacked(taken, Home(Path(folder))) as duckdb,
    ):
        restoring.unpack(taken, scratch)
        return _report(taken, _beside(found, taken, scratch, duckdb, Trial()))


def _locked(found: Environment, taken: Bundle, place: Home, *, replace: bool) -> dict[str, Any]:
    homelock.made(found.home)
    with homelock.locked(found.home):
        end_leftovers(found.home)
        return _restored(found, taken, place, replace=replace)


def _restored(found: Environment, taken: Bundle, place: Home, *, replace: bool) -> dict[str, Any]:
    with (
        restoring.scratch_home(found.home) as scratch,
        duckdbfile.unpacked(taken, place) as duckdb,
    ):
        restoring.unpack(taken, scratch)
        aside = {found.home: restoring.in_the_way(found, taken, scratch)}
        if duckdb:
            aside[place] = [*aside.get(place, []), *duckdbfile.in_the_way(place)]
        if any(aside.values()) and not replace:
            named = ", ".join(str(one) for paths in aside.values() for one in paths)
            raise CommandError(
                f"{found.home.path} has a log, a DuckDB or keys of its own ({named}): nothing was"
                " restored; --replace sets them aside"
            )
        if found.nats_url is None:
            proved = _beside(found, taken, scratch, duckdb)
        else:
            proved = asyncio.run(_proved(found, taken, scratch, duckdb))
        folders = [str(restoring.set_aside(home, paths)) for home, paths in aside.items() if paths]
        kept = restoring.move_in(scratch, found.home)
        if duckdb:
            duckdb.rename(place.duckdb)
    manifest = taken.manifest
    mark = Restored(
        taken_at=manifest.taken_at,
        restored_at=datetime.now(UTC),
        sequence=manifest.proof.last_sequence,
    )
    write_private(found.home.restored, msgspec.json.encode(mark))
    return {**_report(taken, proved), "set_aside": ", ".join(folders), "kept": kept}


def _beside(
    found: Environment,
    taken: Bundle,
    scratch: Home,
    duckdb: Path | None,
    trial: Trial | None = None,
) -> Found:
    with restoring.embedded(found, scratch) as own:
        return asyncio.run(_proved(own, taken, scratch, duckdb, scratch.path, trial))


async def _proved(
    found: Environment,
    taken: Bundle,
    scratch: Home,
    duckdb: Path | None,
    disk: Path | None = None,
    trial: Trial | None = None,
) -> Found:
    """Restore the streams, hold them against what was taken, and DuckDB against them."""

    async def judge(stored: Stored) -> None:
        if trial is not None:
            trial.hear(stored)

    if duckdb is None:
        return await restoring.put_back(found, taken, scratch, disk)
    sequence = taken.manifest.proof.last_sequence
    # Opened before anything is restored: a NATS of one's own cannot be restored into twice.
    with duckdbfile.opened(duckdb, duckdbfile.memory(found), sequence) as file:
        proved = await restoring.put_back(found, taken, scratch, disk, judge)
        if trial is not None:
            await duckdbfile.compare(file, trial)
        file.bind(proved.created)
    return proved


def _report(taken: Bundle, proved: Found) -> dict[str, Any]:
    manifest, proof = taken.manifest, proved.proof
    bytes_max = manifest.streams[bundle.LOG].config["max_bytes"]
    return {
        "taken_at": manifest.taken_at,
        "age_s": round((datetime.now(UTC) - manifest.taken_at).total_seconds()),
        "sequence": proof.last_sequence,
        "envelopes": proof.envelopes,
        "sessions": proof.sessions,
        "credentials": proved.credentials,
        "digest": proof.digest,
        "broken": proof.broken,
        "bytes_max": proved.bytes_max if proved.bytes_max != bytes_max else None,
        "duckdb": _duckdb(taken),
        "configuration": bundle.CONFIGURATION in taken.names(),
        "elsewhere": manifest.elsewhere,
        "variables": manifest.variables,
    }


def _duckdb(taken: Bundle) -> str:
    inside = bundle.DUCKDB in taken.names()
    return f"at sequence {taken.manifest.proof.last_sequence}" if inside else bundle.WITHOUT_DUCKDB


def _show(found: Environment, report: dict[str, Any], *, check: bool) -> None:
    age = f"{report['age_s'] // 3600} h {report['age_s'] // 60 % 60} min ago"
    taken = f"{report['taken_at']:%Y-%m-%d %H:%M:%S} UTC, {age}"
    what = "this backup restores to" if check else "restored"
    credentials = report["credentials"]
    print(
        f"{what} {report['envelopes']} envelopes, up to sequence {report['sequence']}, taken"
        f" {taken}; count, order, times and every byte are those that were taken"
    )
    opened = "not checked here" if credentials is None else f"{credentials}, and the key opens them"
    print(f"{report['sessions']} sessions; credentials: {opened}")
    agrees = (
        ", and its totals are the log's"
        if check and report["duckdb"] != bundle.WITHOUT_DUCKDB
        else ""
    )
    print(f"DuckDB: {report['duckdb']}{agrees}")
    for one in report["broken"]:
        print(f"the log had this before it was taken: {one}")
    if report["bytes_max"]:
        print(f"the bound of the log is {report['bytes_max']:,} bytes now: the disk is smaller")
    for name, where in report["elsewhere"].items():
        print(f"not in the backup: {name} ({where})")
    if report["variables"]:
        print("settings that were given by variable: " + ", ".join(report["variables"]))
    if check:
        return
    if report["set_aside"]:
        print(f"what was here before lies in {report['set_aside']}")
    if report["configuration"]:
        print(f"configuration: {found.home.path / bundle.CONFIGURATION} (TIDEGATE_CONFIG names it)")
    print(
        "\nUnits granted after the backup was taken are not in this log: they count as free, though"
        " servers may have charged them.\nTo be sure that none is used twice, begin after the next"
        " reset of every session's quota day.\n\nNext: tidegate up, then tidegate audit."
    )
