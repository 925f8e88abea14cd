"""Grants for those who wait: each gateway is told of its own, once they are in the log.

What is not delivered is told when the gateway asks again, which it does every two seconds. One
thing alone is concluded here: where nobody listens to a gateway's subject any more at the first
delivery, and the grant was told nowhere else, nobody will ever use the lease; it is cancelled. A
silence concludes nothing. Whether it was told elsewhere is looked up when that is decided, in its
order among all questions (`WaitingLine.untold`): an answer that says so may be on its way already.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from contracts.base import Failed, GatewayId, LeaseId, Reply, RequestId
from contracts.pool import CancelLease, DeliverGrants, Granted, GrantsDelivered
from contracts.subjects import gateway_granted
from runtime.nats.bus import Bus
from runtime.nats.connection import NobodyThereError, UnansweredError, ask_command
from runtime.process.logs import Log
from services.pool.commits.batches import UNDELIVERED, CommandBatch
from services.pool.domain.leading.line import WaitingLine

_TIMEOUT_S, _AGAIN_S = 2.0, 0.2
_reply_decoder = msgspec.json.Decoder(GrantsDelivered | Failed)

SubmitOwn = Callable[[CommandBatch], Awaitable[Reply]]
"""Has the leader decide a batch of its own; `Failed` where that could not be journalled."""


class Deliveries:
    """Tells gateways of grants; belongs to one term, as the line does."""

    def __init__(self, client: Bus, line: WaitingLine, submit: SubmitOwn, logger: Log) -> None:
        """Nothing is under way."""
        self._client = client
        self._line = line
        self._submit = submit
        self._logger = logger
        self._tasks: set[asyncio.Task[None]] = set()

    def send_grants(self, grants: Iterable[tuple[GatewayId, Granted]]) -> None:
        """Send each gateway its grants."""
        by_gateway: defaultdict[GatewayId, list[Granted]] = defaultdict(list)
        for gateway_id, granted in grants:
            by_gateway[gateway_id].append(granted)
        for gateway_id, items in by_gateway.items():
            task = asyncio.create_task(self._deliver(gateway_id, items))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Conclude nothing any more: another leader may have told what this one has not."""
        for task in self._tasks:
            task.cancel()

    async def _deliver(self, gateway_id: GatewayId, items: list[Granted]) -> None:
        """Tell a gateway once; where nobody is there, have back what it was told nowhere else."""
        command = DeliverGrants(items=items)
        untold = self._line.untold
        try:
            await ask_command(
                self._client, gateway_granted(gateway_id), command, _reply_decoder, _TIMEOUT_S
            )
        except NobodyThereError:
            self._line.note_absent(gateway_id)
            lost = [_undelivered(one.lease_id) for one in items if one.lease_id in untold]
            if lost:
                await self._take_back(lost)
        except UnansweredError:
            pass
        finally:
            untold.difference_update(granted.lease_id for granted in items)

    async def _take_back(self, lost: list[CancelLease]) -> None:
        """Have these back, as soon as that can be journalled."""
        self._logger.warning("grants_undelivered", count=len(lost))
        while True:
            answer = await self._submit(CommandBatch(UNDELIVERED, [*lost]))
            if not isinstance(answer, Failed):
                return
            await asyncio.sleep(_AGAIN_S)


def _undelivered(lease_id: LeaseId) -> CancelLease:
    """Give a lease back of which its gateway was never told."""
    request_id, _, number = lease_id.rpartition(".")
    return CancelLease(request_id=RequestId(request_id), number=int(number), reason="undelivered")
