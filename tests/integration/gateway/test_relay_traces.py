"""What stands in the log of calls that failed: outages by name, counts, and no lease too many."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts.gateway import KeyBounds, Scope
from contracts.pool import (
    CallsRefused,
    Free,
    Granted,
    LeaseCancelled,
    LeaseGranted,
    LeaseRefused,
    LeaseWanted,
    Refused,
    UsageRecorded,
)
from tests.integration.gateway.bench import NOBODY, Front, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
EXPIRED = saying(401, b'{"code":-2002,"message":"login expired"}')


async def test_an_outage_stands_in_the_log_by_its_name(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: NOBODY

        answer = await gate.ask()

        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_backend")
        (ended,) = await gate.journalled(LeaseCancelled)
        assert (ended.reason, ended.status, ended.error_code) == ("not_sent", 503, "no_backend")
        assert ended.error_message == answer.json()["error"]["message"]
        assert await gate.journalled(CallsRefused) == []


async def test_no_lease_is_granted_only_to_hear_whether_any_is_left(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(EXPIRED) as server,
        front(nats_client, nats_url, tmp_path, sessions=5) as gate,
    ):
        gate.chosen = lambda _: at(server.url)

        answer = await gate.ask()

        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
        assert len(await gate.journalled(UsageRecorded)) == 3
        assert len(await gate.journalled(LeaseGranted)) == 3
        assert await gate.journalled(LeaseCancelled) == []


async def test_when_none_is_left_the_pools_refusal_is_the_answer(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(EXPIRED) as server,
        front(nats_client, nats_url, tmp_path, sessions=1, attempts_max=1) as gate,
    ):
        gate.chosen = lambda _: at(server.url)

        answer = await gate.ask()

        assert answer.json()["error"]["code"] == "upstream_credentials_exhausted"
        assert len(await gate.journalled(UsageRecorded)) == 1
        (refused,) = await gate.journalled(LeaseRefused)
        assert refused.number == 2
        assert await gate.journalled(CallsRefused) == []


async def test_a_used_up_quota_is_the_pools_to_say_each_time_anew(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path, sessions=1, limit=0) as gate:
        codes = [(await gate.ask()).json()["error"]["code"] for _ in range(13)]

        assert set(codes) == {"pool_quota_exhausted"}
        # Ten are told singly, the others wait in a count: the gateway keeps none of it to itself.
        assert len(await gate.journalled(LeaseRefused)) >= 10
        assert await gate.journalled(CallsRefused) == []


async def test_what_an_older_pool_grants_though_it_was_only_asked_is_given_back(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        upstream(EXPIRED) as server,
        front(nats_client, nats_url, tmp_path, sessions=5) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        asked = gate.gateway.pool.ask

        async def older(wanted: LeaseWanted) -> Granted | Refused | Free:
            return await asked(replace(wanted, only_ask=False))

        monkeypatch.setattr(gate.gateway.pool, "ask", older)
        answer = await gate.ask()

        assert answer.json()["error"]["code"] == "upstream_error"
        (ended,) = await gate.journalled(LeaseCancelled)
        assert (ended.number, ended.reason, ended.status) == (4, "attempts_max", 0)


async def refused_by(gate: Front) -> dict[tuple[str, str], tuple[int, int]]:
    told = await gate.journalled(CallsRefused)
    return {(one.key_id, one.code): (one.status, one.count) for one in told}


async def test_what_the_gateway_refuses_itself_is_counted_by_key_and_code(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        bounds = KeyBounds(requests_per_minute=2)
        made = await gate.gateway.key_log.issue("slow", Scope.CLIENT, bounds, "test")
        assert isinstance(made, tuple)
        slow, slow_key = made
        gate.chosen = lambda _: NOBODY
        answers = [await gate.ask(key=slow_key) for _ in range(7)]
        for _ in range(3):
            assert (await gate.ask("GET")).status_code == 405
        assert (await gate.ask(key="sk-nobody")).status_code == 401
        told = await refused_by(gate)
        cancelled = await gate.journalled(LeaseCancelled)

    assert [answer.status_code for answer in answers] == [503] * 2 + [429] * 5
    (key_id,) = {key for key, code in told if code == "rate_limit_exceeded"}
    assert key_id == slow.key_id
    assert sorted(told.values()) == [(405, 3), (429, 5)]
    # The two that passed have a trace of their own.
    assert [one.error_code for one in cancelled] == ["no_backend"] * 2


async def test_a_silent_pool_is_no_trace_of_a_call_and_so_it_is_counted(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        monkeypatch.setattr(type(gate.gateway.outbox), "blocked", property(lambda _: "no more"))
        answer = await gate.ask()
        told = await refused_by(gate)

    assert answer.json()["error"]["code"] == "ledger_unavailable"
    assert list(told.values()) == [(503, 1)]
