"""What the log is made of, and what may go wrong with it.

Errors: `LogError` ← `FenceError` (somebody else wrote the subject) ← `UnstoredError` (nobody did,
but what was appended is not there), `OutcomeUnknownError` (no acknowledgement: stored or not),
`LogUnavailableError` (nothing was stored: no stream answers, or it is full).
"""

from datetime import datetime

import msgspec

UNWRITABLE = "the event log takes no writes"
"""As a reason for not being ready."""
STANDBY = "standby"
"""The role, in a consumer's metadata, of whoever follows a subject so as to lead it one day."""


class LogError(Exception):
    """The log did not do what was asked."""


class FenceError(LogError):
    """The subject's last sequence is not the expected one: nothing was stored."""


class UnstoredError(FenceError):
    """The stream acknowledged nothing, and nothing is there: it takes no writes, or is very slow.

    Should it be stored later, the fence refuses whatever was decided meanwhile.
    """


class OutcomeUnknownError(LogError):
    """No acknowledgement came: read the subject's last envelope to know."""


class LogUnavailableError(LogError):
    """The log cannot be reached or is full: nothing was stored."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One envelope as the stream holds it."""

    sequence: int
    time: datetime
    subject: str
    body: bytes
    pending: int = 0
    """Messages behind this one that the reader has still to see."""


class StreamState(msgspec.Struct, frozen=True):
    """What the stream holds, and which life of it this is (`created`)."""

    first_sequence: int
    last_sequence: int
    messages: int
    bytes: int
    bytes_max: int
    created: str
