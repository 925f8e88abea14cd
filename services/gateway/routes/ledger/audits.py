"""What was found when the log was audited, what was backed up, and where its chains stand."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts import subjects
from contracts.base import NUMBER_MAX, Instant
from contracts.envelope import decode_envelope, hash_of
from contracts.gateway import AuditRecorded, BackupRecorded
from services.gateway.clients.keys import Key
from services.gateway.routes.doors import Doors
from services.gateway.routes.figures.shapes import FigureRow, rows_of

_LISTED = 20
_CHAINS = (subjects.evt_pool(), subjects.EVT_BALANCER, subjects.EVT_KEYS)
_Count = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
_Text = Annotated[str, msgspec.Meta(max_length=500)]
_Texts = Annotated[list[_Text], msgspec.Meta(max_length=10)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class AuditRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an audit came to; `first` are the first violations, in words."""

    ok: bool
    sequence: _Count
    envelopes: _Count
    events: _Count
    violations: _Count
    first: _Texts = []
    duckdb: _Text = ""
    took_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    command: _Name = "tidegate audit"


class BackupTaken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup holds, and what it is called on which machine."""

    ok: bool
    sequence: _Count
    bytes: _Count
    name: _Name
    host: _Name
    wrong: _Texts = []
    command: _Name = "tidegate backup"


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """It is in the log."""

    recorded: bool


class ChainEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last envelope of a subject: the next one names its hash."""

    subject: str
    number: int
    sequence: int
    hash: str
    time: Instant


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A hash of the pool's ledger in the log, which every audit recomputes."""

    at: str
    sequence: int
    event_id: str
    state_hash: str
    hash_version: int


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """The latest first, twenty of each; lists are empty where nothing was recorded yet."""

    audits: list[dict[str, Any]]
    backups: list[dict[str, Any]]
    checkpoints: list[Checkpoint]
    chain: list[ChainEnd]
    sequence: int
    lag: int


@get("/audit", tags=["analysis"], summary="Audits, backups, checkpoints, and the chains' ends")
async def show_audits(doors: NamedDependency[Doors]) -> AuditPage:
    """Say what was recorded of the log as a whole."""
    answer = await doors.named_query("audits", limit=_LISTED)
    rows = rows_of(answer)
    return AuditPage(
        audits=[_as_record(row) for row in rows if row["event"] == "audit_recorded"],
        backups=[_as_record(row) for row in rows if row["event"] == "backup_recorded"],
        checkpoints=[_as_checkpoint(row) for row in rows if row["event"] == "pool_checkpointed"],
        chain=[end for subject in _CHAINS if (end := await _chain_end(doors, subject))],
        sequence=answer.sequence,
        lag=answer.lag,
    )


@post("/audit/runs", status_code=200, tags=["analysis"], summary="Record what an audit came to")
async def record_audit(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[AuditRun]
) -> Recorded:
    """Put an audit's result into the log, where everybody sees it; `tidegate audit` does so."""
    done = AuditRecorded(**msgspec.structs.asdict(data), by=admin.key_id)
    await doors.key_log.record_operation(done)
    return Recorded(recorded=True)


@post(
    "/audit/backups", status_code=200, tags=["analysis"], summary="Record that a backup was taken"
)
async def record_backup(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], data: JSONBody[BackupTaken]
) -> Recorded:
    """Put it into the log that a backup was taken, where everybody sees it."""
    done = BackupRecorded(**msgspec.structs.asdict(data), by=admin.key_id)
    await doors.key_log.record_operation(done)
    return Recorded(recorded=True)


def _as_record(row: FigureRow) -> dict[str, Any]:
    """Show an event with when it came; fields that it leaves out have their defaults."""
    event = msgspec.json.decode(row["detail"], type=AuditRecorded | BackupRecorded)
    return {"at": row["ts"], "event_id": row["event_id"], **msgspec.structs.asdict(event)}


def _as_checkpoint(row: FigureRow) -> Checkpoint:
    detail = msgspec.json.decode(row["detail"])
    return Checkpoint(
        at=row["ts"],
        sequence=row["sequence"],
        event_id=row["event_id"],
        state_hash=detail["state_hash"],
        hash_version=detail["hash_version"],
    )


async def _chain_end(doors: Doors, subject: str) -> ChainEnd | None:
    """Find where a subject's chain stands; None where it has no envelope, or none that is one."""
    stored = await doors.log.last_stored(subject)
    if stored is None:
        return None
    try:
        envelope = decode_envelope(stored.body)
    except msgspec.DecodeError:
        return None
    return ChainEnd(
        subject=subject,
        number=envelope.number,
        sequence=stored.sequence,
        hash=hash_of(stored.body),
        time=envelope.time,
    )
