"""The ciphertexts of sessions that were removed, taken out by whole pools on a real nats-server."""

import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    SessionRetired,
    SessionRevived,
    SessionStatus,
)
from runtime.secrets import Sealer
from services.pool import leader
from services.pool.bucket import CredentialBucket
from services.pool.domain import Pool
from services.pool.domain.leading import shredding
from services.pool.store import CredentialStore
from tests.integration.pool.room import KEYS, ask_pool, pool, settings
from tests.unit.pool.builders import folded, session_added
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
ONE, TWO = SessionId("ses_1"), SessionId("ses_2")


@pytest.fixture(autouse=True)
def _shred_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "_SHRED_EVERY_S", 0.05)
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 0.0)


def addition_of(*names: SessionId) -> AddSessions:
    sealer = Sealer(KEYS[0])
    items = [
        AddSession(session_id=name, sealed=sealer.seal_credential(name, f"text of {name}"))
        for name in names
    ]
    return AddSessions(items=items, by="me")


async def administer(client: Client, command: AddSessions | ChangeSession) -> Done | Failed:
    answer: Done | Failed = await ask_pool(client, subjects.pool_admin(), command)
    return answer


async def remove_session(client: Client, session_id: SessionId) -> None:
    command = ChangeSession(session_id=session_id, status=SessionStatus.RETIRED, by="me")
    assert await administer(client, command) == Done(changed=[str(session_id)])


async def sealed_of(client: Client, session_id: SessionId) -> bytes:
    return (await CredentialBucket(client).read_newest(session_id)).sealed


async def until_gone(client: Client, session_id: SessionId) -> None:
    async def is_gone() -> bool:
        return not await sealed_of(client, session_id)

    await eventually(is_gone)


async def test_a_removed_session_leaves_no_ciphertext_and_comes_back_with_another(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        await administer(nats_client, addition_of(ONE, TWO))
        await remove_session(nats_client, ONE)
        await until_gone(nats_client, ONE)
        cleared = ChangeSession(session_id=ONE, status=SessionStatus.ACTIVE, by="me")
        refused = await administer(nats_client, cleared)
        back = await administer(nats_client, addition_of(ONE))
        sealed = await sealed_of(nats_client, ONE)

        assert isinstance(refused, Failed)
        assert "add its credential again" in refused.message
        assert back == Done(changed=[str(ONE)], revived=[str(ONE)])
        assert Sealer(KEYS[0]).open_credential(ONE, sealed) == f"text of {ONE}"
        assert await sealed_of(nats_client, TWO)


async def test_the_next_leader_takes_out_what_the_one_before_had_left(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 3600.0)
    async with pool(nats_url) as first:
        await first.leading()
        await administer(nats_client, addition_of(ONE, TWO))
        await remove_session(nats_client, ONE)
        await first.stopped()
    left = await sealed_of(nats_client, ONE)
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 0.0)
    async with pool(nats_url) as second:
        await second.leading()
        await until_gone(nats_client, ONE)

        assert left
        assert await sealed_of(nats_client, TWO)


async def test_the_next_leader_takes_out_what_was_stored_of_a_session_that_was_never_added(
    nats_url: str, nats_client: Client
) -> None:
    """A leader that is killed between the two leaves just this: a ciphertext that nobody names."""
    async with pool(nats_url) as first:
        await first.leading()
        await administer(nats_client, addition_of(ONE))
        await first.stopped()
    await store_with(nats_client, TWO)
    left = await sealed_of(nats_client, TWO)
    async with pool(nats_url) as second:
        await second.leading()
        await until_gone(nats_client, TWO)
        again = await administer(nats_client, addition_of(TWO))

        assert left
        assert again == Done(changed=[str(TWO)])
        assert await sealed_of(nats_client, ONE)


async def test_of_a_log_that_was_lost_the_ciphertexts_stay(nats_client: Client) -> None:
    kept = await store_with(nats_client, ONE)
    kept.find_unheld(folded())

    assert await kept.shred_removed(folded()) == 0
    kept.find_unheld(folded(session_added(TWO)))
    assert await kept.shred_removed(folded(session_added(TWO))) == 1


