"""The order of a restore: beside the home, held against what was taken, then moved in.

Nothing of the home is touched before the copy is proved, so a restore that fails leaves what was
there. A NATS of one's own cannot be restored beside itself: there the server's refusal to restore
over a stream protects what is there.
"""

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from runtime.environment import Environment, Home
from runtime.eventlog import Stored
from tidegate.backup import bundle, duckdbfile, restoresteps
from tidegate.backup.bundle import Bundle
from tidegate.backup.restoresteps import Found
from tidegate.console.errors import CommandError
from tidegate.ledger.trial import Trial
from tidegate.stack.home import lock
from tidegate.stack.home.files import Restored, write_private
from tidegate.stack.leftovers import end_leftovers


def check_beside(found: Environment, taken: Bundle) -> dict[str, Any]:
    """Restore and prove beside the backup, whatever runs in the home, and leave nothing.

    DuckDB's totals are held against the log's too, which takes longer than all the rest.
    """
    beside = taken.path.parent
    place = beside if os.access(beside, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-check-", dir=place) as folder,
        restoresteps.scratch_home(Home(Path(folder))) as scratch,
        duckdbfile.unpacked(taken, Home(Path(folder))) as duckdb,
    ):
        restoresteps.unpack(taken, scratch)
        return _report(taken, _beside(found, taken, scratch, duckdb, Trial()))


def restore_into(
    found: Environment, taken: Bundle, place: Home, *, replace: bool
) -> dict[str, Any]:
    """Restore into a home that nobody uses, and prove it; what was there is set aside.

    Raises `CommandError` where something is in the way and `replace` is not said.
    """
    lock.made(found.home)
    with lock.locked(found.home):
        end_leftovers(found.home)
        return _restored(found, taken, place, replace=replace)


def _restored(found: Environment, taken: Bundle, place: Home, *, replace: bool) -> dict[str, Any]:
    with (
        restoresteps.scratch_home(found.home) as scratch,
        duckdbfile.unpacked(taken, place) as duckdb,
    ):
        restoresteps.unpack(taken, scratch)
        aside = {found.home: restoresteps.in_the_way(found, taken, scratch)}
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
        folders = [
            str(restoresteps.set_aside(home, paths)) for home, paths in aside.items() if paths
        ]
        kept = restoresteps.move_in(scratch, found.home)
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
    with restoresteps.embedded(found, scratch) as own:
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
        return await restoresteps.put_back(found, taken, scratch, disk)
    sequence = taken.manifest.proof.last_sequence
    # Opened before anything is restored: a NATS of one's own cannot be restored into twice.
    with duckdbfile.opened(duckdb, duckdbfile.memory(found), sequence) as file:
        proved = await restoresteps.put_back(found, taken, scratch, disk, judge)
        if trial is not None:
            await duckdbfile.compare(file, trial)
        file.bind_stream(proved.created)
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
