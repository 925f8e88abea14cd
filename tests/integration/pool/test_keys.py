"""The master key rotated by whole pools on a real nats-server: all opens, whoever dies amid it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, Ping, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    AskKeys,
    Done,
    KeyRotationBegan,
    KeyRotationEnded,
    KeysReply,
    RotateKey,
)
from runtime.leadership import Leadership
from runtime.secrets import Sealer, SealError, key_id_of, new_key, session_identity
from services.pool.bucket import CredentialBucket, CredentialMovedError
from services.pool.keys import holders
from services.pool.settings import ProvisionerSection
from services.pool.store import CredentialStore, Resealed
from tests.integration.pool.room import KEYS, Room, ask_pool, events, pool, settings
from tests.waiting import until

pytestmark = pytest.mark.anyio
NEW_KEY = new_key()
OLD, NEW = key_id_of("old"), key_id_of(NEW_KEY)
ONE = SessionId("ses_1")


@pytest.fixture(autouse=True)
def _listen_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "LISTENED_MIN_S", 0.3)


class KeyText:
    """The key file of the processes of a test."""

    def __init__(self, *keys: str) -> None:
        self.write(*keys)

    def write(self, *keys: str) -> None:
        self.text = "\n".join(keys)

    def read(self) -> str:
        return self.text


@asynccontextmanager
async def keyed(url: str, file: KeyText, sessions: int = 20) -> AsyncIterator[Room]:
    """A pool process that reads this key file."""
    keys = (file.text, KEYS[1])
    async with pool(url, lambda: settings(sessions), keys=keys, reread=file.read) as room:
        yield room


async def ask_keys(client: Client) -> KeysReply:
    answer = await ask_pool(client, subjects.pool_keys(), AskKeys())
    assert isinstance(answer, KeysReply), answer
    return answer


async def rotate(client: Client, key_id: str = NEW) -> Done | Failed:
    command = RotateKey(key_id=key_id, by="me")
    answer: Done | Failed = await ask_pool(client, subjects.pool_rotate(), command)
    return answer


async def rotation_ended(client: Client) -> KeyRotationEnded:
    """Wait until the log has the end of a rotation."""
    async with asyncio.timeout(20):
        while not (found := await events(client, KeyRotationEnded)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert len(found) == 1
    (end,) = found
    assert isinstance(end, KeyRotationEnded)
    return end


async def credentials_of(client: Client, *keys: str) -> dict[SessionId, str | None]:
    """Every credential as these keys open it."""
    kept = CredentialStore(client, Sealer("\n".join(keys)))
    return {one.session_id: one.credential async for one in kept.open_all()}


async def test_every_credential_comes_under_the_new_key_and_none_is_lost(
    nats_url: str, nats_client: Client
) -> None:
    file = KeyText("old")
    async with keyed(nats_url, file) as room:
        await room.leading()
        before = await credentials_of(nats_client, "old")
        file.write("old", NEW_KEY)

        assert await rotate(nats_client) == Done(changed=[NEW])
        assert (await ask_keys(nats_client)).ciphertexts == {OLD: 20}, "it seals nothing yet"
        file.write(NEW_KEY, "old")
        end = await rotation_ended(nats_client)

        assert end == KeyRotationEnded(key_id=NEW, sealed=20)
        assert await credentials_of(nats_client, NEW_KEY) == before
        assert len(before) == 20
        assert None not in before.values()
        keys = await ask_keys(nats_client)
        assert (keys.key_ids, keys.ciphertexts) == ([NEW, OLD], {NEW: 20})
        assert keys.rotation is not None
        assert keys.rotation.ended_at is not None


async def test_leader_that_dies_amid_resealing_is_followed_by_one_that_goes_on(
    nats_url: str, nats_client: Client
) -> None:
    file = KeyText("old")
    async with keyed(nats_url, file, 300) as first:
        await first.leading()
        before = await credentials_of(nats_client, "old")
        file.write("old", NEW_KEY)
        async with keyed(nats_url, file, 300) as second:
            await until(lambda: second.parts.leadership.hears_leader)
            await rotate(nats_client)
            file.write(NEW_KEY, "old")
            counted = first.parts.credentials.count_by_key
            await until(lambda: 0 < counted().get(NEW, 0) < 250)

            await first.killed()

            assert await rotation_ended(nats_client) == KeyRotationEnded(key_id=NEW, sealed=300)
            assert await credentials_of(nats_client, NEW_KEY) == before
            assert len(await events(nats_client, KeyRotationBegan)) == 1


async def test_rotation_does_not_end_while_a_gateway_seals_under_the_old_key(
    nats_url: str, nats_client: Client
) -> None:
    file = KeyText(NEW_KEY, "old")
    sealing = [OLD, NEW]
    async with keyed(nats_url, file) as room:
        await room.leading()
        ping = asyncio.create_task(_keep_pinging(nats_client, sealing))
        try:
            await until(lambda: len(room.parts.rotator.holders.list_holders()) == 2)
            await rotate(nats_client)
            await asyncio.sleep(1.5)

            assert await events(nats_client, KeyRotationEnded) == []

            sealing.reverse()

            assert (await rotation_ended(nats_client)).key_id == NEW
        finally:
            ping.cancel()


async def _keep_pinging(client: Client, key_ids: list[str]) -> None:
    while True:
        await client.request(
            subjects.pool_ping(), msgspec.json.encode(Ping(process="gw-1", key_ids=key_ids))
        )
        await asyncio.sleep(0.1)


async def test_what_a_gateway_sealed_under_the_old_key_is_stored_under_the_new_one(
    nats_url: str, nats_client: Client
) -> None:
    file = KeyText(NEW_KEY, "old")
    async with keyed(nats_url, file, 1) as room:
        await room.leading()
        name = session_identity(KEYS[1], "", "secret")
        item = AddSession(session_id=name, sealed=Sealer("old").seal_credential(name, "secret"))

        added = await ask_pool(
            nats_client, subjects.pool_admin(), AddSessions(items=[item], by="me")
        )

        assert added == Done(changed=[name])
        assert (await credentials_of(nats_client, NEW_KEY))[name] == "secret"


async def test_standby_says_which_keys_it_has(nats_url: str, nats_client: Client) -> None:
    file = KeyText("old")
    async with keyed(nats_url, file) as leader:
        await leader.leading()
        async with keyed(nats_url, file) as standby:
            await until(lambda: standby.parts.leadership.hears_leader)
            file.write("old", NEW_KEY)

            await until(
                lambda: (
                    [one.key_ids for one in leader.parts.rotator.holders.list_holders()]
                    == [[OLD], [OLD, NEW]]
                )
            )

            names = [one.process for one in (await ask_keys(nats_client)).holders]
            assert names == [
                leader.parts.leadership.writer.writer,
                standby.parts.leadership.writer.writer,
            ]


async def test_rotation_to_a_key_that_the_pool_lacks_or_beside_another_is_refused(
    nats_url: str, nats_client: Client
) -> None:
    file, other = KeyText("old"), new_key()
    async with keyed(nats_url, file) as room:
        await room.leading()
        lacking = await rotate(nats_client)
        file.write("old", NEW_KEY, other)
        await rotate(nats_client)
        again = await rotate(nats_client)
        beside = await rotate(nats_client, key_id_of(other))

        assert isinstance(lacking, Failed)
        assert lacking.message == (
            f"key_id: expected a key of the pool's key file ({OLD}), got {NEW}"
        )
        assert again == Done()
        assert isinstance(beside, Failed)
        assert f"a rotation to the key {NEW} is under way since" in beside.message
        assert len(await events(nats_client, KeyRotationBegan)) == 1


async def test_rotation_whose_key_is_nowhere_gives_way_to_another(
    nats_url: str, nats_client: Client
) -> None:
    file = KeyText("old", "lost")
    async with keyed(nats_url, file) as room:
        await room.leading()
        await rotate(nats_client, key_id_of("lost"))
        file.write("old", NEW_KEY)

        assert await rotate(nats_client) == Done(changed=[NEW])


async def test_ciphertext_that_no_key_opens_neither_stops_a_rotation_nor_the_pool(
    nats_url: str, nats_client: Client
) -> None:
    foreign = Sealer("foreign").seal_credential(ONE, "x")
    await CredentialBucket(nats_client).store_behind(ONE, foreign, 0)
    file = KeyText("old")
    async with keyed(nats_url, file, 0) as alone:
        with pytest.raises(Exception, match="TIDEGATE_SECRET_KEY: expected the master key"):
            await alone.leading()
    name = session_identity(KEYS[1], "", "mine")
    mine = Sealer("old").seal_credential(name, "mine")
    await CredentialBucket(nats_client).store_behind(name, mine, 0)
    async with keyed(nats_url, file, 3) as room:
        await room.leading()
        closed = room.parts.credentials.count_closed()
        file.write(NEW_KEY, "old")
        await rotate(nats_client)

        assert await rotation_ended(nats_client) == KeyRotationEnded(key_id=NEW, sealed=4, closed=1)
        assert closed == 1
        kept = await credentials_of(nats_client, NEW_KEY)
        assert [name for name, text in kept.items() if text is None] == [ONE]
        newest = await CredentialBucket(nats_client).read_newest(ONE)
        assert newest.sealed == foreign, "it stays as it is"


async def test_rotation_ends_though_others_were_sealed_anew_by_a_leader_that_was(
    nats_url: str, nats_client: Client
) -> None:
    file = KeyText("old")
    async with keyed(nats_url, file) as room:
        await room.leading()
        file.write("old", NEW_KEY)
        await rotate(nats_client)
        await CredentialStore(nats_client, Sealer(f"{NEW_KEY}\nold")).reseal_others()
        file.write(NEW_KEY, "old")

        assert await rotation_ended(nats_client) == KeyRotationEnded(key_id=NEW, sealed=20)


async def test_look_at_a_server_that_is_behind_ends_no_rotation(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower of the stream may not have yet what this leader has stored itself."""
    file = KeyText("old")
    async with keyed(nats_url, file) as room:
        await room.leading()
        looks = 0

        async def nothing_there() -> Resealed:
            nonlocal looks
            looks += 1
            return Resealed(0, 0)

        monkeypatch.setattr(room.parts.credentials, "reseal_others", nothing_there)
        file.write(NEW_KEY, "old")
        await rotate(nats_client)
        await until(lambda: looks > 2)

        assert await events(nats_client, KeyRotationEnded) == []
        monkeypatch.undo()
        assert (await rotation_ended(nats_client)).sealed == 20


