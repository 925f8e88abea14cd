"""What the pool keeps: the fold of its log, and the ciphertexts of its credentials.

Credentials lie in the KV bucket `credentials`, one key per session id, newest only; the pool
alone writes there. The revision of a ciphertext is its stream sequence. Each is stored behind the
revision that its writer knows (compare and set): a leader that was deposed, and woke up with a
ciphertext under a key that has been dropped since, would lose a session by it.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from contracts.base import SessionId
from contracts.envelope import Envelope
from contracts.pool import PoolEvent
from runtime.nats.bus import Bus
from runtime.secrets import Sealer, SealError, sealed_under
from services.pool import domain
from services.pool.bucket import (
    Ciphertext,
    CredentialBucket,
    CredentialMovedError,
)
from services.pool.domain import Pool

_IN_FLIGHT = 200
_RESEALED_AT_ONCE = 50
_SHREDDED_AT_ONCE = 50
_RESEAL_PAUSE_S = 0.1
"""So that at most 500 a second are sealed anew: calls go on beside it."""


class Unsealed(NamedTuple):
    """A ciphertext that was tried."""

    session_id: SessionId
    credential: str | None
    """None: no key opens it."""
    trouble: str


class Resealed(NamedTuple):
    """What became of the ciphertexts that were under another key than the one that seals."""

    changed: int
    """Sealed anew, by this process or another."""
    closed: int
    """Opened by no key, and left as they are."""


class PoolLedger:
    """The fold of one shard."""

    def __init__(self) -> None:
        """Start at the log's beginning."""
        self.state = Pool()
        self.policy_trouble = self.snapshot_trouble = self.supply_trouble = ""
        """Why the configured policy is not in force, why no snapshot was made when due, and why
        whoever makes sessions made none."""
        self.credentials_trouble = ""
        """Which credentials of the provisioner are of no use."""

    def apply(self, sequence: int, envelope: Envelope) -> None:
        """Take one envelope of the subject into the state."""
        domain.fold_envelope(self.state, sequence, envelope)


