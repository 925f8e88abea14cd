"""The bucket of snapshots: each in chunks, and a manifest written last, without which it is none.

Keys are `pool.<shard>.<sequence>-<mark>.<part>`: of two processes that make a snapshot at the same
envelope each has its own. Whoever is killed leaves chunks that the next one purges.
"""

import hashlib
import json
import secrets
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.base import Instant
from contracts.envelope import Link
from contracts.subjects import SHARD, SNAPSHOTS_BUCKET, SNAPSHOTS_STREAM
from runtime.eventlog import EventLog, LogError, LogUnavailableError
from services.pool.snapshots.formats import FORMAT

KEPT = 3
_CHUNK_BYTES = 512 * 1024
_TIMEOUT_S = 2.0
_PREFIX = f"$KV.{SNAPSHOTS_BUCKET}.pool.{SHARD}."
_MANIFEST = "manifest"
_NOT_FOUND = 10059


class SnapshotsUnavailableError(Exception):
    """The bucket is not there or did not do what was asked."""


class NoBucketError(SnapshotsUnavailableError):
    """There is no bucket: the home was not migrated since there is one."""


class SnapshotManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is of, and by what it is known to be whole."""

    format: int
    hash_version: int
    state_hash: str
    link: Link
    """Where the subject stood: the last envelope that is in it."""
    sha256: str
    bytes: int
    chunks: int
    made_at: Instant
    """By the clock of the machine that made it."""


class KeptSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as its name tells it: whether it can be read is seen then."""

    name: str
    sequence: int


class SnapshotBucket:
    """Reads for everybody who may; writes and purges for the one user that may."""

    def __init__(self, client: Client) -> None:
        """Use `client`; nothing is read yet."""
        self._client = client
        self._stream = EventLog(client, SNAPSHOTS_STREAM)

    async def newest_first(self) -> list[KeptSnapshot]:
        """List what has a manifest. Raises `SnapshotsUnavailableError`."""
        listed = await self._parts(f"*.{_MANIFEST}")
        names = [subject.removeprefix(_PREFIX).removesuffix(f".{_MANIFEST}") for subject in listed]
        kept = [KeptSnapshot(name, sequence_in(name)) for name in names]
        return sorted(kept, key=lambda one: one.sequence, reverse=True)

    async def read_manifest(self, kept: KeptSnapshot) -> SnapshotManifest | None:
        """Read a manifest; None when it is none. Raises `SnapshotsUnavailableError`."""
        stored = await self._read_part(f"{kept.name}.{_MANIFEST}")
        try:
            return msgspec.json.decode(stored, type=SnapshotManifest)
        except msgspec.DecodeError:
            return None

    async def read_bytes(self, kept: KeptSnapshot, manifest: SnapshotManifest) -> bytes | None:
        """Read a snapshot; None when its bytes are not those of its manifest.

        Raises `SnapshotsUnavailableError`.
        """
        content = bytearray()
        for number in range(manifest.chunks):
            content += await self._read_part(f"{kept.name}.{number}")
        whole = hashlib.sha256(content).hexdigest() == manifest.sha256
        return bytes(content) if whole else None

    async def write(self, content: bytes, about: SnapshotManifest) -> KeptSnapshot:
        """Write a snapshot, read it again, and only then its manifest.

        Raises `SnapshotsUnavailableError`.
        """
        name = f"{about.link.sequence:020d}-{secrets.token_hex(4)}"
        chunks = range(0, len(content), _CHUNK_BYTES)
        for number, start in enumerate(chunks):
            await self._write_part(f"{name}.{number}", content[start : start + _CHUNK_BYTES])
        manifest = msgspec.structs.replace(about, chunks=len(chunks))
        kept = KeptSnapshot(name, about.link.sequence)
        if await self.read_bytes(kept, manifest) is None:
            raise SnapshotsUnavailableError("what was written is not what is read again")
        await self._write_part(f"{name}.{_MANIFEST}", msgspec.json.encode(manifest))
        return kept

    async def purge_older(self, newest: KeptSnapshot) -> list[str]:
        """Keep three, and the last one of an earlier format; what else is older goes.

        Raises `SnapshotsUnavailableError`.
        """
        kept: list[KeptSnapshot] = []
        earlier: KeptSnapshot | None = None
        for one in await self.newest_first():
            manifest = await self.read_manifest(one)
            if manifest is None or one.sequence > newest.sequence:
                continue
            if manifest.format == FORMAT:
                kept.append(one)
            elif manifest.format < FORMAT and earlier is None:
                earlier = one
        stay = {one.name for one in (*kept[:KEPT], *([earlier] if earlier else []))}
        parts = await self._parts(">")
        names = {subject.removeprefix(_PREFIX).rpartition(".")[0] for subject in parts}
        gone = [
            name
            for name in sorted(names - stay)
            # Another may be writing one of a later moment.
            if sequence_in(name) <= newest.sequence
        ]
        for name in gone:
            await self._ask(f"STREAM.PURGE.{SNAPSHOTS_STREAM}", {"filter": f"{_PREFIX}{name}.*"})
        return gone

    async def _parts(self, pattern: str) -> list[str]:
        wanted = f"{_PREFIX}{pattern}"
        answer = await self._ask(f"STREAM.INFO.{SNAPSHOTS_STREAM}", {"subjects_filter": wanted})
        return list(answer["state"].get("subjects") or {})

    async def _read_part(self, key: str) -> bytes:
        try:
            stored = await self._stream.last_stored(f"{_PREFIX}{key}")
        except LogUnavailableError as error:
            raise SnapshotsUnavailableError(str(error)) from None
        # What is not there makes no whole.
        return b"" if stored is None else stored.body

    async def _write_part(self, key: str, body: bytes) -> None:
        try:
            await self._stream.append_after(f"{_PREFIX}{key}", body, 0)
        except LogError as error:
            raise SnapshotsUnavailableError(f"{key}: {error}") from None

    async def _ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            message = await self._client.request(
                f"$JS.API.{what}", json.dumps(body).encode(), timeout=_TIMEOUT_S
            )
        except (NatsError, ConnectionError) as error:
            raise SnapshotsUnavailableError(f"{what}: {type(error).__name__}") from None
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            if answer["error"].get("err_code") == _NOT_FOUND:
                raise NoBucketError("there is none: `tidegate migrate` makes it")
            raise SnapshotsUnavailableError(answer["error"]["description"])
        return answer


def sequence_in(name: str) -> int:
    """Tell the sequence that a snapshot's name begins with; 0 for a name that is none of ours."""
    head = name.partition("-")[0]
    return int(head) if head.isdecimal() else 0
