"""The log of keys: followed from its beginning, and appended to by whichever gateway decides."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from contracts.base import KeyId, WriterId
from contracts.envelope import Envelope
from contracts.gateway import (
    AuditRecorded,
    BackupRecorded,
    KeyBounds,
    KeyChanged,
    KeyEvent,
    KeyIssued,
    KeyRevoked,
    MetricsKeyIssued,
    Scope,
    SignedOut,
    SignInLinkUsed,
    ViewerKeyIssued,
)
from contracts.subjects import EVT_KEYS
from runtime.clock import Clock
from runtime.eventlog import (
    UNWRITABLE,
    EventLog,
    FenceError,
    LogUnavailableError,
    Stored,
    UnstoredError,
)
from runtime.eventlog.writer import SubjectWriter
from runtime.process.logs import Log
from runtime.secrets import key_hash
from services.gateway.clients.keydecisions import KeyRefusal, KeyRefused, decide_event
from services.gateway.clients.keys import Key, KeyRing, KeyScope
from services.gateway.domain.errors import GatewayError

_FENCED_MAX = 50
_UNSTORED_MAX = 3
_AGAIN_S = 0.2
_EPOCH = 0
"""`evt.keys` has no leader: the fence alone orders its writers."""


_PREFIXES = {
    KeyScope.CLIENT: "sk-",
    KeyScope.ADMIN: "sk-admin-",
    KeyScope.METRICS: "sk-metrics-",
    KeyScope.VIEWER: "sk-viewer-",
}


def new_key_text(scope: KeyScope) -> str:
    """Make the text of a key: 256 random bits behind a prefix that secret scanners know."""
    return _PREFIXES[scope] + secrets.token_urlsafe(32)


class KeyWithText(NamedTuple):
    """A key with the text that opens it, told once: the log has its hash alone."""

    key: Key
    text: str


class KeyLog:
    """The ring of keys of this gateway, as true as the log it follows."""

    def __init__(self, log: EventLog, writer: WriterId, clock: Clock, logger: Log) -> None:
        """Nothing is read before `run`; `writer` names this life of this process."""
        self.ring = KeyRing(clock)
        self._log = log
        self._writer = SubjectWriter(log, EVT_KEYS, writer)
        self._reader = SubjectWriter(log, EVT_KEYS, writer)
        """Where the chain stands for `run`, which never writes."""
        self._clock = clock
        self._logger = logger
        self._deciding = asyncio.Lock()
        self.is_ready = False
        """Whether everything that was in the log when `run` began is folded."""

    def find_key(self, text: str) -> Key | None:
        """Find the key that `text` opens; None when there is none.

        Raises `GatewayError` for an unknown one while not every key is read: it may be good, and
        a client that is told otherwise does not come back.
        """
        key = self.ring.find_key(text)
        if key is None and not self.is_ready:
            message = "the keys are not read yet"
            raise GatewayError("ledger_unavailable", message, retry_after_s=1)
        return key

    async def run(self) -> None:
        """Follow the log for ever: a change anywhere is in force here when this has folded it."""
        target = await self._last_sequence()
        if target <= self.ring.version:
            self.is_ready = True
        async for batch in self._log.follow_from([EVT_KEYS], self.ring.version):
            for stored in batch:
                self._fold_stored(stored, self._reader.note_stored(stored))
            if self.ring.version >= target:
                self.is_ready = True

    async def issue_key(
        self, name: str, scope: KeyScope | Scope, bounds: KeyBounds, by: str
    ) -> KeyWithText | KeyRefused:
        """Issue a key; its text is returned here and never again. Raises `LogUnavailableError`.

        Those that only read are events of their own, and have no bounds.
        """
        key_id = KeyId(f"key_{secrets.token_hex(8)}")
        text = new_key_text(KeyScope(scope))
        hashed = key_hash(text)
        wanted: KeyEvent
        if scope == KeyScope.METRICS:
            wanted = MetricsKeyIssued(key_id=key_id, key_hash=hashed, name=name, by=by)
        elif scope == KeyScope.VIEWER:
            wanted = ViewerKeyIssued(key_id=key_id, key_hash=hashed, name=name, by=by)
        else:
            wanted = KeyIssued(
                key_id=key_id,
                key_hash=hashed,
                name=name,
                scope=Scope(scope),
                bounds=bounds,
                by=by,
            )
        decided = await self._append_decided(key_id, lambda: wanted)
        return decided if isinstance(decided, KeyRefused) else KeyWithText(decided, text)

    async def change_key(
        self, key_id: KeyId, name: str | None, bounds: KeyBounds | None, by: str
    ) -> Key | KeyRefused:
        """Change a key's name or bounds. Raises `LogUnavailableError`."""
        wanted = KeyChanged(key_id=key_id, name=name, bounds=bounds, by=by)
        return await self._append_decided(key_id, lambda: wanted)

    async def rotate_key(
        self, key_id: KeyId, by: str, grace_s: float = 0.0
    ) -> KeyWithText | KeyRefused:
        """Give a key a new text; the old one opens it for `grace_s` more, by default not at all.

        Raises `LogUnavailableError`.
        """
        text = ""
        old_until = self._clock() + timedelta(seconds=grace_s) if grace_s else None

        def wanted_event() -> KeyEvent:
            nonlocal text
            key = self.ring.key_of(key_id)
            text = new_key_text(KeyScope.CLIENT if key is None else key.scope)
            return KeyChanged(key_id=key_id, key_hash=key_hash(text), old_until=old_until, by=by)

        decided = await self._append_decided(key_id, wanted_event)
        return decided if isinstance(decided, KeyRefused) else KeyWithText(decided, text)

    async def revoke_key(self, key_id: KeyId, reason: str, by: str) -> Key | KeyRefused:
        """Revoke a key; doing so twice is no error. Raises `LogUnavailableError`."""
        wanted = KeyRevoked(key_id=key_id, reason=reason, by=by)
        return await self._append_decided(key_id, lambda: wanted)

    async def note_link_used(self, used: SignInLinkUsed) -> Key | KeyRefused:
        """Use a link, or refuse because it was used. Raises `LogUnavailableError`."""
        return await self._append_decided(used.key_id, lambda: used)

    async def note_signed_out(self, ended: SignedOut) -> None:
        """End a sign-in, here and on every other gateway. Raises `LogUnavailableError`."""
        await self._append_decided(ended.key_id, lambda: ended)

    async def record_operation(self, done: AuditRecorded | BackupRecorded) -> None:
        """Note what an operator did with the log. Raises `LogUnavailableError`."""
        await self._append_decided(KeyId(done.by), lambda: done)

    async def _append_decided(
        self, key_id: KeyId, wanted: Callable[[], KeyEvent]
    ) -> Key | KeyRefused:
        """Decide on what the log says now, append, fold; decide again when fenced.

        Refusals too follow a look at the log, so that none comes from a ring that is behind.
        """
        unstored = 0
        async with self._deciding:
            for _ in range(_FENCED_MAX):
                for stored in await self._writer.stored_behind():
                    self._fold_stored(stored, self._writer.note_stored(stored))
                decision = decide_event(self.ring, wanted())
                if isinstance(decision, KeyRefused):
                    return decision
                try:
                    if decision is not None:
                        await self._append_event(decision)
                except UnstoredError:
                    unstored += 1
                    if unstored == _UNSTORED_MAX:
                        raise LogUnavailableError(UNWRITABLE) from None
                except FenceError as error:
                    self._logger.info("key_decision_fenced", reason=str(error))
                else:
                    return self._current_key(key_id)
        raise LogUnavailableError(f"{EVT_KEYS}: other gateways were faster {_FENCED_MAX} times")

    async def _append_event(self, event: KeyEvent) -> None:
        """Append one event and fold it.

        Raises `FenceError` when another gateway was faster, `UnstoredError` when the log stored
        nothing, and `LogUnavailableError`.
        """
        now = self._writer.next_instant(self._clock())
        sequence = await self._writer.append_events([event], now)
        link = self._writer.link
        own = Envelope(
            writer=self._writer.writer,
            epoch=_EPOCH,
            number=link.number,
            time=now,
            previous_hash="",
            events=[event],
        )
        self.ring.apply_envelope(sequence, own)
        by = getattr(event, "by", "")
        key_id = getattr(event, "key_id", by)
        self._logger.info("key_event", kind=type(event).__name__, key_id=key_id, by=by)

    def _fold_stored(self, stored: Stored, seen: Envelope | None) -> None:
        if seen is None:
            self._logger.error("stray_message", subject=EVT_KEYS, sequence=stored.sequence)
            self.ring.skip_sequence(stored.sequence)
        else:
            self.ring.apply_envelope(stored.sequence, seen)

    def _current_key(self, key_id: KeyId) -> Key | KeyRefused:
        key = self.ring.key_of(key_id)
        return key or KeyRefused(KeyRefusal.UNKNOWN, f"there is no key {key_id}")

    async def _last_sequence(self) -> int:
        """Ask, until it is known, how far the subject goes."""
        while True:
            try:
                last = await self._log.last_stored(EVT_KEYS)
            except LogUnavailableError as error:
                self._logger.warning("keys_unreadable", reason=str(error))
                await asyncio.sleep(_AGAIN_S)
                continue
            return 0 if last is None else last.sequence
