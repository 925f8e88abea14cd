"""What every message is made of: ids, instants, quota days, and the three kinds of message."""

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Literal, NewType

import msgspec

RequestId = NewType("RequestId", str)
"""UUIDv7 minted by a gateway; one client call."""
LeaseId = NewType("LeaseId", str)
"""`<request id>.<lease number>`: see `lease_id`."""
SessionId = NewType("SessionId", str)
"""Opaque pool id of one upstream credential; never the credential."""
AccountId = NewType("AccountId", str)
"""Name of what owns quota; empty: the session's own account, which has no name."""
ServerId = NewType("ServerId", str)
KeyId = NewType("KeyId", str)
GatewayId = NewType("GatewayId", str)
WriterId = NewType("WriterId", str)
"""One life of one writing process."""
ServiceType = NewType("ServiceType", str)
"""`image`, `video`, `avatar`, or one that the configuration adds."""
QuotaDay = NewType("QuotaDay", str)
"""ISO date in the quota time zone on which the day began, at its reset hour."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware moment; UTC wherever Tidegate makes one."""
PRODUCT_VERSION = "0.2.0"
"""What this is, as `pyproject.toml` says it."""
NUMBER_MAX = 2**53 - 1
"""The greatest number that a command or a setting may bring: every reader of JSON keeps it exact.

Events have no such bound: whatever an earlier version let in stands in its logs.
"""
Count = Annotated[int, msgspec.Meta(ge=0)]
FailedCode = Literal[
    "bad_request",
    "not_found",
    "conflict",
    "not_leader",
    "ledger_unavailable",
    "rebuilding",
    "internal",
    "bad_reply",
]
"""Why a command could not be handled; `bad_reply` is made by whoever cannot read the answer."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """A past-tense fact of the log; grows only by defaulted fields."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """An imperative that its owner may refuse."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The answer to a command; an expected refusal is one too."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a message, never sent alone."""


class Failed(Reply, frozen=True, kw_only=True, tag="failed"):
    """The command could not be handled at all.

    `code` is one of `bad_request`, `not_found`, `conflict` (with what is so already), `not_leader`,
    `ledger_unavailable`, `rebuilding` (analytics makes its figures anew), `internal`; `message`
    names what was wrong and what was expected.
    """

    code: str
    message: str

    if TYPE_CHECKING:
        # Other versions may say other codes, so any is decoded; our own are spelt as they must be.
        def __init__(self, *, code: FailedCode, message: str) -> None: ...


class Ping(Command, frozen=True, kw_only=True, tag="ping"):
    """Ask whether a leader is there.

    To the pool, gateways and standbys say with it who they are, and which master keys they have.
    """

    process: str = ""
    """Who asks, and on which host."""
    key_ids: list[str] = []
    """The ids of its master keys; the first seals."""


class Pong(Reply, frozen=True, kw_only=True, tag="pong"):
    """The leader's word: who it is, since which epoch, and how far its log goes.

    On `ctl.*` a new leader says it unasked, once its doors are open.
    """

    writer: WriterId
    epoch: int
    sequence: int
    unwritable_s: float = 0.0
    """Seconds for which the log has taken no write; 0 unless it is ten or more."""
    trouble: str = ""
    """Why what it answers is not up to date; empty when it is, or when it does not say."""


class LeaderElected(Event, frozen=True, kw_only=True, tag="leader_elected"):
    """`writer` writes this subject from here on, until another is elected."""

    writer: WriterId
    epoch: int


def day_of(text: str) -> date | None:
    """Read a day as it is written everywhere, 2026-01-31; None for anything else.

    Python alone takes `2026-W01-1` too, and DuckDB does not.
    """
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def lease_id(request_id: RequestId, number: int) -> LeaseId:
    """Name the `number`-th lease (from 1) of a request."""
    return LeaseId(f"{request_id}.{number}")
