"""A pool that grows by a real hook, and one that does not: whole pool processes."""

from datetime import timedelta

import pytest
from nats.aio.client import Client

from contracts.base import SessionId
from contracts.pool import (
    ChangeSession,
    Granted,
    GrowthHeld,
    GrowthResumed,
    Refusal,
    Refused,
    SessionAdded,
    SessionRetired,
    SessionRevived,
    SessionsForgotten,
    SessionStatus,
)
from runtime.clock import Clock, system_clock
from services.pool import keeping
from services.pool.settings import ProvisionerSection, Settings
from tests.integration.pool.room import (
    Room,
    audit_log,
    await_events,
    end,
    events,
    image_wanted,
    lease,
    pool,
    settings,
    status,
    usage_of,
)
from tests.integration.pool.test_hook import HookServer, hook
from tests.integration.pool.test_provisioners import administer
from tests.waiting import until

pytestmark = pytest.mark.anyio


def hook_settings(server: HookServer, sessions: int, **fields: object) -> Settings:
    """A pool of this many sessions, each for two images a day, and up to ten more."""
    section = ProvisionerSection(kind="http", url=server.url)
    return settings(sessions, 2, **{"max_size": sessions + 10, "provisioner": section, **fields})


def counting_hook(wanted: list[int]) -> HookServer:
    """A hook with as many new credentials as it is asked for, and a list of what it was asked."""

    def answer(asked: dict[str, int]) -> dict[str, list[dict[str, str]]]:
        wanted.append(asked["wanted"])
        batch = len(wanted)
        names = [f"credential-{batch}-{number}" for number in range(asked["wanted"])]
        return {"credentials": [{"credential": name} for name in names]}

    return hook(answer)


async def ask_images(
    client: Client, count: int, now: Clock = system_clock
) -> list[Granted | Refused]:
    return await lease(client, *(image_wanted(asked_at=now()) for _ in range(count)))


async def set_every_status(client: Client, room: Room, new: SessionStatus) -> None:
    for session_id in [*room.parts.ledger.state.sessions]:
        await administer(client, ChangeSession(session_id=session_id, status=new, by="me"))


def clock_ahead(offset: list[float]) -> Clock:
    """A clock that is so many seconds ahead, whatever they are by then."""
    return lambda: system_clock() + timedelta(seconds=offset[0])


async def test_a_pool_that_runs_short_asks_its_hook_for_a_step_more(
    nats_url: str, nats_client: Client
) -> None:
    wanted: list[int] = []
    async with (
        counting_hook(wanted) as server,
        pool(nats_url, lambda: hook_settings(server, 10)) as room,
    ):
        await room.leading()
        await ask_images(nats_client, 16)
        before = [*wanted]

        await ask_images(nats_client, 4)
        await until(lambda: room.parts.ledger.state.places == 14)

        assert (before, wanted) == ([10], [10, 2, 2])
        assert (await status(nats_client)).places == 14
        again = await ask_images(nats_client, 8)
        assert all(isinstance(answer, Granted) for answer in again)


async def test_a_pool_grows_to_its_greatest_size_and_no_further(
    nats_url: str, nats_client: Client
) -> None:
    wanted: list[int] = []
    async with (
        counting_hook(wanted) as server,
        pool(nats_url, lambda: hook_settings(server, 1, max_size=3)) as room,
    ):
        await room.leading()
        for number in range(1, 4):
            await until(lambda size=number: room.parts.ledger.state.places == size)
            await ask_images(nats_client, 2)

        (refused,) = await ask_images(nats_client, 1)

        assert isinstance(refused, Refused)
        assert refused.reason is Refusal.QUOTA_EXHAUSTED
        assert wanted == [1, 1, 1]


async def test_sizes_move_with_the_configuration(nats_url: str, nats_client: Client) -> None:
    wanted: list[int] = []
    async with counting_hook(wanted) as server:
        current = [hook_settings(server, 2, max_size=4)]
        async with pool(nats_url, lambda: current[0]) as room:
            await room.leading()
            current[0] = hook_settings(server, 5, max_size=5)
            await until(lambda: room.parts.ledger.state.places == 5)

            current[0] = hook_settings(server, 1, max_size=3)
            await until(lambda: room.parts.ledger.state.policy.max_size == 3)
            await ask_images(nats_client, 10)
            (refused,) = await ask_images(nats_client, 1)

            assert isinstance(refused, Refused)
            assert refused.reason is Refusal.QUOTA_EXHAUSTED
            assert room.parts.ledger.state.places == 5
            assert wanted == [2, 3]


async def test_a_pool_whose_logins_are_all_refused_buys_nothing_and_says_so(
    nats_url: str, nats_client: Client
) -> None:
    wanted: list[int] = []
    async with (
        counting_hook(wanted) as server,
        pool(nats_url, lambda: hook_settings(server, 2)) as room,
    ):
        await room.leading()
        for session_id in [*room.parts.ledger.state.sessions]:
            disabled = ChangeSession(
                session_id=session_id,
                status=SessionStatus.DISABLED,
                reason="login_expired",
                by="me",
            )
            await administer(nats_client, disabled)
        await until(lambda: room.parts.ledger.state.upkeep.held is not None)
        # Told to a caller, to operators and in the log; and over once a login is believed again.
        (refused,) = await ask_images(nats_client, 1)

        assert await events(nats_client, GrowthHeld) == [
            GrowthHeld(reason="logins_refused", wanted=2)
        ]
        assert isinstance(refused, Refused)
        assert refused.reason is Refusal.CREDENTIALS_EXHAUSTED
        assert "while every login is refused" in refused.held
        assert "every login is refused" in (await status(nats_client)).growth_held
        assert wanted == [2]

        await set_every_status(nats_client, room, SessionStatus.ACTIVE)
        await until(lambda: room.parts.ledger.state.upkeep.held is None)

        assert await events(nats_client, GrowthResumed) == [GrowthResumed(reason="logins_refused")]


