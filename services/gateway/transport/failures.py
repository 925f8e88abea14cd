"""Why an exchange came to nothing, and whether the server may know of it."""

from enum import StrEnum


class Failure(StrEnum):
    """What went wrong, in one word."""

    REQUEST = "request"
    """The request cannot be written as HTTP/1.1."""
    DNS = "dns"
    FORBIDDEN = "forbidden_address"
    """The host has only addresses that are never a server's (`runtime.addresses`)."""
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CUT = "cut"
    """The connection ended before the answer did."""
    GARBAGE = "garbage"
    """What came is no HTTP/1.1 answer, or its head is over the limit."""
    BODY = "body"
    """The request body was not as long as its Content-Length, or gave up."""


class TransportError(Exception):
    """An exchange without a whole answer. `failure` is a `Failure`.

    TransportError
    ├── NothingSentError    no byte of the request was written: it may be sent elsewhere
    └── MaybeSentError      a byte may have reached the server: nobody knows what it did
    """

    sent: bool

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure: str = failure.value
        self.detail = detail


class NothingSentError(TransportError):
    """No byte of the request was written."""

    sent = False


class MaybeSentError(TransportError):
    """The head of the request was handed to the socket, or more."""

    sent = True


TransportFailure = TransportError
"""What callers catch."""
