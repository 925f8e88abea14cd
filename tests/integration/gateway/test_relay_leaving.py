"""Between two attempts: whoever leaves, or waits, the lease before has its one end in the log."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
from nats.aio.client import Client

from contracts.balancer import Selected, SelectServer
from contracts.pool import LeaseCancelled, LeaseGranted, Outcome, UsageRecorded, Verdict
from services.gateway.relay.entry.gate import Gate, GatePlace
from tests.integration.gateway.bench import Front, at, front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio
NOBODY_LISTENS = "http://127.0.0.1:9"


async def leave_amid(gate: Front) -> list[UsageRecorded | LeaseCancelled]:
    """Ask, leave before the answer, and wait for the ends of all leases that were granted."""
    with pytest.raises(httpx.TimeoutException):
        await gate.ask(timeout=0.5)
    for _ in range(100):
        ends = [*await gate.journalled(UsageRecorded), *await gate.journalled(LeaseCancelled)]
        if len(ends) == len(await gate.journalled(LeaseGranted)):
            return ends
        await asyncio.sleep(0.1)
    raise AssertionError("a lease has no end")


async def test_who_leaves_in_the_pause_before_a_repetition_leaves_it_unknown(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with (
        upstream(saying(503, b"{}", "Retry-After: 20")) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: msgspec.structs.replace(at(server.url), idempotent=True)

        (end,) = await leave_amid(gate)

        assert isinstance(end, UsageRecorded)
        assert (end.outcome, end.verdict) == (Outcome.UNKNOWN, Verdict.CLIENT_GONE)
        assert [tried.status for tried in end.attempts] == [503]


async def test_who_leaves_while_another_server_is_looked_for_has_used_nothing(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:

        def choose_once(_: SelectServer) -> Selected:
            gate.chosen = silent
            return at(NOBODY_LISTENS)

        def silent(_: SelectServer) -> Selected:
            raise RuntimeError("the balancer says nothing more")

        gate.chosen = choose_once

        (end,) = await leave_amid(gate)

        assert isinstance(end, UsageRecorded)
        assert (end.outcome, end.verdict) == (Outcome.RELEASED, Verdict.CLIENT_GONE)
        assert [tried.verdict for tried in end.attempts] == [Verdict.UNREACHABLE]


async def test_who_waits_for_a_second_lease_has_the_end_of_the_first_journalled_meanwhile(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        upstream(saying(429, b"{}")) as server,
        front(nats_client, nats_url, tmp_path) as gate,
    ):
        gate.chosen = lambda _: at(server.url)
        enter, entered = Gate.enter, 0

        async def enter_late(of: Gate) -> GatePlace:
            nonlocal entered
            entered += 1
            if entered == 2:
                await asyncio.sleep(0)
                assert len(await gate.journalled(UsageRecorded)) == 1
            return await enter(of)

        monkeypatch.setattr(Gate, "enter", enter_late)

        answer = await gate.ask()

        assert answer.is_error
        assert entered >= 2
        usages = await gate.journalled(UsageRecorded)
        assert len(usages) == len(await gate.journalled(LeaseGranted)) >= 2
        assert len({usage.lease_id for usage in usages}) == len(usages)
