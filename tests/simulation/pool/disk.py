"""What the nats-server of the simulation keeps on its disk: the stream of events, and a bucket."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

from contracts.subjects import CREDENTIALS_BUCKET
from runtime.eventlog import Stored
from tests.simulation.pool.loop import SimulatedLoop

EPOCH = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
"""True time at which every run begins, in seconds, but for the hours that its seed adds."""
_BATCH_MAX = 100
_OF_BUCKET = f"$KV.{CREDENTIALS_BUCKET}."

Answer = Callable[[Any], object]


class Fenced(NamedTuple):
    """An append that the fence refused: the subject's last sequence is another."""

    last: int


class BucketAnswer(NamedTuple):
    """One message that a question to the bucket is answered by."""

    body: bytes = b""
    status: str = ""
    headers: Mapping[str, str] = MappingProxyType({})


class Disk:
    """One stream of events, synced append by append."""

    def __init__(self, loop: SimulatedLoop, chance: Random, note: Callable[[str], None]) -> None:
        self.bucket = Bucket()
        self.stored: list[Stored] = []
        self.fenced = True
        """False: whatever is appended is stored (a planted bug)."""
        self.full = False
        self.slowness = 1.0
        self.origin_s = EPOCH
        self._loop = loop
        self._chance = chance
        self._note = note
        self._lasts: dict[str, Stored] = {}
        self._syncing: list[tuple[str, bytes, int]] = []
        self._free_at = 0.0
        self._readers: list[Callable[[], bool]] = []

    def append(self, answer: Answer, subject: str, body: bytes, after: int) -> None:
        """Store behind the fence; answered with the sequence, or `Fenced`, or None when full."""
        sync_s = (0.0003 + 0.002 * self._chance.random()) * self.slowness
        self._free_at = max(self._free_at, self._loop.time()) + sync_s
        appended = (subject, body, after)
        self._syncing.append(appended)
        self._loop.call_at(self._free_at, self._sync, answer, appended)

    def last(self, answer: Answer, subject: str) -> None:
        """Answer with the subject's last message."""
        answer(self._lasts.get(subject))

    def state(self, answer: Answer) -> None:
        """Answer with the number of messages, and whether the stream is full."""
        answer((len(self.stored), self.full))

    def read(self, answer: Answer, subjects: Sequence[str], after: int) -> None:
        """Answer with what is stored behind a sequence, now or as soon as there is anything."""

        def try_once() -> bool:
            behind = [
                stored
                for stored in self.stored[after:]
                if any(is_matched(stored.subject, pattern) for pattern in subjects)
            ]
            if behind:
                answer(behind[:_BATCH_MAX])
            return bool(behind)

        if not try_once():
            self._readers.append(try_once)

    def crash(self) -> None:
        """Lose what was not synced; of what was under way, a beginning may have been."""
        for appended in self._syncing[: self._chance.randrange(len(self._syncing) + 1)]:
            self._store(*appended)
        self._syncing = []
        self._readers = []
        self._free_at = 0.0

    def _sync(self, answer: Answer, appended: tuple[str, bytes, int]) -> None:
        self._syncing.remove(appended)
        answer(self._store(*appended))
        self._readers = [waiting for waiting in self._readers if not waiting()]

    def _store(self, subject: str, body: bytes, after: int) -> int | Fenced | None:
        last = self._lasts.get(subject)
        at = 0 if last is None else last.sequence
        if self.fenced and at != after:
            return Fenced(at)
        if self.full:
            return None
        now = datetime.fromtimestamp(self.origin_s + self._loop.time(), UTC)
        stored = Stored(len(self.stored) + 1, now, subject, body)
        self.stored.append(stored)
        self._lasts[subject] = stored
        self._note(f"stored {stored.sequence} {crc32(body)}")
        return stored.sequence


class Bucket:
    """Ciphertexts by session: of each the newest, by the sequence of its storing."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[int, bytes]] = {}
        self._sequence = 0

    def serve(self, subject: str, body: bytes) -> Iterator[BucketAnswer]:
        """Store a ciphertext, or read the next ones (a batch of the direct-get API)."""
        if subject.startswith(_OF_BUCKET):
            self._sequence += 1
            self._values[subject] = (self._sequence, body)
            stored = {"stream": f"KV_{CREDENTIALS_BUCKET}", "seq": self._sequence}
            yield BucketAnswer(json.dumps(stored).encode())
            return
        wanted = json.loads(body)
        behind = sorted(
            (sequence, name, value)
            for name, (sequence, value) in self._values.items()
            if sequence >= wanted["seq"]
        )
        for sequence, name, value in behind[: wanted["batch"]]:
            headers = {"Nats-Subject": name, "Nats-Sequence": str(sequence)}
            yield BucketAnswer(value, headers=headers)
        yield BucketAnswer(status="204" if behind else "404")


def is_matched(subject: str, pattern: str) -> bool:
    """Whether a pattern of NATS (`*` for one word, `>` for all the others) is of this subject."""
    words, wanted = subject.split("."), pattern.split(".")
    if wanted[-1] == ">":
        return len(words) >= len(wanted) and _fits(words, wanted[:-1])
    return len(words) == len(wanted) and _fits(words, wanted)


def _fits(words: list[str], wanted: list[str]) -> bool:
    return all(want in {"*", word} for want, word in zip(wanted, words, strict=False))
