"""The event log read to its end by a verb: as the NATS user `auditor`, with a progress bar."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from nats.aio.client import Client

from contracts import envelope
from contracts.envelope import Envelope
from runtime.environment import Environment
from runtime.eventlog import EventLog, LogUnavailableError, Stored
from runtime.nats.connection import connect_as
from tidegate.console import output

_SILENCE_MAX_S = 20.0


@asynccontextmanager
async def auditor_client(environment: Environment) -> AsyncIterator[Client]:
    """Connect as the user that may read the log and ask, and do nothing else.

    Raises `SettingsError` when there is no NATS to reach.
    """
    client = await connect_as(environment, "auditor")
    try:
        yield client
    finally:
        await client.close()


async def read_log(log: EventLog, after: int, last: int, what: str) -> AsyncIterator[Stored]:
    """Yield every envelope of the log behind `after`, up to `last`, which must be in it.

    Raises `LogUnavailableError` when the log falls silent before `last`.
    """
    if last <= after:
        return
    with output.progress_bar(what, last - after) as moved:
        seen = after
        batches = log.read_range("evt.>", after, last)
        while True:
            try:
                batch = await asyncio.wait_for(anext(batches, None), _SILENCE_MAX_S)
            except TimeoutError:
                message = f"the event log fell silent for {_SILENCE_MAX_S:g} s before its end"
                raise LogUnavailableError(message) from None
            if batch is None:
                return
            for stored in batch:
                yield stored
            moved(batch[-1].sequence - seen)
            seen = batch[-1].sequence


class EnvelopeReader:
    """Decodes envelopes for whoever folds them: strays are passed over (ADR 10)."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._numbers: dict[str, int] = {}

    def decode_next(self, stored: Stored) -> Envelope | None:
        """Decode the next envelope; None when it is none, or its number was there already."""
        decoded = decode_envelope(stored)
        if decoded is None or envelope.repeat_break(self._numbers.get(stored.subject, 0), decoded):
            return None
        self._numbers[stored.subject] = decoded.number
        return decoded


def decode_envelope(stored: Stored) -> Envelope | None:
    """Decode an envelope; None when the bytes are none."""
    try:
        return envelope.decode_envelope(stored.body)
    except msgspec.DecodeError:
        return None
