"""Grants for those who wait: each gateway is told of its own, once they are in the log.

What is not delivered is told when the gateway asks again, which it does every two seconds. One
thing alone is concluded here: where nobody listens to a gateway's subject any more at the first
delivery, and the grant was told nowhere else, nobody will ever use the lease; it is cancelled. A
silence concludes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from contracts.base import Failed, GatewayId, LeaseId, RequestId
from contracts.pool import CancelLease, DeliverGrants, Granted, GrantsDelivered
from contracts.subjects import gateway_granted
from runtime.nats.bus import Bus
from runtime.nats.connection import NobodyThereError, UnansweredError, ask_command

_TIMEOUT_S = 2.0
_OPEN_MAX = 10_000
_reply_decoder = msgspec.json.Decoder(GrantsDelivered | Failed)

CancelOwn = Callable[[list[CancelLease]], Awaitable[object]]
"""Has the leader give leases back."""


class Deliveries:
    """Tells gateways of grants; belongs to one term."""

    def __init__(self, client: Bus, cancel: CancelOwn) -> None:
        """Nothing is under way."""
        self._client = client
        self._cancel = cancel
        self._open: set[LeaseId] = set()
        """Told for the first time just now, and nowhere else."""
        self._tasks: set[asyncio.Task[None]] = set()

    def send_grants(self, grants: Iterable[tuple[GatewayId, Granted]]) -> None:
        """Send each gateway its grants."""
        by_gateway: defaultdict[GatewayId, list[Granted]] = defaultdict(list)
        for gateway_id, granted in grants:
            by_gateway[gateway_id].append(granted)
        for gateway_id, items in by_gateway.items():
            if len(self._open) < _OPEN_MAX:
                self._open.update(granted.lease_id for granted in items)
            task = asyncio.create_task(self._deliver(gateway_id, items))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def note_told(self, lease_id: LeaseId) -> None:
        """Know that a grant was told as an answer, too: now only its gateway knows its fate."""
        self._open.discard(lease_id)

    async def _deliver(self, gateway_id: GatewayId, items: list[Granted]) -> None:
        command = DeliverGrants(items=items)
        try:
            await ask_command(
                self._client, gateway_granted(gateway_id), command, _reply_decoder, _TIMEOUT_S
            )
        except NobodyThereError:
            lost = [granted.lease_id for granted in items if granted.lease_id in self._open]
            if lost:
                await self._cancel([_undelivered(lease_id) for lease_id in lost])
        except UnansweredError:
            pass
        finally:
            self._open.difference_update(granted.lease_id for granted in items)


def _undelivered(lease_id: LeaseId) -> CancelLease:
    """Give a lease back of which its gateway was never told."""
    request_id, _, number = lease_id.rpartition(".")
    return CancelLease(request_id=RequestId(request_id), number=int(number), reason="undelivered")