async def store_with(client: Client, *names: SessionId) -> CredentialStore:
    """A store whose bucket has these."""
    kept = CredentialStore(client, Sealer(KEYS[0]))
    items = addition_of(*names).items
    await kept.put_ciphertexts([(item.session_id, item.sealed) for item in items])
    return kept


def retired_pool(*back: SessionRevived) -> Pool:
    return folded(session_added(ONE), SessionRetired(session_id=ONE, reason="x"), *back)


async def test_what_is_stored_again_is_not_taken_out(
    nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added again before the log says so; said by the log; and what another process stored."""
    kept, state = await store_with(nats_client, ONE), retired_pool()
    gone = SessionRetired(session_id=ONE, reason="x")
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 3600.0)
    anew = Sealer(KEYS[0]).seal_credential(ONE, "anew, and not yet in the log")
    await kept.put_additions([(ONE, anew)], state)

    assert await kept.shred_removed(state) == 0
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 0.0)
    kept.note_journalled([gone, SessionRevived(session_id=ONE)])
    assert await kept.shred_removed(state) == 0
    kept.note_journalled([gone])
    assert await kept.shred_removed(folded(session_added(ONE))) == 0
    other = CredentialStore(nats_client, Sealer(KEYS[0]))
    await other.catch_up()
    await other.put_ciphertexts([(ONE, Sealer(KEYS[0]).seal_credential(ONE, "by another"))])
    assert await kept.shred_removed(state) == 0
    assert await sealed_of(nats_client, ONE)
    assert await kept.shred_removed(state) == 1
    assert (await sealed_of(nats_client, ONE), await kept.count_removed()) == (b"", 1)


async def test_one_that_is_due_and_is_being_added_again_does_not_go_meanwhile(
    nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shredder comes by when the new ciphertext is stored, and others of its batch are not."""
    kept, state = await store_with(nats_client, ONE), retired_pool()
    kept.note_journalled([SessionRetired(session_id=ONE, reason="x")])
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 3600.0)
    put, shredded = kept.put_ciphertexts, []

    async def put_and_shred(items: list[tuple[SessionId, bytes]]) -> None:
        await put(items)
        shredded.append(await kept.shred_removed(state))

    monkeypatch.setattr(kept, "put_ciphertexts", put_and_shred)
    await kept.put_additions([(ONE, Sealer(KEYS[0]).seal_credential(ONE, "anew"))], state)

    assert shredded == [0]
    assert await sealed_of(nats_client, ONE)


async def test_a_session_that_was_not_added_leaves_no_ciphertext(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shredding, "SHREDDED_AFTER_S", 0.5)
    async with pool(nats_url, lambda: settings(max_size=2)) as room:
        await room.leading()
        answer = await administer(nats_client, addition_of(ONE, TWO))
        await until_gone(nats_client, TWO)

        assert isinstance(answer, Done)
        assert (answer.changed, [*answer.refused]) == ([str(ONE)], [str(TWO)])
        assert await sealed_of(nats_client, ONE)


async def test_a_session_that_never_had_a_ciphertext_is_forgotten(nats_client: Client) -> None:
    kept = CredentialStore(nats_client, Sealer(KEYS[0]))
    kept.note_journalled([SessionRetired(session_id=ONE, reason="x")])

    assert await kept.shred_removed(retired_pool()) == 0
    assert await kept.count_removed() == 0


async def test_a_rotation_of_the_master_key_passes_over_what_was_taken_out(
    nats_client: Client,
) -> None:
    kept = await store_with(nats_client, ONE, TWO)
    kept.note_journalled([SessionRetired(session_id=ONE, reason="x")])
    await kept.shred_removed(retired_pool())
    kept.sealer = Sealer(f"another\n{KEYS[0]}")

    resealed = await kept.reseal_others()

    assert (resealed.changed, resealed.closed) == (1, 0)
    assert sum(kept.count_by_key().values()) == 1