async def test_leader_that_is_not_sure_says_nothing_of_keys(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks may drop a key for what it hears."""
    async with keyed(nats_url, KeyText("old")) as room:
        await room.leading()
        monkeypatch.setattr(Leadership, "recently_proved", False)

        answer = await ask_pool(nats_client, subjects.pool_keys(), AskKeys())

        assert isinstance(answer, Failed)
        assert answer.code == "not_leader"


async def test_store_that_is_behind_overwrites_nothing(
    nats_client: Client,
) -> None:
    """A leader that was deposed wakes up with a ciphertext under a key that is dropped by now."""
    late, of_now = CredentialStore(nats_client, Sealer("old")), Sealer(f"{NEW_KEY}\nold")
    await late.put_ciphertexts(late.seal_credentials([(ONE, "secret")]))
    waiting = late.seal_credentials([(ONE, "secret"), (SessionId("ses_2"), "other")])
    now = CredentialStore(nats_client, of_now)
    await now.catch_up()
    await now.reseal_others()
    await now.put_ciphertexts(now.seal_credentials([(SessionId("ses_2"), "other")]))

    for item in waiting:
        with pytest.raises(CredentialMovedError, match="another was stored at the same time"):
            await late.put_ciphertexts([item])

    assert await credentials_of(nats_client, NEW_KEY) == {ONE: "secret", "ses_2": "other"}


async def test_what_was_stored_without_a_word_is_stored(nats_client: Client) -> None:
    kept = CredentialStore(nats_client, Sealer("old"))
    (item,) = kept.seal_credentials([(ONE, "secret")])
    stored = await CredentialBucket(nats_client).store_behind(*item, 0)

    await kept.put_ciphertexts([item])

    assert kept.revisions == {ONE: stored}


async def test_credential_that_was_taken_out_is_stored_again(nats_client: Client) -> None:
    kept, bucket = CredentialStore(nats_client, Sealer("old")), CredentialBucket(nats_client)
    await kept.put_ciphertexts(kept.seal_credentials([(ONE, "secret")]))
    await bucket.store_behind(ONE, b"", kept.revisions[ONE])
    fresh = CredentialStore(nats_client, Sealer("old"))
    await fresh.catch_up()

    assert (fresh.count_by_key(), fresh.revisions) == ({}, {})
    assert await credentials_of(nats_client, "old") == {}

    await fresh.put_ciphertexts(fresh.seal_credentials([(ONE, "again")]))

    assert await credentials_of(nats_client, "old") == {ONE: "again"}
    assert fresh.count_by_key() == {OLD: 1}


async def test_provisioned_sessions_are_sealed_under_the_key_that_is_first_now(
    nats_url: str, nats_client: Client
) -> None:
    file, size = KeyText("old"), 1
    section = ProvisionerSection(kind="generated")
    async with pool(
        nats_url,
        lambda: settings(size, max_size=9, provisioner=section),
        keys=(file.text, KEYS[1]),
        reread=file.read,
    ) as room:
        await room.leading()
        file.write(NEW_KEY, "old")
        size = 2
        await until(lambda: room.parts.ledger.state.size == 2)

        assert room.parts.credentials.count_by_key() == {OLD: 1, NEW: 1}


def test_old_key_alone_opens_nothing_of_the_new_one() -> None:
    with pytest.raises(SealError):
        Sealer("old").open_credential(ONE, Sealer(NEW_KEY).seal_credential(ONE, "secret"))
