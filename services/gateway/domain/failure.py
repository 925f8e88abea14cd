"""Why an exchange with a server came to nothing, in one word."""

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
