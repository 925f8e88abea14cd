"""The bus between processes, as far as its users know it: ask, publish, subscribe.

In every process it is nats-py's `Client` itself, which fits this shape as it is: there is no
adapter, and nothing to pay for one. The simulation has a bus of its own, and both pass
`tests/contract/test_bus.py`. Errors are nats-py's, on either: `NoRespondersError` where nobody
listens, `TimeoutError` where nobody answers.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from nats.aio.msg import Msg


class BusSubscription(Protocol):
    """Interest in one subject; messages come one after another, in their order."""

    async def next_msg(self, timeout: float | None = 1.0) -> Msg:  # noqa: ASYNC109 (nats-py's)
        """Wait for the next message, where there is no callback. Raises nats-py's errors."""

    async def unsubscribe(self, limit: int = 0) -> None:
        """Want no more of it; what had arrived is not handled any more."""


class Bus(Protocol):
    """One process's connection to the others."""

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands; what is published meanwhile arrives with the next one."""

    def new_inbox(self) -> str:
        """Make a subject for answers that nobody else has."""

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        """Send to everybody who listens; nobody may, which `reply` hears as status 503."""

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 (nats-py's)
        *,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Send, and wait for the first answer. Raises nats-py's errors."""

    async def subscribe(
        self, subject: str, *, cb: Callable[[Msg], Awaitable[None]] | None = None
    ) -> BusSubscription:
        """Listen on a subject, or on a pattern of subjects."""

    async def flush(self, timeout: int = 10) -> None:  # noqa: ASYNC109 (nats-py's)
        """Return once the other end has seen what was sent before."""
