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
from tidegate.backup.restoresteps import RestoredStreams
from tidegate.console.errors import CommandError
from tidegate.ledger.trial import Trial
from tidegate.stack.home import lock
from tidegate.stack.home.files import Restored, write_private
from tidegate.stack.leftovers import end_leftovers


def check_beside(environment: Environment, taken: Bundle) -> dict[str, Any]:
    """Restore and prove beside the backup, whatever runs in the home, and leave nothing.

    DuckDB's totals are held against the log's too, which takes longer than all the rest.
    """
    beside = taken.path.parent
    place = beside if os.access(beside, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-check-", dir=place) as folder,
        restoresteps.scratch_home(Home(Path(folder))) as scratch,
        duckdbfile.unpack_file(taken, Home(Path(folder))) as duckdb,
    ):
        restoresteps.unpack_files(taken, scratch)
        return _restore_report(taken, _prove_beside(environment, taken, scratch, duckdb, Trial()))


def restore_into(
    environment: Environment, taken: Bundle, place: Home, *, replace: bool
) -> dict[str, Any]:
    """Restore into a home that nobody uses, and prove it; what was there is set aside.

    Raises `CommandError` where something is in the way and `replace` is not said.
    """
    lock.make_folder(environment.home)
    with lock.lock_home(environment.home):
        end_leftovers(environment.home)
        return _restore_proved(environment, taken, place, replace=replace)


def _restore_proved(
    environment: Environment, taken: Bundle, place: Home, *, replace: bool
) -> dict[str, Any]:
    """Restore beside, prove it, set aside what is in the way, and move in."""
    with (
        restoresteps.scratch_home(environment.home) as scratch,
        duckdbfile.unpack_file(taken, place) as duckdb,
    ):
        restoresteps.unpack_files(taken, scratch)
        aside = {environment.home: restoresteps.in_the_way(environment, taken, scratch)}
        if duckdb:
            aside[place] = [*aside.get(place, []), *duckdbfile.in_the_way(place)]
        if any(aside.values()) and not replace:
            named = ", ".join(str(path) for paths in aside.values() for path in paths)
            raise CommandError(
                f"{environment.home.path} has a log, a DuckDB or keys of its own ({named}):"
                " nothing was restored; --replace sets them aside"
            )
        if environment.nats_url is None:
            proved = _prove_beside(environment, taken, scratch, duckdb)
        else:
            proved = asyncio.run(_prove_streams(environment, taken, scratch, duckdb))
        folders = [
            str(restoresteps.set_aside(home, paths)) for home, paths in aside.items() if paths
        ]
        kept = restoresteps.move_in(scratch, environment.home)
        if duckdb:
            duckdb.rename(place.duckdb)
    manifest = taken.manifest
    mark = Restored(
        taken_at=manifest.taken_at,
        restored_at=datetime.now(UTC),
        sequence=manifest.proof.last_sequence,
    )
    write_private(environment.home.restored, msgspec.json.encode(mark))
    return {**_restore_report(taken, proved), "set_aside": ", ".join(folders), "kept": kept}


def _prove_beside(
    environment: Environment,
    taken: Bundle,
    scratch: Home,
    duckdb: Path | None,
    trial: Trial | None = None,
) -> RestoredStreams:
    with restoresteps.embedded_nats(environment, scratch) as own:
        return asyncio.run(_prove_streams(own, taken, scratch, duckdb, scratch.path, trial))


async def _prove_streams(
    environment: Environment,
    taken: Bundle,
    scratch: Home,
    duckdb: Path | None,
    disk: Path | None = None,
    trial: Trial | None = None,
) -> RestoredStreams:
    """Restore the streams, hold them against what was taken, and DuckDB against them."""

    async def hear_stored(stored: Stored) -> None:
        if trial is not None:
            trial.hear_envelope(stored)

    if duckdb is None:
        return await restoresteps.put_back(environment, taken, scratch, disk)
    sequence = taken.manifest.proof.last_sequence
    # Opened before anything is restored: a NATS of one's own cannot be restored into twice.
    with duckdbfile.open_file(duckdb, duckdbfile.duckdb_memory(environment), sequence) as file:
        proved = await restoresteps.put_back(environment, taken, scratch, disk, hear_stored)
        if trial is not None:
            await duckdbfile.compare_totals(file, trial)
        file.bind_stream(proved.created)
    return proved


def _restore_report(taken: Bundle, proved: RestoredStreams) -> dict[str, Any]:
    """Write what came back, as `--json` has it."""
    manifest, proof = taken.manifest, proved.proof
    bytes_max = manifest.streams[bundle.LOG].config["max_bytes"]
    return {
        "taken_at": manifest.taken_at,
        "age_s": round((datetime.now(UTC) - manifest.taken_at).total_seconds()),
        "sequence": proof.last_sequence,
        "envelopes": proof.envelopes,
        "sessions": proof.sessions,
        "credentials": proved.credentials,
        "unsealed": proved.unsealed,
        "digest": proof.digest,
        "broken": proof.broken,
        "bytes_max": proved.bytes_max if proved.bytes_max != bytes_max else None,
        "duckdb": _duckdb_state(taken),
        "configuration": bundle.CONFIGURATION in taken.part_names(),
        "elsewhere": manifest.elsewhere,
        "variables": manifest.variables,
    }


def _duckdb_state(taken: Bundle) -> str:
    inside = bundle.DUCKDB in taken.part_names()
    return f"at sequence {taken.manifest.proof.last_sequence}" if inside else bundle.WITHOUT_DUCKDB