async def test_a_new_leader_goes_on_holding_and_says_nothing_twice(
    nats_url: str, nats_client: Client
) -> None:
    wanted: list[int] = []
    async with counting_hook(wanted) as server:
        async with pool(nats_url, lambda: hook_settings(server, 2, max_size=2)) as room:
            await room.leading()
            await set_every_status(nats_client, room, SessionStatus.RETIRED)
            await until(lambda: room.parts.ledger.state.upkeep.held is not None)
            await room.stopped()
        async with pool(nats_url, lambda: hook_settings(server, 2, max_size=2)) as room:
            await until(lambda: room.parts.leadership.leading)
            await until(lambda: room.parts.unready_reason() == "")

            (told,) = await events(nats_client, GrowthHeld)

            assert (told.reason, wanted) == ("day_used_up", [2])


async def test_a_session_that_was_disabled_is_replaced(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url, lambda: settings(2, max_size=9)) as room:
        await room.leading()
        (first, *_) = room.parts.ledger.state.sessions
        disabled = ChangeSession(
            session_id=SessionId(first), status=SessionStatus.DISABLED, reason="mine", by="me"
        )

        await administer(nats_client, disabled)
        added = await await_events(nats_client, SessionAdded, 3)

        assert len(added) == 3
        assert room.parts.ledger.state.places == 2


async def test_what_nobody_uses_retires_and_the_hook_brings_it_back(
    nats_url: str, nats_client: Client
) -> None:
    """A pool that grew to six by calls, and two days on."""
    names = [f"credential-{number}" for number in range(9)]
    offset = [0.0]
    async with hook(lambda _: {"credentials": [{"credential": name} for name in names]}) as server:
        section = ProvisionerSection(kind="http", url=server.url)
        wanted = settings(3, 1, max_size=6, refresh_threshold=0.5, provisioner=section)
        async with pool(nats_url, lambda: wanted, now=clock_ahead(offset)) as room:
            await room.leading()
            state = room.parts.ledger.state
            for answer in await ask_images(nats_client, 3):
                assert isinstance(answer, Granted)
                await end(nats_client, usage_of(answer))
            await until(lambda: state.places == 6)

            offset[0] = 2 * 86_400.0
            await until(lambda: state.places == 3)
            retired = await await_events(nats_client, SessionRetired, 3)
            assert [(event.reason, event.by_pool) for event in retired] == [("stale", True)] * 3

            for answer in await ask_images(nats_client, 3, clock_ahead(offset)):
                assert isinstance(answer, Granted)
            await until(lambda: state.places == 6)
            revived = await await_events(nats_client, SessionRevived, 3)

            assert {event.session_id for event in revived} == {
                event.session_id for event in retired
            }
            assert {event.origin for event in revived} == {"http"}
            assert len(state.sessions) == 6
            assert not (await audit_log(nats_client)).violations


async def test_no_more_than_a_hundred_retire_in_one_sweep(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that was to have 103 is to have one, and two days go by."""
    monkeypatch.setattr(keeping, "_SWEEP_EVERY_S", 1.0)
    offset, current = [0.0], [settings(103)]
    async with pool(nats_url, lambda: current[0], now=clock_ahead(offset)) as room:
        await room.leading()
        state = room.parts.ledger.state
        await until(lambda: state.places == 103)
        current[0] = settings(1)
        await until(lambda: state.policy.min_size == 1)

        offset[0] = 2 * 86_400.0
        await until(lambda: state.places < 103)
        left = state.places
        await until(lambda: state.places == 1)

        assert left == 3


async def test_of_what_retired_long_ago_the_name_alone_is_kept(
    nats_url: str, nats_client: Client
) -> None:
    offset = [0.0]
    async with pool(nats_url, lambda: settings(1, max_size=3), now=clock_ahead(offset)) as room:
        await room.leading()
        (answer,) = await ask_images(nats_client, 1)
        assert isinstance(answer, Granted)
        await end(nats_client, usage_of(answer))
        await set_every_status(nats_client, room, SessionStatus.RETIRED)

        offset[0] = 16 * 86_400.0
        await until(lambda: not room.parts.ledger.state.sessions[answer.session_id].account.days)

        assert await events(nats_client, SessionsForgotten) == [
            SessionsForgotten(session_ids=[answer.session_id])
        ]
        assert not (await audit_log(nats_client)).violations


async def test_a_hook_that_fails_just_now_counts_as_about_to_make_some(
    nats_url: str, nats_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that is used up: hope for two minutes, here for none of them in the end."""
    wanted: list[int] = []

    def answer_once(asked: dict[str, int]) -> object:
        wanted.append(asked["wanted"])
        return {"credentials": [{"credential": "one"}]} if len(wanted) == 1 else 500

    async with (
        hook(answer_once) as server,
        pool(nats_url, lambda: hook_settings(server, 1)) as room,
    ):
        await room.leading()
        await ask_images(nats_client, 2)
        await until(lambda: bool(room.parts.ledger.supply_trouble))
        (hoped,) = await ask_images(nats_client, 1)
        said = await status(nats_client)
        monkeypatch.setattr(keeping, "_HOPED_FOR", timedelta(0))
        await until(lambda: room.parts.ledger.state.provisioner_empty)
        (exhausted,) = await ask_images(nats_client, 1)

    assert isinstance(hoped, Refused)
    assert hoped.reason is Refusal.SATURATED
    assert "expected" in said.supply_trouble
    assert isinstance(exhausted, Refused)
    assert exhausted.reason is Refusal.QUOTA_EXHAUSTED
