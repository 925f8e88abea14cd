"""A real nats-server with the generated accounts, and what it refuses each user."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.subjects import USERS
from runtime.nats import natsserver, streams

_FENCED = {"Nats-Expected-Last-Subject-Sequence": "999999999"}


class Session:
    """One user's connection, and what the server refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def refuses(self, act: Callable[[Client], Awaitable[object]]) -> bool:
        """Whether the server calls what `act` sends a permissions violation."""
        self.refused.clear()
        with suppress(NatsError, TimeoutError):
            await act(self.client)
        # A PING may overtake what is being sent; the second comes behind it, and the server
        # answers in order: behind any refusal.
        await self.client.flush()
        await self.client.flush()
        return any("permissions violation" in told.lower() for told in self.refused)

    async def may_publish(self, subject: str, body: bytes = b"") -> bool:
        """Try it; where it is allowed, the fence keeps it out of the log."""
        publish = partial(Client.publish, subject=subject, payload=body, headers=_FENCED)
        return not await self.refuses(publish)

    async def publishes(self, subjects: Sequence[str]) -> list[str]:
        """Which of these it may publish on; all are tried at once."""

        async def act(client: Client) -> None:
            for subject in subjects:
                await client.publish(subject, b"", headers=_FENCED)

        return await self._allowed(act, subjects)

    async def hears(self, subjects: Sequence[str], queue: str = "") -> list[str]:
        """Which of these it may subscribe to; all are tried at once."""
        made = []

        async def act(client: Client) -> None:
            made.extend([await client.subscribe(subject, queue) for subject in subjects])

        allowed = await self._allowed(act, subjects)
        for subscription in made:
            with suppress(NatsError):
                await subscription.unsubscribe()
        return allowed

    async def _allowed(
        self, act: Callable[[Client], Awaitable[object]], subjects: Sequence[str]
    ) -> list[str]:
        await self.refuses(act)
        refused = " ".join(self.refused).lower()
        return [subject for subject in subjects if f'"{subject.lower()}"' not in refused]

    async def may_subscribe(self, subject: str) -> bool:
        async def act(client: Client) -> None:
            subscription = await client.subscribe(subject)
            await client.flush()
            await subscription.unsubscribe()

        return not await self.refuses(act)


@asynccontextmanager
async def session_as(url: str, user: str) -> AsyncIterator[Session]:
    session = Session()

    async def on_error(error: Exception) -> None:
        session.refused.append(str(error))

    await session.client.connect(
        url.replace("://", f"://{user}:pw-{user}@"),
        inbox_prefix=f"_INBOX_{user}".encode(),
        error_cb=on_error,
        max_reconnect_attempts=0,
    )
    yield session
    await session.client.close()


@contextmanager
def server_with_accounts(folder: Path) -> Iterator[str]:
    """A nats-server with the accounts that `migrate --secrets` writes."""
    port = natsserver.free_port()
    accounts = folder / "nats.conf"
    accounts.write_text(natsserver.accounts_text({user: f"pw-{user}" for user in USERS}))
    config = folder / "server.conf"
    config.write_text(natsserver.configuration_text(folder / "nats", port, accounts))
    process = natsserver.start_server(config, folder / "nats.log", port)
    yield f"nats://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


async def migrated(url: str) -> None:
    """Make the streams, as the user that may."""
    async with session_as(url, "migrate") as session:
        await streams.migrate_streams(session.client, 200_000_000)
