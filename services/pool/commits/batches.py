"""What waits to be decided: the batches of commands that came in, and how each is answered."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from contracts.base import Failed, Reply
from contracts.envelope import BYTES_MAX
from contracts.pool import (
    CancelAnswers,
    ChangeSession,
    ChangeSessions,
    Done,
    EndAnswers,
    LeaseAnswers,
    Refusal,
    Refused,
    RenewAnswers,
    SessionsChanged,
)
from contracts.pool.lists import LOOKED_MAX
from runtime.nats.broker import Call
from services.pool import domain
from services.pool.domain import BulkChange, Decision

Decide = Callable[[Any, Any, Any], Decision]
"""(state, one item, now) → what is journalled and answered."""

_RETRY_AFTER_S = 1.0
_EVENTS_BYTES = 1024
"""What the pool's own events beside one command take at the most."""
_CLOSING_BYTES = 64 * 1024
"""The same where a session is used up: one of some 150 bytes for each service type."""
_encoder = msgspec.json.Encoder()


def unavailable_refusal(message: str) -> Refused:
    """Refuse one lease because nothing can be journalled now."""
    return Refused(reason=Refusal.LEDGER_UNAVAILABLE, retry_after_s=_RETRY_AFTER_S, message=message)


class CommandKind(NamedTuple):
    """One sort of command: how an item is decided, and what the answers make."""

    name: str
    decide: Decide
    reply: Callable[[list[Any]], Reply]
    turned_away: Callable[[list[Any], str], Reply | None]
    """What a batch is told that cannot be decided; None: nothing, it will be sent again."""


def _admin_reply(answers: list[Any]) -> Reply:
    """Make one answer of the parts that a long command was cut into."""
    done = Done()
    for answer in answers:
        if not isinstance(answer, Done):
            failed: Reply = answer
            return failed
        done = Done(
            changed=done.changed + answer.changed,
            revived=done.revived + answer.revived,
            refused=done.refused | answer.refused,
            labelled=done.labelled + answer.labelled,
            joined=done.joined + answer.joined,
            restated=done.restated + answer.restated,
        )
    return done


LEASE = CommandKind(
    "lease",
    domain.decide_lease,
    lambda answers: LeaseAnswers(items=answers),
    lambda items, why: LeaseAnswers(items=[unavailable_refusal(why)] * len(items)),
)
END = CommandKind(
    "end",
    domain.decide_end,
    lambda answers: EndAnswers(items=[answer for answer in answers if answer is not None]),
    lambda _items, _why: None,
)
"""Items are usages, and behind them what the gateway refused itself, which is not answered."""
RENEW = CommandKind(
    "renew",
    domain.decide_renew,
    lambda answers: RenewAnswers(items=answers),
    lambda _items, _why: None,
)
CANCEL = CommandKind(
    "cancel",
    domain.decide_cancel,
    lambda answers: CancelAnswers(items=answers),
    lambda _items, _why: None,
)
UNDELIVERED = CommandKind(
    "undelivered",
    domain.decide_undelivered,
    lambda answers: CancelAnswers(items=answers),
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items are those of `CANCEL`, of leases that nobody could be told of."""


def admin_kind(origin: str) -> CommandKind:
    """Administrative commands of this origin: the API's, or a provisioner's."""
    return CommandKind(
        "admin",
        lambda state, command, now: domain.decide_admin(state, command, now, origin),
        _admin_reply,
        lambda _items, why: Failed(code="ledger_unavailable", message=why),
    )


def _bulk_reply(answers: list[Any]) -> Reply:
    """Add up what became of the stretches that a look was cut into."""
    for answer in answers:
        if not isinstance(answer, SessionsChanged):
            failed: Reply = answer
            return failed
    return SessionsChanged(
        fitting=sum(answer.fitting for answer in answers),
        changed=sum(answer.changed for answer in answers),
        next=answers[-1].next,
    )


ADMIN = admin_kind("admin")
BULK = CommandKind(
    "bulk",
    domain.decide_bulk,
    _bulk_reply,
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items are `BulkChange`."""
POLICY = CommandKind(
    "policy",
    lambda state, wanted, now: domain.decide_policy(state, wanted[0], wanted[1], wanted[2], now),
    _admin_reply,
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items are (policy, source, by)."""
ROTATION = CommandKind(
    "rotation",
    domain.decide_rotation,
    _admin_reply,
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items are `RotationWanted` or `RotationDone`."""
GROWTH = CommandKind(
    "growth",
    domain.decide_growth,
    _admin_reply,
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items say whether what adds sessions buys none."""
RETIRE_STALE = CommandKind(
    "retire_stale",
    domain.decide_retire_stale,
    lambda _answers: Done(),
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items are (session, the origin of what can be made again)."""
FORGET = CommandKind(
    "forget",
    domain.decide_forget,
    lambda _answers: Done(),
    lambda _items, why: Failed(code="ledger_unavailable", message=why),
)
"""Items are lists of sessions that retired long ago."""


def _beside_bytes(item: Any) -> int:
    """Bound the bytes of the pool's own events beside this command."""
    if isinstance(item, BulkChange):
        # Three events a session at the most, each with the reason.
        return domain.BULK_MAX * 3 * (len(_encoder.encode(item.command)) + 512)
    closing = isinstance(item, ChangeSession) and item.used_up
    return _CLOSING_BYTES if closing else _EVENTS_BYTES


def cut_change(command: ChangeSessions) -> list[BulkChange]:
    """Cut a look of sessions to change into stretches that are decided singly."""
    ends = range(command.start, command.start + LOOKED_MAX, domain.BULK_MAX)
    return [BulkChange(command, start) for start in ends]


class CommandBatch:
    """The commands of one call, and their answers as they come to stand in the log.

    Who asked within this process waits for `asked`; who asked over NATS has a `call`.
    """

    __slots__ = ("answers", "asked", "call", "dropped", "items", "kind", "left", "weight_max")

    def __init__(
        self,
        kind: CommandKind,
        items: list[Any],
        call: Call | None = None,
        asked: "asyncio.Future[Reply] | None" = None,
    ) -> None:
        """Take `items` as decoded."""
        self.kind = kind
        self.items = items
        self.call = call
        self.asked = asked
        self.answers: list[Any] = [None] * len(items)
        self.left = len(items)
        self.dropped = False
        """Nobody waits for the rest of it."""
        body = BYTES_MAX if call is None else len(call.body)
        self.weight_max = body + max(map(_beside_bytes, items), default=_EVENTS_BYTES)
        """Bound of what any one item's events take in an envelope, in bytes: all items together."""

    def item_weight(self, index: int) -> int:
        """Bound the bytes that one item's events take in an envelope, by measuring it."""
        return len(_encoder.encode(self.items[index])) + _beside_bytes(self.items[index])

    def store_answer(self, index: int, answer: Any) -> None:
        """Take one item's answer."""
        assert self.left > 0
        self.answers[index] = answer
        self.left -= 1

    @property
    def is_answered(self) -> bool:
        """Whether every item has its answer."""
        return self.left == 0

    def joint_reply(self) -> Reply:
        """The answer to the whole."""
        return self.kind.reply(self.answers)
