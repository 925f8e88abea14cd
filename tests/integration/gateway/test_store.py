"""The log of keys on a real nats-server: two gateways, one truth."""

import asyncio
import gc
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from contracts import envelope
from contracts.base import KeyId
from contracts.gateway import KeyBounds, KeyIssued, Scope
from contracts.subjects import EVT_KEYS
from runtime.eventlog import EventLog, LogUnavailableError, OutcomeUnknownError
from runtime.nats import natsserver, streams
from runtime.process import lifecycle
from services.gateway.clients.keydecisions import KeyRefusal, KeyRefused
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.domain.errors import GatewayError
from services.gateway.store import KeyLog, new_key_text
from tests.integration.gateway.keylog import FREE, following, issue, key_log
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def chain(client: Client) -> list[envelope.Envelope]:
    """Read the subject and check that every envelope follows the one before."""
    log = EventLog(client)
    last = await log.last_stored(EVT_KEYS)
    found: list[envelope.Envelope] = []
    link = envelope.Link()
    async for batch in log.read_range(EVT_KEYS, 0, last.sequence if last else 0):
        for stored in batch:
            one = envelope.decode_envelope(stored.body)
            assert envelope.chain_break(link, one) is None
            link = envelope.link_to(stored.sequence, stored.body, one)
            found.append(one)
    return found


async def test_key_issued_at_one_gateway_opens_at_both(nats_client: Client) -> None:
    one, two = key_log(nats_client, "one"), key_log(nats_client, "two")
    async with following(one, two):
        key, text = await issue(one, "app")

        assert one.ring.find_key(text) == key
        await until(lambda: two.ring.find_key(text) == key)


async def test_revoked_key_opens_at_no_gateway(nats_client: Client) -> None:
    one, two = key_log(nats_client, "one"), key_log(nats_client, "two")
    async with following(one, two):
        key, text = await issue(one, "app")
        await until(lambda: two.ring.find_key(text))

        revoked = await two.revoke_key(key.key_id, "lost", "test")

        assert isinstance(revoked, Key)
        assert revoked.revoked
        assert two.ring.find_key(text) is None
        await until(lambda: one.ring.find_key(text) is None)


async def test_rotated_key_has_a_new_text_and_its_old_name(nats_client: Client) -> None:
    log = key_log(nats_client, "one")
    async with following(log):
        key, old = await issue(log, "app", Scope.ADMIN)

        rotated = await log.rotate_key(key.key_id, "test")

        assert isinstance(rotated, tuple)
        assert rotated[0].key_id == key.key_id
        assert rotated[1].startswith("sk-admin-")
        assert log.ring.find_key(old) is None
        assert log.ring.find_key(rotated[1]) == rotated[0]


async def test_old_text_opens_at_both_gateways_as_long_as_its_grace(nats_client: Client) -> None:
    one, two = key_log(nats_client, "one"), key_log(nats_client, "two")
    async with following(one, two):
        key, old = await issue(one, "app")

        rotated = await one.rotate_key(key.key_id, "test", grace_s=3600)
        assert isinstance(rotated, tuple)
        await until(lambda: two.ring.find_key(rotated[1]))
        still = [log.ring.find_key(old) for log in (one, two)]
        await two.rotate_key(key.key_id, "test")
        await until(lambda: one.ring.find_key(rotated[1]) is None)

        assert [found.key_id if found else None for found in still] == [key.key_id] * 2
        assert [log.ring.find_key(old) for log in (one, two)] == [None, None]


async def test_changed_bounds_are_in_force_at_both(nats_client: Client) -> None:
    one, two = key_log(nats_client, "one"), key_log(nats_client, "two")
    async with following(one, two):
        key, text = await issue(one, "app")

        changed = await two.change_key(key.key_id, "renamed", KeyBounds(concurrency=2), "test")

        assert isinstance(changed, Key)
        assert (changed.name, changed.bounds.concurrency) == ("renamed", 2)
        await until(lambda: one.ring.find_key(text) == changed)


async def test_concurrent_issues_through_the_fence_are_all_in_one_chain(
    nats_client: Client,
) -> None:
    logs = [key_log(nats_client, name) for name in ("one", "two", "three")]
    async with following(*logs):
        found = await asyncio.gather(
            *(issue(log, f"app-{number}") for number in range(8) for log in logs)
        )

        assert len({key.key_id for key, _ in found}) == 24
        for log in logs:
            await until(lambda log=log: len(log.ring.all_keys()) == 24)
            assert all(log.ring.find_key(text) == key for key, text in found)
    assert len(await chain(nats_client)) == 24


async def test_of_two_admins_that_revoke_each_other_at_once_one_stays(
    nats_client: Client,
) -> None:
    one, two = key_log(nats_client, "one"), key_log(nats_client, "two")
    async with following(one, two):
        (first, _), (second, _) = [await issue(one, name, Scope.ADMIN) for name in "ab"]
        await until(lambda: len(two.ring.all_keys()) == 2)

        answers = await asyncio.gather(
            one.revoke_key(second.key_id, "", "a"), two.revoke_key(first.key_id, "", "b")
        )

        refused = [answer for answer in answers if isinstance(answer, KeyRefused)]
        assert [answer.reason for answer in refused] == [KeyRefusal.LAST_ADMIN]


