"""The NATS users, each tried by its password: in, and kept out of what is not its own."""

import asyncio
from contextlib import suppress

from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.subjects import CREDENTIALS_BUCKET, SNAPSHOTS_BUCKET, TABLE, USERS
from runtime.environment import Environment
from runtime.nats.connection import nats_urls
from runtime.process.findings import DoctorFinding, fine, unchecked, wrong
from runtime.settings import SettingsError

_CONNECT_S = 3
_AREA = "permissions"
_FENCED = {"Nats-Expected-Last-Subject-Sequence": "999999999999"}
"""Where a right is open that should not be, the stream still takes nothing."""
_BUCKETS = {
    "pool": f"$KV.{CREDENTIALS_BUCKET}.doctor",
    "snapshotter": f"$KV.{SNAPSHOTS_BUCKET}.doctor",
}
"""What one user alone may write."""


async def user_findings(environment: Environment) -> list[DoctorFinding]:
    """Try every user whose password is here."""
    return list(await asyncio.gather(*(_try_user(environment, user) for user in USERS)))


async def _try_user(environment: Environment, user: str) -> DoctorFinding:
    """Connect as one user, and try to publish what it must not."""
    try:
        urls = nats_urls(environment, user)
    except SettingsError:
        return unchecked(_AREA, f"{user}: its password is not here")
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error).lower())

    client = Client()
    try:
        await client.connect(
            urls,
            inbox_prefix=f"_INBOX_{user}".encode(),
            error_cb=on_error,
            allow_reconnect=False,
            connect_timeout=_CONNECT_S,
        )
    except (NatsError, OSError, TimeoutError) as error:
        return wrong(_AREA, "nats_password_wrong", f"{user} cannot connect ({error})")
    try:
        open_ = [
            what
            for what in _forbidden_subjects(user)
            if not await _is_refused(client, what, refused)
        ]
    except (NatsError, ConnectionError, TimeoutError) as error:
        return unchecked(_AREA, f"{user}: the connection was lost ({type(error).__name__})")
    finally:
        with suppress(NatsError, ConnectionError):
            await client.close()
    if open_:
        return wrong(_AREA, "permission_open", f"{user} may publish {', '.join(open_)}")
    return fine(_AREA, f"{user}: connects, and is kept out of what is not its own")


def _forbidden_subjects(user: str) -> list[str]:
    """What this user must not write: the events of others, credentials, snapshots."""
    events = [row for row in TABLE if row.reply is None]
    others = [row for row in events if user != row.owner and user not in row.callers]
    subjects = [row.pattern.replace("*", "0") for row in others]
    return subjects + [subject for owner, subject in _BUCKETS.items() if owner != user]


async def _is_refused(client: Client, subject: str, refused: list[str]) -> bool:
    refused.clear()
    await client.publish(subject, b"", headers=_FENCED)
    # A PING may overtake what is being sent; the second comes behind it.
    await client.flush(_CONNECT_S)
    await client.flush(_CONNECT_S)
    return any("permissions violation" in error for error in refused)
