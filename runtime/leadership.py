"""Follow the log, be elected, lead, step down: the same for every service with one leader.

Theory of operation. Who leads is in the log alone: a `LeaderElected` behind the fence begins an
epoch, and of two candidates the fence takes one.

    following -- pings find nobody, or nothing but silence --------------> candidate
    candidate -- its `LeaderElected` is stored --------------------------> leading
              -- another was faster, or the log takes nothing -----------> following
    leading   -- the log shows a later epoch (`DeposedError`) -----------> following
              -- `resign_term`, and then `lead` returns -----------------> the end
    candidate -- it skipped events of a later version -------------------> following
    any       -- envelopes are missing (`BrokenLogError`) ---------------> the end

A follower folds its subject as it grows, so a candidate has little to read. A leader sees a later
epoch when it appends, when it looks (`prove_leadership`), or where it follows the log anyway.

`leading` says that `lead` runs. It is no proof: a process that was paused leads, for all it knows,
while another has been elected. Who answers from memory asks `recently_proved`.

What is ugly: `writer.epoch` is that of the last candidacy, won or not, so every follower sees
later epochs than its own and `DeposedError` is raised, and suppressed, there too. The election is
appended and folded in one step, by an envelope of our own making without its true hash: the fold
never sees what was stored. `resign_term` is for a leader: a follower that heeded nothing else
would stand once more, so whoever ends one cancels it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Protocol

import msgspec
from nats.errors import Error as NatsError

from contracts.base import LeaderElected, Ping, Pong
from contracts.envelope import Envelope, chain_break
from runtime.clock import Clock, system_clock
from runtime.eventlog import STANDBY, EventLog, FenceError, LogUnavailableError, Stored
from runtime.eventlog.writer import SubjectWriter
from runtime.leaderpings import PING_EVERY_S, LeaderPings
from runtime.nats.bus import Bus
from runtime.process import lifecycle
from runtime.process.logs import Log

PROVE_EVERY_S = 0.5
_PROOF_S = 1.0
_AGAIN_S = 0.2
_GRACE_S = 0.5
_UNFIT_AGAIN_S = 10.0


class Fold(Protocol):
    """What a leader keeps in memory."""

    def apply(self, sequence: int, envelope: Envelope) -> None:
        """Take one envelope of the subject into the state."""


class DeposedError(Exception):
    """Another leader was elected: this process may not answer any more."""


class BrokenLogError(Exception):
    """The log lacks envelopes that must be there: whoever went on would sell everything again."""


class Leadership:
    """One process's part in the leadership over one subject."""

    def __init__(
        self,
        client: Bus,
        log: EventLog,
        writer: SubjectWriter,
        fold: Fold,
        *,
        ping: str,
        clock: Clock,
        logger: Log,
        skipped: Callable[[], Iterable[str]] = tuple,
        next_ping: Callable[[], Ping] = Ping,
    ) -> None:
        """`ping` is the subject on which a leader answers; `next_ping` makes what is sent there.

        `skipped` names the tags of the subject's events that the fold did not know: whoever skipped
        one knows less than the log, and never leads.
        """
        self.writer = writer
        self.leading = False
        self.following = False
        """Whether the fold has once reached the end of the log."""
        self._pings = LeaderPings(client, ping, next_ping)
        self._client = client
        self._log = log
        self._fold = fold
        self._clock = clock
        self._logger = logger
        self._skipped = skipped
        self._resigned = False
        self._looked_at = float("-inf")

    async def serve_terms(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Follow until there is no leader, be elected, run `lead` until deposed; until resigned.

        Raises `BrokenLogError` when the log lacks what was there, and whatever `lead` raises.
        """
        while not self._resigned:
            assert not self.leading, "a term ends before another begins"
            await self._follow_until_leaderless()
            if not await self._win_election():
                continue
            assert self.writer.link.epoch == self.writer.epoch, "elected in the epoch it stood for"
            self.leading = True
            try:
                await lead()
            except DeposedError:
                self._logger.warning("deposed", epoch=self.writer.link.epoch)
            finally:
                self.leading = False

    @property
    def unfitness(self) -> str | None:
        """Say why this process must not lead; None when it may."""
        tags = ", ".join(sorted(self._skipped()))
        return (
            f"the log has events of a later version, unknown to this one: {tags}" if tags else None
        )

    @property
    def is_reachable(self) -> bool:
        """Whether the connection to NATS stands."""
        return self._client.is_connected

    @property
    def hears_leader(self) -> bool:
        """Whether another process, followed by this one, answered the last ping."""
        return self._pings.hears_leader

    @property
    def recently_proved(self) -> bool:
        """Whether this process has proved within the last second that it leads.

        By the monotonic clock, and counted from before the log was asked: the pause that matters
        may lie between the log's answer and its being read.
        """
        return self.leading and time.monotonic() < self._last_proof_at + _PROOF_S

    async def prove_leadership(self) -> bool:
        """Prove it anew unless an append or a look did so a moment ago; whether it is proved.

        Never beside an append of this process. Raises `DeposedError` and `BrokenLogError`; a log
        that cannot be reached proves nothing.
        """
        # Beside an append, what that one stored would be read here and folded twice.
        self.check_epoch()
        if self.leading and time.monotonic() >= self._last_proof_at + PROVE_EVERY_S:
            with suppress(LogUnavailableError):
                await self.read_behind()
        return self.recently_proved

    def check_epoch(self) -> None:
        """Raise `DeposedError` when a later leader was seen, whose envelopes are behind `link`.

        The fence does not tell then: whoever appends behind what it has read is let through.
        """
        if self.writer.link.epoch > self.writer.epoch:
            raise DeposedError

    @property
    def _last_proof_at(self) -> float:
        return max(self._looked_at, self.writer.fenced_at)

    def resign_term(self) -> None:
        """Do not stand again: `serve_terms` returns once `lead` has."""
        self._resigned = True

    def as_pong(self) -> Pong:
        """Answer a ping."""
        return Pong(
            writer=self.writer.writer,
            epoch=self.writer.epoch,
            sequence=self.writer.link.sequence,
            unwritable_s=self.writer.unwritable_s,
        )

    async def announce_term(self, subject: str) -> None:
        """Tell everybody that this leader's doors are open.

        What was asked of the one before it, as it died, is asked again at once.
        """
        with suppress(NatsError, ConnectionError):
            await self._client.publish(subject, msgspec.json.encode(self.as_pong()))

    def apply_stored(self, stored: Stored) -> None:
        """Fold an envelope somebody else wrote. Raises `BrokenLogError` when some are missing."""
        before = self.writer.link
        seen = self.writer.note_stored(stored)
        if seen is None:
            self._logger.error("stray_message", subject=stored.subject, sequence=stored.sequence)
            return
        break_ = chain_break(before, seen)
        # A gap is units that nobody counts; a wrong hash or time loses nothing, and is only told.
        if seen.number != before.number + 1:
            raise BrokenLogError(
                f"{stored.subject}: {break_} (sequence {stored.sequence}): restore what is missing"
            )
        if break_:
            self._logger.error("chain_broken", sequence=stored.sequence, wrong=break_)
        if seen.epoch > before.epoch:
            self._give_grace(stored)
        self._fold.apply(stored.sequence, seen)

    async def read_behind(self) -> None:
        """Fold what others wrote; without an error, this process leads at this moment.

        Raises `DeposedError` when a later epoch is among it, `BrokenLogError` when the log ends
        before what was already seen, and `LogUnavailableError`.
        """
        began = time.monotonic()
        last = await self._log.last_stored(self.writer.subject)
        end = 0 if last is None else last.sequence
        seen = self.writer.link.sequence
        # An older copy of the log was put in its place: what we answered is in none.
        if end < seen:
            raise BrokenLogError(
                f"{self.writer.subject}: the log ends at sequence {end}, but"
                f" {seen} was there: it went backwards"
            )
        async for batch in self._log.read_range(self.writer.subject, seen, end):
            for stored in batch:
                self.apply_stored(stored)
        # After all of it is folded: a follower goes on from here.
        self.check_epoch()
        # From before the log was asked: the answer is as old as the question.
        self._looked_at = began

    async def catch_up(self) -> None:
        """Do the same as `read_behind`, again and again while the log cannot be reached."""
        while True:
            try:
                return await self.read_behind()
            except LogUnavailableError as error:
                self._logger.warning("log_unavailable", reason=str(error))
                await asyncio.sleep(_AGAIN_S)

    def _give_grace(self, stored: Stored) -> None:
        """Let a leader of this moment open its doors before anybody calls it missing."""
        # By the machine's clock, not the shiftable one: the stream dated it. An old election,
        # read again at a start, is no reason to wait; a clock that is behind makes it negative.
        age = (system_clock() - stored.time).total_seconds()
        if abs(age) < _GRACE_S:
            self._pings.give_grace(_GRACE_S)

    async def _follow_until_leaderless(self) -> None:
        """Fold the subject as it grows, until nobody leads."""
        with suppress(DeposedError):
            await self.catch_up()
        self.following = True
        self._logger.info("following", sequence=self.writer.link.sequence)
        follower = asyncio.create_task(self._follow_log())
        try:
            await self._pings.until_unanswered(follower)
        finally:
            # Ended before anything is appended: two readers would move `writer.link` at once.
            await lifecycle.end_tasks(follower, again_s=_AGAIN_S)

    async def _follow_log(self) -> None:
        seen, who = self.writer.link.sequence, {"role": STANDBY, "instance": self.writer.writer}
        async for batch in self._log.follow_from([self.writer.subject], seen, who):
            for stored in batch:
                self.apply_stored(stored)

    async def _win_election(self) -> bool:
        """Stand for election: true when the log says so."""
        with suppress(DeposedError):
            await self.catch_up()
        # Another's election may have been among what was just read.
        if self._pings.in_grace:
            return False
        if unfitness := self.unfitness:
            self._logger.error("unfit_to_lead", reason=unfitness)
            await asyncio.sleep(_UNFIT_AGAIN_S)
            return False
        self.writer.epoch = self.writer.link.epoch + 1
        event = LeaderElected(writer=self.writer.writer, epoch=self.writer.epoch)
        now = self.writer.next_instant(self._clock())
        try:
            sequence = await self.writer.append_events([event], now)
        except (FenceError, LogUnavailableError) as error:
            self._logger.info("not_elected", reason=str(error))
            await asyncio.sleep(PING_EVERY_S)
            return False
        who, epoch, number = self.writer.writer, self.writer.epoch, self.writer.link.number
        elected = Envelope(
            writer=who, epoch=epoch, number=number, time=now, previous_hash="", events=[event]
        )
        self._fold.apply(sequence, elected)
        self._logger.info("elected", epoch=self.writer.epoch, sequence=sequence)
        return True