async def test_refusal_comes_from_the_log_and_not_from_a_ring_that_is_behind(
    nats_client: Client,
) -> None:
    one, behind = key_log(nats_client, "one"), key_log(nats_client, "behind")
    async with following(one):
        key, _ = await issue(one, "app")

        changed = await behind.change_key(key.key_id, "renamed", None, "test")

        assert isinstance(changed, Key)
        assert changed.name == "renamed"


async def test_refused_wishes_are_not_journalled(nats_client: Client) -> None:
    log = key_log(nats_client, "one")
    async with following(log):
        nameless = await log.issue_key("", Scope.CLIENT, FREE, "test")
        unknown = await log.rotate_key(KeyId("key_none"), "test")

        assert isinstance(nameless, KeyRefused)
        assert isinstance(unknown, KeyRefused)
        assert unknown.reason is KeyRefusal.UNKNOWN
    assert await chain(nats_client) == []


async def test_neither_text_nor_hash_of_another_kind_is_in_the_log(nats_client: Client) -> None:
    log = key_log(nats_client, "one")
    async with following(log):
        _, text = await issue(log, "app")

    last = await EventLog(nats_client).last_stored(EVT_KEYS)

    assert last is not None
    assert text.encode() not in last.body
    (found,) = (await chain(nats_client))[0].events
    assert isinstance(found, KeyIssued)
    assert len(bytes.fromhex(found.key_hash)) == 32


async def test_new_gateway_is_ready_only_when_it_knows_every_key(nats_client: Client) -> None:
    old = key_log(nats_client, "old")
    async with following(old):
        found = [await issue(old, f"app-{number}") for number in range(5)]
    new = key_log(nats_client, "new")

    assert not new.is_ready

    async with following(new):
        assert new.is_ready
        assert [key.key_id for key in new.ring.all_keys()] == [key.key_id for key, _ in found]


async def test_gateway_without_any_key_in_the_log_is_ready(nats_client: Client) -> None:
    log = key_log(nats_client, "one")
    async with following(log):
        assert log.is_ready
        assert log.ring.all_keys() == []


class LostAcknowledgement(EventLog):
    """A real log whose first acknowledgement is lost after another gateway appended."""

    def __init__(self, client: Client, other: KeyLog) -> None:
        super().__init__(client)
        self.other = other
        self.lost = False

    async def append_after(self, subject: str, body: bytes, after: int) -> int:
        sequence = await super().append_after(subject, body, after)
        if not self.lost:
            self.lost = True
            await issue(self.other, "meanwhile")
            raise OutcomeUnknownError("lost")
        return sequence


async def test_key_whose_acknowledgement_was_lost_is_issued_once(nats_client: Client) -> None:
    other = key_log(nats_client, "other")
    log = key_log(nats_client, "one", LostAcknowledgement(nats_client, other))
    async with following(log, other):
        key, text = await issue(log, "app")

        assert log.ring.find_key(text) == key
    names = [event.name for one in await chain(nats_client) for event in one.events]  # type: ignore[union-attr]
    assert sorted(names) == ["app", "meanwhile"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nats-py closes no lost connection
async def test_gateway_follows_on_after_its_server_was_restarted(tmp_path: Path) -> None:
    port = natsserver.free_port()
    config = tmp_path / "nats.conf"
    config.write_text(natsserver.configuration_text(tmp_path / "nats", port, None))
    server = natsserver.start_server(config, tmp_path / "nats.log", port)
    client = await nats.connect(
        f"nats://127.0.0.1:{port}", max_reconnect_attempts=-1, reconnect_time_wait=0.05
    )
    log = key_log(client, "one")
    try:
        await streams.migrate_streams(client, 200_000_000)
        async with following(log):
            _, before = await issue(log, "before")
            server.terminate()
            server.wait(10)
            with pytest.raises(LogUnavailableError):
                await log.issue_key("meanwhile", Scope.CLIENT, FREE, "test")
            server = natsserver.start_server(config, tmp_path / "nats.log", port)
            await until(lambda: client.is_connected)

            other = key_log(client, "other")
            _, after = await issue(other, "after")

            await until(lambda: log.ring.find_key(after))
            assert log.ring.find_key(before)
    finally:
        await client.close()
        server.terminate()
        server.wait(10)
        gc.collect()


async def test_readiness_waits_for_a_log_that_is_not_there_yet(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    log = key_log(client, "one")
    task = asyncio.create_task(log.run())
    await asyncio.sleep(0.05)

    assert not log.is_ready

    await streams.migrate_streams(client, 200_000_000)

    await until(lambda: log.is_ready)
    await lifecycle.end_tasks(task)
    await client.close()


def test_texts_of_keys_never_repeat_and_name_their_scope() -> None:
    texts = {new_key_text(scope) for scope in KeyScope for _ in range(100)}

    assert len(texts) == 100 * len(KeyScope)
    assert all(len(text) >= 46 for text in texts)
    assert sum(text.startswith("sk-admin-") for text in texts) == 100
    assert sum(text.startswith("sk-metrics-") for text in texts) == 100


async def test_unknown_key_is_not_refused_before_every_key_is_read(nats_client: Client) -> None:
    _, text = await issue(key_log(nats_client, "gw-1"), "guest")
    late = key_log(nats_client, "gw-2")

    with pytest.raises(GatewayError) as refused:
        late.find_key(text)
    assert (refused.value.code, refused.value.http_status) == ("ledger_unavailable", 503)
    async with following(late):
        found = late.find_key(text)

        assert found is not None
        assert found.name == "guest"
        assert late.find_key("sk-nobody") is None
