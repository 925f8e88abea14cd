"""A home with a log and credentials to back up, and backups that were changed by hand."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts.base import LeaderElected, SessionId
from contracts.envelope import Link, decode_envelope, link_to
from contracts.subjects import evt_pool
from runtime.environment import read_environment
from runtime.eventlog import EventLog, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.nats.connection import connect_as
from runtime.process import logs
from runtime.secrets import Sealer
from services.pool.domain import HASH_VERSION, Pool, fold_envelope, state_hash
from services.pool.snapshots.booting import boot_pool
from services.pool.snapshots.bucket import SnapshotBucket, SnapshotManifest
from services.pool.snapshots.form import encode_pool
from services.pool.snapshots.formats import FORMAT
from tests.e2e.stack import Stack
from tests.unit.pool.builders import (
    IMAGE,
    LEADER,
    after,
    lease_granted,
    policy_changed,
    session_added,
)

SESSIONS = ("one", "two")


@asynccontextmanager
async def connected(stack: Stack, user: str) -> AsyncIterator[Client]:
    client = await connect_as(read_environment(stack.environment), user)
    yield client
    await client.close()


async def write_pool_log(stack: Stack, *, ciphertexts: bool = True) -> None:
    """Write a pool's log, and the ciphertexts it speaks of."""
    async with connected(stack, "pool") as client:
        if ciphertexts:
            sealer = Sealer((stack.home / "secrets" / "master.key").read_text().strip())
            for name in SESSIONS:
                body = sealer.seal_credential(SessionId(name), f"credential of {name}")
                await client.request(f"$KV.credentials.{name}", body, timeout=10)
        writer = SubjectWriter(EventLog(client), evt_pool(), LEADER)
        writer.epoch = 1
        await writer.append_events([LeaderElected(writer=LEADER, epoch=1)], after(0))
        await writer.append_events([policy_changed(), *map(session_added, SESSIONS)], after(0))
        for number in range(8):
            await writer.append_events([lease_granted("one", IMAGE, f"r{number}")], after(number))


async def write_snapshot(stack: Stack) -> None:
    """Keep the ledger that this log folds to, as the process that makes snapshots does."""
    async with connected(stack, "snapshotter") as client:
        log, pool, link = EventLog(client), Pool(), Link()
        last = await log.last_stored(evt_pool())
        assert last is not None
        async for batch in log.read_range(evt_pool(), 0, last.sequence):
            for stored in batch:
                opened = decode_envelope(stored.body)
                fold_envelope(pool, stored.sequence, opened)
                link = link_to(stored.sequence, stored.body, opened)
        content = encode_pool(pool)
        manifest = SnapshotManifest(
            format=FORMAT,
            hash_version=HASH_VERSION,
            state_hash=state_hash(pool),
            link=link,
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            chunks=0,
            made_at=after(0),
        )
        await SnapshotBucket(client).write(content, manifest)


async def booted_at(stack: Stack) -> int:
    """At which sequence a process of the pool begins."""
    async with connected(stack, "pool") as client:
        bucket, logger = SnapshotBucket(client), logs.configure_logs("pool")
        booted = await boot_pool(EventLog(client), bucket, evt_pool(), logger)
    return booted.link.sequence


async def stored_log(stack: Stack) -> list[Stored]:
    async with connected(stack, "auditor") as client:
        log = EventLog(client)
        last = (await log.stream_state()).last_sequence
        batches = [batch async for batch in log.read_range("evt.>", 0, last)]
    return [msgspec.structs.replace(one, pending=0) for batch in batches for one in batch]


@contextmanager
def source_of(home: Path) -> Iterator[Stack]:
    """A home whose NATS runs, with a log and credentials."""
    stack = Stack(home)
    try:
        stack.start_nats()
        stack.configure("[log]\nmax_bytes = '100MB'\n")
        asyncio.run(write_pool_log(stack))
        asyncio.run(write_snapshot(stack))
        yield stack
    finally:
        stack.close()


def take_backup(stack: Stack, path: Path, *options: str) -> Path:
    done = stack.tidegate("backup", str(path), *options)
    assert done.returncode == 0, done.stderr
    return path


def kept(stack: Stack) -> dict[str, bytes]:
    names = ("secrets/master.key", "secrets/identity.key", "operator.key", "client.key")
    return {name: (stack.home / name).read_bytes() for name in names}


def altered_backup(backup: Path, copy: Path, part: str, content: bytes, **proof: Any) -> Path:
    """Copy a backup with one part, or its proof, another, and a manifest that says so."""
    shutil.copytree(backup, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["proof"] |= proof
    if part:
        (copy / part).write_bytes(content)
        entry = next(one for one in manifest["parts"] if one["name"] == part)
        entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    seal(copy, manifest)
    return copy


def seal(backup: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest).encode()
    (backup / "manifest.json").write_bytes(text)
    (backup / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest())
