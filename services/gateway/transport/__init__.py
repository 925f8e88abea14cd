"""The way to a server: HTTP/1.1 that always knows whether anything was sent.

addresses    where a server is, and what its paths begin with
failures     what can go wrong, in two halves: nothing was sent, or something may have been
framing      a request as bytes: its head, and how its body is framed
answer       what comes back: the parser's view of it, and its body as a stream
connection   one socket: bytes, back-pressure, deadlines
upload       a request body of any size, while the answer is awaited
retry_after  how long a server asks to be left alone
proxy        the one on the way to servers, where there is one
pool         `Transport`: connections kept alive for each origin
question     a whole question and its whole answer, for calls that need no lease

What a caller finds: a `ServerRequest` says what is asked of whom, and for how long each silence may
last. Once its head is on its way `sent_at` is `time.monotonic()` of that moment, whatever happens
afterwards: an exchange that was cancelled without it has sent nothing. `begin_exchange` gives the
`ServerAnswer` itself. To httpx that is the `stream` of a response, whose extensions have
`connect_ms` and `reused`; its requests have `timeout` (seconds for `connect`, `first_byte`,
`idle`), `target` and, once they are sent, `sent_at` among theirs. Headers come as they came,
without blanks around their values. No cookies, no decoding, no redirects.
"""

from services.gateway.transport.answer import ServerAnswer
from services.gateway.transport.failures import (
    MaybeSentError,
    NothingSentError,
    TransportError,
    TransportFailure,
)
from services.gateway.transport.framing import ServerRequest, Waits
from services.gateway.transport.pool import Transport

__all__ = [
    "MaybeSentError",
    "NothingSentError",
    "ServerAnswer",
    "ServerRequest",
    "Transport",
    "TransportError",
    "TransportFailure",
    "Waits",
]
