"""Whether the server may know of an exchange that came to nothing."""

from services.gateway.domain.failure import Failure


class TransportError(Exception):
    """An exchange without a whole answer. `failure` says why.

    TransportError
    ├── NothingSentError    no byte of the request was written: it may be sent elsewhere
    └── MaybeSentError      a byte may have reached the server: nobody knows what it did
    """

    sent: bool

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        self.detail = detail


class NothingSentError(TransportError):
    """No byte of the request was written."""

    sent = False


class MaybeSentError(TransportError):
    """The head of the request was handed to the socket, or more."""

    sent = True


TransportFailure = TransportError
"""What callers catch."""
