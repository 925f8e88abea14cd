"""What balancer and child say to each other: one JSON object a line, in turns."""

from typing import Any

import msgspec

from contracts.base import ServerId

Criterion = dict[str, Any]
"""`service_type`, `client_region`, `session_region` and `avoid`, as the function is given them."""
ServerFacts = dict[str, Any]
"""One server as `/api/load-balancer` shows it."""


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
