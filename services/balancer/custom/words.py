"""What balancer and child say to each other: one JSON object a line, in turns."""

from typing import Any

import msgspec

from contracts.base import ServerId

Criterion = dict[str, Any]
"""One call as the function is given it; `CRITERIA_KEYS` says what is in it."""
ServerFacts = dict[str, Any]
"""One server as `/api/load-balancer` shows it; `SERVER_KEYS` says what is in it."""
SERVER_KEYS = {
    "id": "its name: what the function returns",
    "url": "its address",
    "region": "where it stands, as configured; empty: nobody said",
    "healthy": "up, heard and not ejected",
    "connections": "exchanges in flight there now",
    "maxConnections": "how many it may carry, its `max_sessions`",
    "utilization": "the one divided by the other",
    "avgResponseTime": "mean time of its answers of the last minutes in ms; 0 without any",
    "successRate": "share of the last minutes' attempts for which it was not to blame, 0 to 1;"
    " `None` where nothing was tried",
    "capabilities": "a list of the service types that it names; empty: every one",
    "priority": "lower is preferred",
    "state": "`up`, `half_open` or `slow_start`: who is in another one may not be chosen",
    "reason": "the state and why, in words; empty where there is nothing to say",
}
"""What each server's dict has."""
CRITERIA_KEYS = {
    "service_type": "`image`, `video`, …; empty: any server can do the call",
    "client_region": "where the client is; empty: nobody knows",
    "session_region": "the region that the session is bound to, such as `us`; empty: none",
    "avoid": "a list of the ids at which this call was tried; they are not among the servers",
}
"""What the criteria have."""


class CallToPick(msgspec.Struct, frozen=True, kw_only=True):
    """One call: for what, and which servers may do it, by their place in the question's list."""

    criteria: Criterion
    eligible: list[int]


class PickQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One batch."""

    servers: list[ServerFacts]
    calls: list[CallToPick]


class Picks(msgspec.Struct, frozen=True, kw_only=True):
    """The ids that were returned, one a call; `fault` says what went wrong instead, once."""

    picks: list[ServerId] = []
    fault: str = ""
