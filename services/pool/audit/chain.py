"""One subject's chain: every number once, every hash as stored, time forward, one leader."""

from contracts.base import LeaderElected, WriterId
from contracts.envelope import Envelope, Link, link_to, repeat_break
from services.pool.domain.violations import Violation, ViolationKind


class Chain:
    """Follows a subject from its first envelope."""

    def __init__(self, subject: str, *, elected: bool = True) -> None:
        """`elected`: its writer is elected (`evt.keys` is written by whom the fence lets)."""
        self.subject = subject
        self.link = Link()
        self._elected = elected
        self._leader = WriterId("")
        self._epoch = 0

    def audit_link(self, sequence: int, stored: bytes, envelope: Envelope) -> list[Violation]:
        """Say what is wrong with `envelope`, stored as `stored`, as the next of the subject.

        A stray has no place in the chain: the next one follows what stood before it.
        """
        if stray := self.stray_violation(sequence, envelope):
            return [stray]
        breaks = self._link_breaks(envelope)
        if self._elected:
            breaks += self._leader_breaks(envelope)
        self.link = link_to(sequence, stored, envelope)
        return [Violation(kind, self.subject, message, sequence) for kind, message in breaks]

    def stray_violation(self, sequence: int, envelope: Envelope) -> Violation | None:
        """Name an envelope that nobody folds, for its number was there already (ADR 10)."""
        why = repeat_break(self.link.number, envelope)
        return (
            Violation(ViolationKind.NUMBER_REPEATED, self.subject, why, sequence) if why else None
        )

    def _link_breaks(self, envelope: Envelope) -> list[tuple[ViolationKind, str]]:
        link, number, breaks = self.link, envelope.number, []
        if number != link.number + 1:
            breaks.append((ViolationKind.NUMBER_MISSING, f"number {number} follows {link.number}"))
        elif envelope.previous_hash != link.hash:
            message = f"number {number} does not name the hash of number {link.number} as stored"
            breaks.append((ViolationKind.CHAIN_BROKEN, message))
        if link.time is not None and envelope.time < link.time:
            message = f"number {number} at {envelope.time} follows {link.time}"
            breaks.append((ViolationKind.TIME_WENT_BACK, message))
        return breaks

    def _leader_breaks(self, envelope: Envelope) -> list[tuple[ViolationKind, str]]:
        for event in envelope.events:
            if isinstance(event, LeaderElected) and event.epoch > self._epoch:
                self._leader, self._epoch = event.writer, event.epoch
        if (envelope.writer, envelope.epoch) == (self._leader, self._epoch):
            return []
        message = (
            f"number {envelope.number} was written by {envelope.writer} of epoch "
            f"{envelope.epoch}, while {self._leader or 'nobody'} led epoch {self._epoch}"
        )
        return [(ViolationKind.STALE_LEADER, message)]
