"""The event log in JetStream.

stream    append behind the fence, read from anywhere, follow for ever
consumer  one ephemeral consumer, until it is lost
words     an envelope as stored, the state of the stream, and what may go wrong
writer    the one writer of a subject: numbers, chain, unknown outcomes
records   events as people and programs are shown them
"""

from runtime.eventlog.stream import EventLog
from runtime.eventlog.words import (
    STANDBY,
    UNWRITABLE,
    FenceError,
    LogError,
    LogUnavailableError,
    OutcomeUnknownError,
    Stored,
    StreamState,
    UnstoredError,
)

__all__ = [
    "STANDBY",
    "UNWRITABLE",
    "EventLog",
    "FenceError",
    "LogError",
    "LogUnavailableError",
    "OutcomeUnknownError",
    "Stored",
    "StreamState",
    "UnstoredError",
]