class CredentialStore:
    """The bucket of ciphertexts, and the revision of each."""

    def __init__(self, client: Bus, sealer: Sealer) -> None:
        """Use `client`; nothing is read yet."""
        self.revisions: dict[SessionId, int] = {}
        """Of the ciphertexts there are."""
        self.sealer = sealer
        self._bucket = CredentialBucket(client)
        self._seen = 0
        self._checked = False
        self._key_ids: dict[SessionId, str] = {}
        """Under which key each is, as far as it was seen."""
        self._waiting: dict[SessionId, str] = {}
        """What may differ from what is stored."""
        self._compared: dict[SessionId, int] = {}
        """The hash of what was compared last."""
        self._shreds = domain.DueShreds()

    async def catch_up(self) -> None:
        """Learn the revisions that changed since the last time.

        The first time one ciphertext is opened. Raises `SealError` when the master keys open none,
        and `CredentialsUnavailableError`.
        """
        trouble: SealError | None = None
        async for page in self._bucket.pages_behind(self._seen):
            for stored in page:
                self._seen = stored.revision
                self._note_stored(stored)
                # Those of a key that is not here are passed over: reading the file once is enough.
                known = trouble is None or self.sealer.has_key_of(stored.sealed)
                if stored.sealed and known and not self._checked:
                    try:
                        self.sealer.open_credential(stored.session_id, stored.sealed)
                        self._checked = True
                    except SealError as error:
                        trouble = error
        if trouble is not None and not self._checked:
            raise trouble

    def count_by_key(self) -> dict[str, int]:
        """Tell how many ciphertexts there are under each key, as far as they were seen."""
        return dict(Counter(self._key_ids.values()))

    def count_closed(self) -> int:
        """Count those seen that are sealed under a key which is not known here."""
        known = self.sealer.has_key_of
        counts = self.count_by_key().items()
        return sum(count for key_id, count in counts if not known(bytes.fromhex(key_id)))

    async def open_all(self) -> AsyncIterator[Unsealed]:
        """Try every ciphertext, in the order in which they were stored.

        Raises `CredentialsUnavailableError`.
        """
        async for session_id, sealed in self._stored_ciphertexts():
            try:
                yield Unsealed(session_id, self.sealer.open_credential(session_id, sealed), "")
            except SealError as error:
                yield Unsealed(session_id, None, str(error))

    async def count_removed(self) -> int:
        """Count the sessions whose ciphertext was taken out.

        Raises `CredentialsUnavailableError`.
        """
        pages = self._bucket.pages_behind(0)
        return sum([sum(not stored.sealed for stored in page) async for page in pages])

    async def _stored_ciphertexts(self) -> AsyncIterator[tuple[SessionId, bytes]]:
        async for page in self._bucket.pages_behind(0):
            for stored in page:
                if stored.sealed:
                    yield stored.session_id, stored.sealed

    async def put_ciphertexts(self, items: Sequence[tuple[SessionId, bytes]]) -> None:
        """Store ciphertexts; on return every one of them is acknowledged.

        Raises `CredentialsUnavailableError` when one is not; others may have been stored.
        """
        for start in range(0, len(items), _IN_FLIGHT):
            await asyncio.gather(*map(self._put_ciphertext, items[start : start + _IN_FLIGHT]))

    async def put_additions(self, items: Sequence[tuple[SessionId, bytes]], state: Pool) -> None:
        """Store those of sessions to be added; of one that is not, it goes again.

        Raises as `put_ciphertexts`.
        """
        names = (session_id for session_id, _ in items)
        unheld = [one for one in names if not domain.has_session(state, one)]
        # Beforehand: one that was removed, and is due, would go as soon as it is stored anew.
        self._shreds.expect(unheld, time.monotonic())
        await self.put_ciphertexts(items)

    def find_unheld(self, state: Pool) -> None:
        """Begin a term: know whose ciphertext is left, though removed, or never added.

        A log that names no session at all was lost, and this is what is left of it: it stays.
        """
        unheld = [one for one in self.revisions if not domain.has_session(state, one)]
        self._shreds = domain.DueShreds()
        self._shreds.expect(unheld if state.sessions else [], time.monotonic())

    def note_journalled(self, events: Iterable[PoolEvent]) -> None:
        """Know who was removed, and who was added or came back, by what is in the log now."""
        self._shreds.note_journalled(events, time.monotonic())

    async def shred_removed(self, state: Pool) -> int:
        """Take out the ciphertexts of sessions removed, or refused, a while ago; how many.

        One that is stored meanwhile is looked at again the next time. Raises as `catch_up`.
        """
        now = time.monotonic()
        shredded = 0
        for session_id in self._shreds.due(now)[:_SHREDDED_AT_ONCE]:
            revision = self.revisions.get(session_id, 0)
            # What the state says may be taken back: then it is looked at again the next time.
            if domain.has_session(state, session_id):
                continue
            if not self._shreds.is_due(session_id, now):
                continue  # it was stored, or removed anew, since
            if revision:
                try:
                    revision = await self._bucket.delete_behind(session_id, revision)
                except CredentialMovedError:
                    self._note_stored(await self._bucket.read_newest(session_id))
                    continue
                self._note_stored(Ciphertext(session_id, revision, b""))
                shredded += 1
            self._shreds.forget(session_id)
        return shredded

    async def renew_credentials(self, texts: Mapping[SessionId, str]) -> int:
        """Seal anew those that are written otherwise now, by another proxy; how many there were.

        Raises `CredentialsUnavailableError`: then they are looked at again the next time.
        """
        self._waiting |= {
            session_id: text
            for session_id, text in texts.items()
            if self._compared.get(session_id) != hash(text)
        }
        if not self._waiting:
            return 0
        other = [
            (session_id, self._waiting[session_id])
            async for session_id, sealed in self._stored_ciphertexts()
            if session_id in self._waiting
            and not self._holds(session_id, sealed, self._waiting[session_id])
        ]
        await self.put_ciphertexts(self.seal_credentials(other))
        self._compared |= {session_id: hash(text) for session_id, text in self._waiting.items()}
        self._waiting = {}
        return len(other)

    async def reseal_others(self) -> Resealed:
        """Seal anew whatever is under another key than the one that seals, some at a time.

        One that is stored meanwhile stays: it is looked at again the next time. Raises
        `CredentialsUnavailableError`.
        """
        changed = closed = 0
        async for page in self._bucket.pages_behind(0):
            sealing = self.sealer.key_ids[0]
            others = [one for one in page if one.sealed and sealed_under(one.sealed) != sealing]
            for start in range(0, len(others), _RESEALED_AT_ONCE):
                some = others[start : start + _RESEALED_AT_ONCE]
                done = await asyncio.gather(*map(self._reseal_stored, some))
                changed += sum(done)
                closed += len(done) - sum(done)
                await asyncio.sleep(_RESEAL_PAUSE_S)
        return Resealed(changed, closed)

    async def _reseal_stored(self, stored: Ciphertext) -> bool:
        """Seal one anew, unless it moved meanwhile; false when no key opens it."""
        session_id, revision, sealed = stored
        try:
            anew = self.sealer.reseal_credential(session_id, sealed)
        except SealError:
            return False
        with suppress(CredentialMovedError):
            await self._put_behind(session_id, anew, revision)
        return True

    def _holds(self, session_id: SessionId, sealed: bytes, text: str) -> bool:
        try:
            return self.sealer.open_credential(session_id, sealed) == text
        except SealError:
            return False

    def seal_credentials(
        self, fresh: Iterable[tuple[SessionId, str]]
    ) -> list[tuple[SessionId, bytes]]:
        """Encrypt credentials under the master key that seals now."""
        self.sealer.refresh()
        return [
            (session_id, self.sealer.seal_credential(session_id, text))
            for session_id, text in fresh
        ]

    async def _put_ciphertext(self, item: tuple[SessionId, bytes]) -> None:
        """Store one behind the revision that is known. Raises `CredentialsUnavailableError`."""
        session_id, sealed = item
        try:
            await self._put_behind(session_id, sealed, self.revisions.get(session_id, 0))
        except CredentialMovedError:
            newest = await self._bucket.read_newest(session_id)
            self._note_stored(newest)
            if not newest.sealed:
                await self._put_behind(session_id, sealed, newest.revision)
            # One of ours may have been stored without a word; whatever else is there stays.
            elif newest.sealed != sealed:
                raise

    async def _put_behind(self, session_id: SessionId, sealed: bytes, revision: int) -> None:
        stored = await self._bucket.store_behind(session_id, sealed, revision)
        self._note_stored(Ciphertext(session_id, stored, sealed))

    def _note_stored(self, stored: Ciphertext) -> None:
        """Know what is stored for a session."""
        session_id, revision, sealed = stored
        if sealed:
            self.revisions[session_id] = revision
            # One text for all of a key: there may be 100,000.
            self._key_ids[session_id] = sys.intern(sealed_under(sealed))
        else:
            self.revisions.pop(session_id, None)
            self._key_ids.pop(session_id, None)
