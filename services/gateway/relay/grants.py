"""Leases that calls of this gateway wait for, as the pool delivers them.

A wait is announced before the pool is asked, for its grant may arrive together with the answer
that says to wait. A grant that nobody awaits is not lost: the pool tells it again when it is asked,
and a call that has left has had its lease cancelled.
"""

import asyncio

import msgspec
from nats.aio.msg import Msg

from contracts.base import LeaseId
from contracts.pool import DeliverGrants, Granted, GrantsDelivered
from runtime.nats.bus import Bus
from services.gateway.domain.errors import GatewayError

_decoder = msgspec.json.Decoder(DeliverGrants)
_ARRIVED = msgspec.json.encode(GrantsDelivered())


class Grants:
    """Who waits for which lease."""

    def __init__(self, client: Bus) -> None:
        """Nobody waits."""
        self._client = client
        self._expected: dict[LeaseId, asyncio.Future[Granted]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._expected)

    def expect(self, lease_id: LeaseId) -> None:
        """Keep this lease's grant when it comes, until it is forgotten."""
        if lease_id not in self._expected:
            self._expected[lease_id] = asyncio.get_running_loop().create_future()

    def forget(self, lease_id: LeaseId) -> None:
        """Keep it no more."""
        grant = self._expected.pop(lease_id, None)
        if grant is not None:
            grant.cancel()

    async def wait_for(self, lease_id: LeaseId, seconds: float) -> Granted | None:
        """Wait for the grant of an expected lease; None when it does not come in this time.

        Raises `GatewayError` when the gateway stops meanwhile.
        """
        grant = self._expected[lease_id]
        if self._closed:
            raise _stopping()
        done, _ = await asyncio.wait([grant], timeout=seconds)
        return grant.result() if done else None

    async def take_delivery(self, message: Msg) -> None:
        """Give each call that waits its lease, and say that they have arrived."""
        await self._client.publish(message.reply, _ARRIVED)
        try:
            items = _decoder.decode(message.data).items
        except msgspec.DecodeError:
            return  # of another version: it is asked for again
        for granted in items:
            grant = self._expected.get(granted.lease_id)
            if grant is not None and not grant.done():
                grant.set_result(granted)

    def close(self) -> None:
        """Let nobody wait any more: the gateway stops."""
        self._closed = True
        for grant in self._expected.values():
            if not grant.done():
                grant.set_exception(_stopping())
                grant.exception()  # asked for, so that nobody need


def _stopping() -> GatewayError:
    return GatewayError("pool_saturated", "the gateway stops: it waits for no session any more")
