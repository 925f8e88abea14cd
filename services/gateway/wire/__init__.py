"""The HTTP server's side: connections, what they may cost, and how they end (ADR 27).

connection  one client's connection: heads read, one request at a time, the rest waits unread
reader      bytes to requests, one message at a time
line        the way to a client, as its answer sees it
leaving     how a connection ends: behind what still comes, and when its client is gone
turn        one request of a connection and its answer, as ASGI has it
writing     heads of answers, and whole refusals
heads       what RFC 9112 makes of a head, pure
hall        what all connections of a process share: how many there may be, and the one sweep
dues        what a client owes, and when it has owed it too long, pure
server      uvicorn's server around them
"""

from services.gateway.wire.connection import ClientConnection
from services.gateway.wire.hall import ConnectionBounds, Hall
from services.gateway.wire.server import WireServer, make_server

__all__ = ["ClientConnection", "ConnectionBounds", "Hall", "WireServer", "make_server"]
