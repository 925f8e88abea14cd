"""The files of a backup: parts in a folder or one tar, each named with its SHA-256 in a manifest.

A backup is written beside its name and takes it when it is whole; one without a manifest did not
finish. Everything is readable by its owner alone: it holds keys.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from runtime.nats.snapshots import CountBytes, Taken
from tidegate.backup.logproof import Proof
from tidegate.console.errors import CommandError

FORMAT = 1
LOG = "log.snapshot"
CREDENTIALS = "credentials.snapshot"
LEDGERS = "ledgers.snapshot"
"""The pool's snapshots of its ledger; absent where there were none."""
CONFIGURATION = "tidegate.toml"
DUCKDB = "analytics.duckdb"
WITHOUT_DUCKDB = "rebuilt from the log, if that is whole"
_MANIFEST = "manifest.json"
_SEAL = "manifest.sha256"
_READ_BYTES = 1024 * 1024
_TAR = ".tar"


class BundlePart(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds, and what it holds not."""

    format: int
    taken_at: datetime
    proof: Proof
    streams: dict[str, Taken]
    """By part."""
    parts: list[BundlePart]
    elsewhere: dict[str, str]
    """Files of the home that are no part, and where they are kept."""
    variables: list[str]
    """Names of the settings that were given by variable; their values are not kept."""


class NewBundle:
    """A backup being written."""

    def __init__(self, path: Path) -> None:
        """Begin beside `path`. Raises `CommandError` when something is there already."""
        if path.exists() and (path.is_file() or any(path.iterdir())):
            raise CommandError(f"{path}: expected a name that nothing has, or an empty folder")
        self.path = path
        self.parts: list[BundlePart] = []
        self._folder = path.with_name(path.name + ".partial")
        if not path.parent.is_dir():
            raise CommandError(f"{path}: expected a folder to make it in, {path.parent} is none")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)

    @contextmanager
    def write_part(self, name: str) -> Iterator[BinaryIO]:
        """Write a part; its digest is taken as it is written."""
        with self._create_file(self._folder / name) as file:
            digested = _Digested(file)
            yield cast("BinaryIO", digested)
            file.flush()
            os.fsync(file.fileno())
        self.parts.append(digested.as_part(name))

    @contextmanager
    def path_for_part(self, name: str) -> Iterator[Path]:
        """Have a part written by somebody who needs a path; no part, if nothing lies there then.

        What else he leaves beside it is no part of the backup.
        """
        folder = self._folder / "written"
        folder.mkdir(mode=0o700)
        yield folder / name
        if (folder / name).exists():
            (folder / name).chmod(0o600)
            digested = _Digested(None)
            with (folder / name).open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    digested.write(chunk)
                os.fsync(file.fileno())
            (folder / name).rename(self._folder / name)
            self.parts.append(digested.as_part(name))
        shutil.rmtree(folder)

    def finish(self, manifest: Manifest) -> int:
        """Write the manifest, last, and give the backup its name; its size in bytes."""
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        for name, content in (
            (_MANIFEST, text),
            (_SEAL, hashlib.sha256(text).hexdigest().encode() + b"\n"),
        ):
            with self._create_file(self._folder / name) as file:
                file.write(content)
        size = sum(file.stat().st_size for file in self._folder.iterdir())
        if self.path.suffix == _TAR:
            self._into_tar()
        else:
            if self.path.exists():
                self.path.rmdir()
            self._folder.rename(self.path)
        return size

    def abandon(self) -> None:
        """Remove the unfinished folder and all in it, as far as it goes; there may be none."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _into_tar(self) -> None:
        """Move the parts into one file, each gone when it is in: the disk holds none twice."""
        whole = self._folder / "whole"
        names = sorted(file.name for file in self._folder.iterdir())
        with self._create_file(whole) as file, tarfile.open(fileobj=file, mode="w") as tar:
            for name in names:
                tar.add(self._folder / name, name)
                (self._folder / name).unlink()
        whole.rename(self.path)
        self._folder.rmdir()

    @contextmanager
    def _create_file(self, path: Path) -> Iterator[BinaryIO]:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            yield file


class Bundle:
    """A backup to be read; nothing of it is believed before `check`."""

    def __init__(self, path: Path, *, without: Collection[str] = ()) -> None:
        """Read the manifest; parts named in `without` are not wanted, whatever they are.

        Raises `CommandError` when there is no manifest, or it was changed.
        """
        self.path = path
        self._tar: tarfile.TarFile | None = None
        try:
            path.stat()
        except OSError as error:
            raise CommandError(f"{path}: expected a backup ({error.strerror})") from None
        if path.is_file():
            try:
                self._tar = tarfile.open(path, "r:")  # noqa: SIM115 (open as long as the bundle)
            except (tarfile.TarError, OSError) as error:
                raise CommandError(f"{path}: expected the tar of a backup ({error})") from None
        text, seal = self._read_whole(_MANIFEST), self._read_whole(_SEAL)
        if hashlib.sha256(text).hexdigest() != seal.decode(errors="replace").strip():
            raise CommandError(f"{path}: {_MANIFEST} is not what was written: it is damaged")
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.DecodeError as error:
            raise CommandError(f"{path}: {_MANIFEST}: {error}") from None
        if manifest.format != FORMAT:
            raise CommandError(
                f"{path}: expected a backup of format {FORMAT}, got {manifest.format}"
            )
        wanted = [part for part in manifest.parts if part.name not in without]
        self.manifest = msgspec.structs.replace(manifest, parts=wanted)

    @property
    def size(self) -> int:
        """All parts together, in bytes."""
        return sum(part.bytes for part in self.manifest.parts)

    def part_names(self) -> set[str]:
        """The parts it has."""
        return {part.name for part in self.manifest.parts}

    def check_parts(self, step: CountBytes) -> None:
        """Read every part. Raises `CommandError` naming one that is missing or was changed."""
        for part in self.manifest.parts:
            digest, count = hashlib.sha256(), 0
            with self.open_part(part.name) as file:
                while chunk := file.read(_READ_BYTES):
                    digest.update(chunk)
                    count += len(chunk)
                    step(len(chunk))
            if (count, digest.hexdigest()) != (part.bytes, part.sha256):
                raise CommandError(
                    f"{self.path}: {part.name} is not what was written"
                    f" ({count} bytes instead of {part.bytes}, or other ones): it is damaged"
                )

    @contextmanager
    def open_part(self, name: str) -> Iterator[BinaryIO]:
        """Read a part. Raises `CommandError` when it is missing."""
        try:
            opened: Any = (
                (self.path / name).open("rb") if self._tar is None else self._tar.extractfile(name)
            )
        except (OSError, KeyError, tarfile.TarError):
            opened = None
        if opened is None:
            raise CommandError(f"{self.path}: {name} is missing: the backup is not whole")
        with opened as file:
            yield file

    def _read_whole(self, name: str) -> bytes:
        with self.open_part(name) as file:
            return file.read()


class _Digested:
    """A file that counts and digests what is written into it; None: it is written already."""

    def __init__(self, file: BinaryIO | None) -> None:
        self.digest = hashlib.sha256()
        self.count = 0
        self._file = file

    def write(self, chunk: bytes) -> int:
        self.digest.update(chunk)
        self.count += len(chunk)
        return len(chunk) if self._file is None else self._file.write(chunk)

    def as_part(self, name: str) -> BundlePart:
        return BundlePart(name=name, bytes=self.count, sha256=self.digest.hexdigest())
