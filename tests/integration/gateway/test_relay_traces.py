"""What stands in the log of calls that failed: outages by name, counts, and no lease too many."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts.balancer import NoServer, Selected, SelectServer
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
from runtime.nats.connection import UnansweredError
from tests.integration.gateway.bench import NOBODY, Front, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
DONE = b'{"created":1,"data":[{"url":"https://pictures.test/1"}]}'
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


SILENT = UnansweredError("nobody")


@pytest.mark.parametrize("answer", [NOBODY, NoServer(reason="all rest", rests_s=9.0), SILENT])
async def test_an_outage_costs_one_lease_and_every_call_of_it_is_counted(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: NoServer | UnansweredError,
) -> None:
    code = "pool_saturated" if isinstance(answer, NoServer) and answer.rests_s else "no_backend"
    async with (
        upstream(saying(200, DONE)) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        asked = gate.gateway.balancer.ask

        async def silent(wanted: SelectServer) -> Selected | NoServer:
            raise SILENT

        if isinstance(answer, NoServer):
            gate.chosen = lambda _: answer
        else:
            monkeypatch.setattr(gate.gateway.balancer, "ask", silent)
        answers = [await gate.ask() for _ in range(20)]
        told = await gate.journalled(CallsRefused)

        assert {one.json()["error"]["code"] for one in answers} == {code}
        assert {one.status_code for one in answers} == {503}
        assert len(await gate.journalled(LeaseGranted)) == 1
        (ended,) = await gate.journalled(LeaseCancelled)
        assert (ended.status, ended.error_code) == (503, code)
        (count,) = told
        assert (count.service_type, count.code, count.status) == ("image", code, 503)
        assert count.count == len(answers) - 1

        # As soon as there is a server it is used, and nobody looks before a lease any more.
        monkeypatch.setattr(gate.gateway.balancer, "ask", asked)
        gate.chosen = lambda _: at(server.url)
        gate.asked.clear()
        assert [(await gate.ask()).status_code for _ in range(2)] == [200, 200]
        assert [one.only_ask for one in gate.asked] == [True, False, False]


async def test_an_outage_of_one_service_type_has_no_other_looked_at(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gate.chosen = lambda _: NOBODY

        assert (await gate.ask()).status_code == 503

        gate.asked.clear()

        # The pool has none of these: it is asked, and the balancer is not.
        assert (await gate.ask(path="/v1/videos/generations")).status_code == 400
        assert gate.asked == []
        assert [one.reason for one in await gate.journalled(LeaseRefused)] == ["unknown_service"]


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
        made = await gate.gateway.key_log.issue_key("slow", Scope.CLIENT, bounds, "test")
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
    # Of the two that passed the first has a trace of its own; the second found no server, either.
    assert sorted(told.values()) == [(405, 3), (429, 5), (503, 1)]
    assert [one.error_code for one in cancelled] == ["no_backend"]


async def test_a_silent_pool_is_no_trace_of_a_call_and_so_it_is_counted(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        monkeypatch.setattr(type(gate.gateway.outbox), "blocked", property(lambda _: "no more"))
        answer = await gate.ask()
        told = await refused_by(gate)

    assert answer.json()["error"]["code"] == "ledger_unavailable"
    assert list(told.values()) == [(503, 1)]


@pytest.mark.parametrize("decided", [True, False], ids=["decided", "never heard of"])
@pytest.mark.parametrize("limit", [0, 100], ids=["refused", "granted"])
async def test_a_call_given_up_stands_in_the_log_once_whatever_the_pool_decided(
    nats_client: Client,
    nats_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    decided: bool,
    limit: int,
) -> None:
    """The pool's answers are lost after it decided, or it is never asked; traces are counted."""
    calls = 4
    async with front(nats_client, nats_url, tmp_path, limit=limit) as gate:
        asked = gate.gateway.pool.ask

        async def unheard(wanted: LeaseWanted) -> Granted | Refused | Free:
            if decided:
                await asked(wanted)
            raise SILENT

        monkeypatch.setattr(gate.gateway.pool, "ask", unheard)
        answers = [(await gate.ask()).json()["error"]["code"] for _ in range(calls)]

        assert answers == ["ledger_unavailable"] * calls
        refused = await gate.journalled(LeaseRefused)
        cancelled = await gate.journalled(LeaseCancelled)
        told = [one for one in cancelled if one.status]
        assert sum(one.count for one in refused) + len(told) == calls
        assert bool(refused) == (decided and not limit)
        for one in told:
            assert (one.status, one.error_code) == (503, "ledger_unavailable")
            assert bool(one.session_id) == decided
            if not decided:
                assert one.service_type == "image"
                assert one.key_id
        assert await gate.journalled(CallsRefused) == []


async def test_a_last_word_that_never_came_leaves_the_call_to_its_lease(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        upstream(EXPIRED) as server,
        front(nats_client, nats_url, tmp_path, sessions=1, attempts_max=1) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        asked = gate.gateway.pool.ask

        async def unheard(wanted: LeaseWanted) -> Granted | Refused | Free:
            if wanted.only_ask:
                raise SILENT
            return await asked(wanted)

        monkeypatch.setattr(gate.gateway.pool, "ask", unheard)
        answer = await gate.ask()

        assert answer.json()["error"]["code"] == "ledger_unavailable"
        (ended,) = await gate.journalled(UsageRecorded)
        assert ended.status
        assert [one.status for one in await gate.journalled(LeaseCancelled)] == [0]
        assert await gate.journalled(CallsRefused) == []
