"""How far the projection is behind the log, and whether its answers may be trusted.

Theory of operation. Two things may be wrong with an answer, and each has its own question:
`unready_reason` for what is old, `rebuild_reason` for what is too small.

    starting    -- file and stream were compared ------------------> catching up | rebuilding
    rebuilding  -- as far as the log reached when it began --------> current
    catching up -- the same ---------------------------------------> current
    current     -- too many messages behind; nothing written though
                   something is owed; the log cannot be asked -----> unready, until that is over
    any         -- a round of the projector failed ----------------> trouble, until a batch lands,
                                                                     or none is to be waited for

`checkpoint` is what the file has, `last` what the log is known to have, and `target` what it had
when this round began: while that is not reached the past is missing, behind it only the present.

What is ugly: these are five fields and no state, because they overlap. A rebuild is trouble as
well until its first batch; a log that is out of reach makes answers old, and none of them wrong.
"""

import time

_LAG_MAX = 20_000
"""Messages behind which the answers are too old to be called ready."""
_STILL_S = 30.0
"""After which answers that were owed a batch meanwhile are no longer called current."""


class Freshness:
    """What the projector knows of its own distance to the log."""

    def __init__(self) -> None:
        """Know nothing of the log."""
        self.checkpoint = 0
        """The sequence up to which the file has the log."""
        self.trouble: str | None = "starting"
        """Why the last round failed, or has not begun; None once a batch has landed since."""
        self._last = 0
        """The greatest sequence known to be in the log."""
        self._target = 0
        self._rebuilding: str | None = "the log has not been read yet"
        self._reachable = True
        self._owed_since: float | None = None
        """Since when nothing was projected though there is something to; None when there is not."""

    @property
    def lag(self) -> int:
        """Messages known to be in the log and not yet in the store."""
        return self.messages_behind(self.checkpoint)

    def messages_behind(self, sequence: int) -> int:
        """Count the messages known to be in the log behind this one."""
        return max(0, self._last - sequence)

    @property
    def rebuild_reason(self) -> str | None:
        """Say why figures would be too small, and how far they are; None when they are whole."""
        if self._rebuilding is None:
            return None
        share = f" ({self.checkpoint / self._target:.0%})" if self._target else ""
        return (
            f"the figures are being made anew: at log sequence {self.checkpoint} of"
            f" {self._target}{share}; {self._rebuilding}"
        )

    def unready_reason(self) -> str | None:
        """Say why answers are not to be trusted as current; None when they are."""
        if self.trouble is not None:
            return self.trouble
        if not self._reachable:
            return "the event log cannot be reached"
        if self.checkpoint < self._target or self.lag > _LAG_MAX:
            return f"catching up: at log sequence {self.checkpoint} of {self._last}"
        if self._owed_since is not None and time.monotonic() - self._owed_since > _STILL_S:
            return f"standing still at log sequence {self.checkpoint} of {self._last}"
        return None

    def begin_round(self, last: int) -> None:
        """Aim at the end that the log has now."""
        self._last = self._target = last

    def begin_rebuild(self, reason: str) -> None:
        """Begin at the log's beginning: the file was emptied."""
        self.trouble = f"rebuilding: {reason}"
        self._rebuilding = reason
        self.checkpoint = 0

    def resume_rebuild(self, reason: str | None) -> None:
        """Go on with figures that are too small for this reason, or are whole for None."""
        self._rebuilding = reason

    def resume_at(self, sequence: int) -> None:
        """Go on behind what the file has."""
        self.checkpoint = sequence
        if sequence >= self._target:
            self._rebuilding = None
        self._last = max(self._last, sequence)
        self._owed_since = time.monotonic() if self.lag else None

    def clear_if_current(self) -> None:
        """Have no trouble where there is nothing to wait for: no batch would come to end it."""
        if self.checkpoint >= self._target:
            self.trouble = None

    def note_batch(self, sequence: int) -> None:
        """Note that the file has the log as far as this."""
        assert sequence > self.checkpoint, "a batch has one envelope at least, behind the last"
        self.resume_at(sequence)
        self.trouble = None

    def note_arrival(self, last: int) -> None:
        """Note that the log has got as far as this."""
        self._last = max(self._last, last)

    def note_stream_end(self, last: int) -> None:
        """Note what the log said of its end when it was asked."""
        self._reachable = True
        self._last = max(self.checkpoint, last)
        if self.lag and self._owed_since is None:
            self._owed_since = time.monotonic()

    def note_unreachable(self) -> None:
        """Note that the log could not be asked."""
        self._reachable = False
