"""The HTTP server's side: connections, what they may cost, and how they end (ADR 27).

connection  one client's connection: heads read, one request at a time, the rest waits unread
reader      bytes to requests, one message at a time
line        the way to a client, as its answer sees it
leaving     how a connection ends: behind what still comes, and when its client is gone
turn        one request of a connection and its answer, as ASGI has it
writing     heads of answers, and whole refusals
heads       what RFC 9112 makes of a head, pure
register    what all connections of a process share: how many there may be, and the one sweep
dues        what a client owes, and when it has owed it too long, pure
server      uvicorn's server around them
listening   the socket on which clients are heard

How a connection goes, request after request:

```
            head                 whole message                answered
waiting ───────────► uploading ───────────────► answering ───────────────► waiting (what was held)
                         │ answered before                     │
                         └──► the rest is read for what is     ├─ not to be kept ──► closed
                              behind it, or it is closed       └─ half-closed ─────► closed

any of them ──► deaf (what comes is thrown away) ──► lingering (all is said, its side is shut)
            ──► lost
```

What happens: the socket brings bytes, its end, its loss, or says that the client takes nothing or
takes again; the application asks for the body, writes, ends its answer, hangs up; the register
turns a client away or ends what it owes; the process ends. All of it comes on one loop, each by
itself, and after each `settle_line` says anew whether to read on: that is decided in one place, and
by what is there, never by what came last.

What is ugly: a connection's state is not one value, but the turn under way and seven flags over
three classes (`full`, `half_closed`, `deaf`, `lingering`, `paused`, and the turn's `complete` and
`answered`), for most of them are independent of each other. The answer's end begins the next
request from within the application's task (`end_turn`). And of a client that has shut its side,
nobody can tell whether it waits or is gone, without writing to it (`leaving`).
"""

from services.gateway.wire.connection import ClientConnection
from services.gateway.wire.listening import listen_on
from services.gateway.wire.register import (
    ConnectionBounds,
    ConnectionRegister,
    connection_bounds,
)
from services.gateway.wire.server import WireServer, make_server

__all__ = [
    "ClientConnection",
    "ConnectionBounds",
    "ConnectionRegister",
    "WireServer",
    "connection_bounds",
    "listen_on",
    "make_server",
]
