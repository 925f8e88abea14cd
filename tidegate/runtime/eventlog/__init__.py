"""The event log in JetStream.

stream    append behind the fence, read from anywhere, follow for ever
consumer  one ephemeral consumer, until it is lost
words     an envelope as stored, the state of the stream, and what may go wrong
"""

from tidegate.runtime.eventlog.stream import EventLog
from tidegate.runtime.eventlog.words import (
    FenceError,
    LogError,
    LogUnavailableError,
    OutcomeUnknownError,
    Stored,
    StreamState,
)

__all__ = [
    "EventLog",
    "FenceError",
    "LogError",
    "LogUnavailableError",
    "OutcomeUnknownError",
    "Stored",
    "StreamState",
]
