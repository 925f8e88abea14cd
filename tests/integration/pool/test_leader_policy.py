"""What a leader says of a policy that it may not put in force, and of one that is put right."""

import msgspec
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.pool import ChangeSession, Done
from services.pool import leader
from tests.integration.pool.room import ask_pool, pool, settings, status
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_file_that_is_put_right_is_complained_of_no_more(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tier that a session has is taken out of the file, and written back as it was."""
    monkeypatch.setattr(leader, "_SETTINGS_EVERY_S", 0.05)
    with_tier = msgspec.structs.replace(settings(1), tiers={"vip": {"image": 50}})
    read = [with_tier]

    async def complaint_is(wanted: str) -> bool:
        return (await status(nats_client)).policy_trouble == wanted

    async with pool(nats_url, lambda: read[-1]) as room:
        await room.leading()
        (session_id,) = room.parts.ledger.state.sessions
        change = ChangeSession(session_id=session_id, tier="vip", by="me")
        assert isinstance(await ask_pool(nats_client, subjects.pool_admin(), change), Done)

        read.append(settings(1))
        refusal = "tiers: expected those that sessions have, but 'vip' of 1 is missing"
        await eventually(lambda: complaint_is(refusal))
        read.append(with_tier)

        assert await eventually(lambda: complaint_is(""))
        assert (await status(nats_client)).remaining == {"image": 50}
