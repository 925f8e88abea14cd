"""The event log of the simulation: the five questions of `EventLog`, asked of the hub's disk."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from nats.errors import TimeoutError as NatsTimeoutError

from runtime.eventlog import (
    EventLog,
    FenceError,
    LogUnavailableError,
    OutcomeUnknownError,
    Stored,
    StreamState,
)
from tests.simulation.pool.bus import SimulatedBus
from tests.simulation.pool.disk import Fenced

_TIMEOUT_S = 1.0
_FULL_BYTES = 1_000_000


class SimulatedLog(EventLog):
    """The stream, over one connection; `read_range` is the product's own."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus
        self._disk = bus.hub.disk

    async def append_after(self, subject: str, body: bytes, after: int) -> int:
        """Store behind the fence; what is on its way may be stored however late."""
        late_s = self._bus.hub.noise.lateness_s()
        try:
            answer = await self._bus.ask_hub(
                self._disk.append, _TIMEOUT_S, subject, body, after, late_s=late_s
            )
        except NatsTimeoutError:
            raise OutcomeUnknownError("no acknowledgement") from None
        if isinstance(answer, Fenced):
            raise FenceError(f"wrong last sequence: {answer.last}")
        if answer is None:
            raise LogUnavailableError("maximum bytes exceeded")
        return int(answer)

    async def last_stored(self, subject: str) -> Stored | None:
        """Read the subject's last envelope."""
        last: Stored | None = await self._ask(self._disk.last, subject)
        return last

    async def stream_state(self) -> StreamState:
        """Tell what the stream holds; its bytes only whether it is nearly full."""
        messages, full = await self._ask(self._disk.state)
        used = _FULL_BYTES if full else 0
        return StreamState(1, messages, messages, used, _FULL_BYTES, "simulated")

    async def follow_from(
        self, subjects: Sequence[str], after: int, who: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[Stored]]:
        """Yield envelopes behind `after` as they come, in order, each once, for ever."""
        del who
        seen = after
        while True:
            try:
                batch = await self._bus.ask_hub(self._disk.read, _TIMEOUT_S, subjects, seen)
            except NatsTimeoutError:
                continue
            seen = batch[-1].sequence
            yield batch

    async def _ask(self, act: Any, *args: Any) -> Any:
        try:
            return await self._bus.ask_hub(act, _TIMEOUT_S, *args)
        except NatsTimeoutError:
            raise LogUnavailableError("no answer") from None
