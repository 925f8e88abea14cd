"""The log of the balancer, followed for what the servers understand."""

import msgspec

from contracts import envelope
from contracts.envelope import Envelope
from contracts.subjects import EVT_BALANCER
from runtime.eventlog import EventLog, Stored
from runtime.process.logs import Log
from services.gateway.domain.fleet import KnownFleet


class FleetLog:
    """Keeps a fleet as true as the log; strays are passed over (ADR 10)."""

    def __init__(self, log: EventLog, logger: Log) -> None:
        """Nothing is read before `run`."""
        self.fleet = KnownFleet()
        self._log = log
        self._logger = logger
        self._number = 0

    async def run(self) -> None:
        """Follow the log for ever."""
        async for batch in self._log.follow_from([EVT_BALANCER], 0):
            for stored in batch:
                seen = _read_envelope(stored)
                if seen is None or envelope.repeat_break(self._number, seen):
                    sequence = stored.sequence
                    self._logger.error("stray_message", subject=EVT_BALANCER, sequence=sequence)
                else:
                    self._number = seen.number
                    self.fleet.apply_envelope(seen)


def _read_envelope(stored: Stored) -> Envelope | None:
    """Decode an envelope; None when the bytes are none."""
    try:
        return envelope.decode_envelope(stored.body)
    except msgspec.DecodeError:
        return None
