"""When the gate before the leases stands open, and when it lets calls in a few at a time.

It holds a wave back, so that the first of it reach their servers early; that wave is over soon, and
until the next one there is calm. Where more come than can be served it is never calm, holding back
gains nothing, and whoever is held back is not there to fill the batches that go to the pool. So it
opens when it has been crowded for `PATIENCE_S`, and closes at the first calm of `CALM_S`: a first
wave, which opens every connection, may take longer than that patience, and the next ones come a
few hundred milliseconds apart.
"""

PATIENCE_S = 0.12
CALM_S = 0.02


class Crowd:
    """How crowded it is, and since when; moments are monotonic seconds."""

    __slots__ = ("_since_s", "_width", "crowded", "gate_open")

    def __init__(self, width: int) -> None:
        """Nobody is there; more than `width` are a crowd."""
        self._width = width
        self._since_s = 0.0
        """When `crowded` last changed."""
        self.crowded = False
        self.gate_open = False

    def stays_open(self, count: int) -> bool:
        """Whether the gate stands open and so many are still a crowd: then nothing is to note."""
        return self.gate_open and self.crowded and count > self._width

    def note_count(self, count: int, now_s: float) -> None:
        """Note how many are there from now on, within the gate and before it."""
        waits_s = PATIENCE_S if self.crowded else CALM_S
        if self.crowded is not self.gate_open and now_s - self._since_s >= waits_s:
            self.gate_open = self.crowded
        crowded = count > self._width
        if crowded is not self.crowded:
            self.crowded, self._since_s = crowded, now_s
