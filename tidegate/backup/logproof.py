"""What a log is, said so that a copy can be held against it: count, digest, heads, chains."""

import hashlib
from collections.abc import Awaitable, Callable

import msgspec

from contracts import envelope
from contracts.envelope import Link
from contracts.pool import SessionAdded, SessionRetired, SessionRevived
from runtime.eventlog import EventLog, Stored
from tidegate.console import logreading

Hearer = Callable[[Stored], Awaitable[None]]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last envelope of a subject."""

    sequence: int
    number: int
    hash: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The log from its first sequence to its last; equal proofs are equal logs, byte by byte.

    `digest` is the SHA-256 of every envelope as stored, with its sequence, subject and time.
    """

    first_sequence: int
    last_sequence: int
    envelopes: int
    digest: str
    heads: dict[str, Head]
    sessions: int
    """Sessions that were ever added: each must have its ciphertext, or what marks its removal."""
    broken: list[str]
    """Where a chain does not hold."""


class Prover:
    """Feed it every envelope in order."""

    def __init__(self, *, whole: bool) -> None:
        """`whole`: the log begins with its first envelope, so every chain must too."""
        self.sessions: set[str] = set()
        self.living: set[str] = set()
        """Those of them that have not retired where the log ends."""
        self._whole = whole
        self._digest = hashlib.sha256()
        self._links: dict[str, Link] = {}
        self._broken: list[str] = []
        self._first = 0
        self._last = 0
        self._envelopes = 0

    def hear_envelope(self, stored: Stored) -> None:
        """Take the next message of the log into the digest; note one that is no envelope."""
        self._first = self._first or stored.sequence
        self._last = stored.sequence
        self._envelopes += 1
        head = f"{stored.sequence} {stored.subject} {stored.time.isoformat()} {len(stored.body)}\n"
        self._digest.update(head.encode())
        self._digest.update(stored.body)
        opened = logreading.decode_envelope(stored)
        if opened is None:
            self._broken.append(f"sequence {stored.sequence}: the stored bytes are no envelope")
            return
        link = self._links.get(stored.subject, Link() if self._whole else None)
        wrong = envelope.chain_break(link, opened) if link is not None else None
        if wrong:
            self._broken.append(f"sequence {stored.sequence} ({stored.subject}): {wrong}")
        self._links[stored.subject] = envelope.link_to(stored.sequence, stored.body, opened)
        for event in opened.events:
            if isinstance(event, SessionAdded):
                self.sessions.add(event.session_id)
            if isinstance(event, SessionAdded | SessionRevived):
                self.living.add(event.session_id)
            elif isinstance(event, SessionRetired):
                self.living.discard(event.session_id)

    def as_proof(self) -> Proof:
        """Say what was heard."""
        return Proof(
            first_sequence=self._first,
            last_sequence=self._last,
            envelopes=self._envelopes,
            digest=self._digest.hexdigest(),
            heads={
                subject: Head(sequence=link.sequence, number=link.number, hash=link.hash)
                for subject, link in sorted(self._links.items())
            },
            sessions=len(self.sessions),
            broken=self._broken,
        )


async def hear_log(
    log: EventLog, first: int, last: int, what: str, also: Hearer | None = None
) -> Prover:
    """Hear the log from `first` to `last`, which must be in it; `also` hears it in passing.

    Raises `LogUnavailableError`.
    """
    prover = Prover(whole=first <= 1)
    async for stored in logreading.read_log(log, max(first, 1) - 1, last, what):
        prover.hear_envelope(stored)
        if also is not None:
            await also(stored)
    return prover
